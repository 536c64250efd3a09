import { ReLU } from '../../nn/layers/activation.js';
import { ModuleList, Sequential } from '../../nn/layers/container.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { BatchNorm2d } from '../../nn/layers/normalization.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';
import { branchCount } from '../requirements.js';
import { Eca } from './eca.js';
import { mostGroups, groupCount } from './selective-kernel.js';

const options = new OptionSet({
  branches: branchCount
    .default(2)
    .describe('M, the number of branches; branch i has a kernel of 3 + 2i.'),
  groups: groupCount,
});

export type SelectiveFusionOptions = OptionsOf<typeof options.shape>;

/**
 * SF of document 000: the split and the union of a selective kernel convolution (arXiv 1903.06586), and
 * in place of a choice between the branches ECA's gate (arXiv 1910.03151) over their union. The document
 * names no paper for the combination.
 *
 *   u = sum over i = 0..M-1 of ReLU(BN(K_i x))   [B, C, H, W]     K_i: grouped, kernel 3+2i
 *   g = sigmoid(w * mean of u over H, W)         [B, C, 1, 1]     w: 3 taps along the channels
 *   y = u g                                      [B, C, H, W]
 *
 * Exposes `channel`: g. Cost with G groups: sum over i of (3+2i)^2 C^2/G weights, 2 M C of BatchNorm
 * and 3 of the gate; H W times the convolutions' weights in multiply-adds.
 *
 * When not to use it: where branches are to be chosen by what an image shows; here they are added up, and
 * only channels are weighed. Take a selective kernel convolution.
 *
 * The document returns g alone ({@link gate}), its ECA's product with the map being commented out. It
 * fixes 32 groups, so that the channels must be a multiple of 32.
 */
export class SelectiveFusion extends Module {
  readonly branches: ModuleList<Sequential>;
  readonly eca: Eca;

  /** @throws RequestError for fewer branches than 1 or more than 16, or channels that do not divide into the groups */
  constructor(
    readonly channels: number,
    given: SelectiveFusionOptions = {},
  ) {
    super();
    const { branches, groups } = options.complete('SelectiveFusion', given);
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
    this.eca = new Eca(channels, { kernel: 3 });
  }

  override forward(x: Tensor): Tensor {
    const union = this.union(x);
    return union.mul(this.expose.channel(this.eca.gate(union)));
  }

  /** g: [B, C, 1, 1] */
  gate(x: Tensor): Tensor {
    return this.inScope(() => this.eca.gate(this.union(x)));
  }

  private union(x: Tensor): Tensor {
    return [...this.branches].map((branch) => branch.forward(x)).reduce((sum, map) => sum.add(map));
  }
}

export const sf = defineMechanism({
  id: 'sf',
  title: 'Selective Fusion with ECA',
  domain: 'channel',
  paper: 'Document 000, after SKNet (1903.06586) and ECA-Net (1910.03151)',
  year: 2020,
  options: options.shape,
  create: (channels, given) => new SelectiveFusion(channels, given),
});
