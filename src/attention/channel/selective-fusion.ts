import { ReLU } from '../../nn/layers/activation.js';
import { ModuleList, Sequential } from '../../nn/layers/container.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { BatchNorm2d } from '../../nn/layers/normalization.js';
import { Module } from '../../nn/module.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../entry.js';
import { MOST_BRANCHES, requireParts } from '../requirements.js';
import { Eca } from './eca.js';
import { mostGroups } from './selective-kernel.js';

/** Options of {@link SelectiveFusion}. */
export interface SelectiveFusionOptions {
  /** M, the number of branches; branch i has kernel 3+2i. Default 2. */
  readonly branches?: number;
  /** Groups of the convolutions. The seed has 32; null (default): the most up to 32 that divide the channels. */
  readonly groups?: number | null;
  /** 'map' (default): the weighted map; 'gate': the gate alone, as the seed returns it. */
  readonly output?: 'map' | 'gate';
}

/**
 * SF of seed 000: the split and the union of a selective kernel convolution (arXiv 1903.06586), and
 * in place of a choice between the branches ECA's gate (arXiv 1910.03151) over their union. The seed
 * names no paper for the combination.
 *
 *   u = sum over i = 0..M-1 of ReLU(BN(K_i x))   [B, C, H, W]     K_i: grouped, kernel 3+2i
 *   g = sigmoid(w * mean of u over H, W)         [B, C, 1, 1]     w: 3 taps along the channels
 *   y = u g                                      [B, C, H, W]
 *
 * Exposes `channel`: g. Cost with G groups: sum over i of (3+2i)^2 C^2/G weights, 2 M C of BatchNorm
 * and 3 of the gate; H W times the convolutions' weights in multiply-adds.
 *
 * The seed returns g alone, its ECA's product with the map being commented out: `output: 'gate'`.
 * It fixes 32 groups, so that the channels must be a multiple of 32.
 */
export class SelectiveFusion extends Module {
  readonly branches: ModuleList<Sequential>;
  readonly eca: Eca;
  private readonly output: 'map' | 'gate';

  /** @throws RequestError for fewer branches than 1 or more than 16, or channels that do not divide into the groups */
  constructor(
    readonly channels: number,
    { branches = 2, groups = null, output = 'map' }: SelectiveFusionOptions = {},
  ) {
    super();
    requireParts('SelectiveFusion', { branches }, MOST_BRANCHES);
    this.output = output;
    this.branches = new ModuleList(
      Array.from(
        { length: branches },
        (_, i) =>
          new Sequential(
            new Conv2d(channels, channels, 3 + 2 * i, {
              padding: 1 + i,
              groups: groups ?? mostGroups(channels),
              bias: false,
            }),
            new BatchNorm2d(channels),
            new ReLU(),
          ),
      ),
    );
    this.eca = new Eca(channels, { kernel: 3, output: 'gate' });
  }

  override forward(x: Tensor): Tensor {
    const union = [...this.branches]
      .map((branch) => branch.forward(x))
      .reduce((sum, map) => sum.add(map));
    const gate = this.eca.forward(union);
    return this.output === 'gate' ? gate : union.mul(this.expose('channel', gate));
  }
}

const defaults: Required<Omit<SelectiveFusionOptions, 'output'>> = {
  branches: 2,
  groups: null,
};

export const sf = defineMechanism({
  id: 'sf',
  title: 'Selective Fusion with ECA',
  domain: 'channel',
  paper: 'Seed 000, after SKNet (1903.06586) and ECA-Net (1910.03151)',
  year: 2020,
  arxiv: null,
  options: defaults,
  create: (channels, options) => new SelectiveFusion(channels, options),
});
