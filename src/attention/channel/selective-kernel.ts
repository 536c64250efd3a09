import { z } from 'zod';
import { concat } from '../../ops/index.js';
import { ReLU } from '../../nn/layers/activation.js';
import { ModuleList, Sequential } from '../../nn/layers/container.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { BatchNorm2d } from '../../nn/layers/normalization.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';
import { branchCount, ratio } from '../requirements.js';

/** Groups of the branches' convolutions. */
export const groupCount = z
  .int()
  .positive()
  .nullable()
  .default(null)
  .describe(
    "Groups of the branches' convolutions; null: the most up to 32, the paper's number, that divide the channels.",
  );

const options = new OptionSet({
  branches: branchCount.default(2).describe('M, the number of branches.'),
  reduction: ratio.default(16).describe('r: the hidden vector has C/r values.'),
  minHidden: z.int().positive().default(32).describe('L: but not fewer than these.'),
  stride: z
    .int()
    .positive()
    .default(1)
    .describe("Step of the branches' convolutions; the map shrinks by it."),
  groups: groupCount,
  outChannels: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe('Channels of the output; null: as many as of the input.'),
  branch: z
    .enum(['dilation', 'kernel'])
    .default('dilation')
    .describe(
      'How branch i sees further than branch 0: by a 3x3 kernel of dilation 1 + i, or by one of size 3 + 2i.',
    ),
  head: z
    .enum(['shared', 'per-branch'])
    .default('shared')
    .describe("One layer without bias for all branches' logits, or one with bias for each."),
});

export type SelectiveKernelOptions = OptionsOf<typeof options.shape>;

/**
 * Selective kernel convolution. Li, Wang, Hu and Yang, CVPR 2019, arXiv 1903.06586.
 *
 *   u_i = ReLU(BN(K_i x)), i = 1..M         [B, C', H', W']     grouped convolutions K_i, near to far
 *   s   = mean of u_1 + .. + u_M over H, W  [B, C', 1, 1]
 *   z   = ReLU(BN(W s))                     [B, d, 1, 1]        d = max(C/r, L)
 *   a   = softmax over i of A_i z           [B, M, C']
 *   y   = a_1 u_1 + .. + a_M u_M            [B, C', H', W']
 *
 * Exposes `branchWeights`: a, which sum to 1 over the branches. Cost with G groups: M (9 C C'/G + 2 C')
 * weights in the branches, C' d + 2 d + M C' d in the head, and 9 M C C' H' W' / G multiply-adds.
 *
 * When not to use it: as something light to put behind a convolution. It is M convolutions, meant to
 * take the place of one. In training the BatchNorm over [B, d, 1, 1] needs two images or more.
 *
 * Document 000 has it three times. First: dilated branches, a shared head (the paper's form and the
 * default here). Second: `head: 'per-branch'`. Third: growing kernels, with biases that BatchNorm takes
 * out again, and a head of two linear layers with nothing between; it could not be trained, since it
 * changed a ReLU's output in place. The document fixes 32 groups in the first form, so that the channels
 * must be a multiple of 32.
 */
export class SelectiveKernel extends Module {
  /** K_i with BatchNorm and ReLU. */
  readonly branches: ModuleList<Sequential>;
  /** W, with BatchNorm and ReLU. */
  readonly fuse: Sequential;
  /** A: one layer to M C' values, or M layers to C'. */
  readonly select: Conv2d | ModuleList<Conv2d>;

  /** @throws RequestError for a value that an option cannot have, or channels that do not divide into the groups */
  constructor(
    readonly channels: number,
    given: SelectiveKernelOptions = {},
  ) {
    super();
    const { branches, reduction, minHidden, stride, groups, outChannels, branch, head } =
      options.complete('SelectiveKernel', given);
    const outputs = outChannels ?? channels;
    const hidden = Math.max(Math.floor(channels / reduction), minHidden);
    const grouped = { stride, bias: false, groups: groups ?? mostGroups(channels, outputs) };
    this.branches = new ModuleList(
      Array.from({ length: branches }, (_, i) => {
        const reach = { ...grouped, padding: 1 + i };
        return new Sequential(
          branch === 'kernel'
            ? new Conv2d(channels, outputs, 3 + 2 * i, reach)
            : new Conv2d(channels, outputs, 3, { ...reach, dilation: 1 + i }),
          new BatchNorm2d(outputs),
          new ReLU(),
        );
      }),
    );
    this.fuse = new Sequential(
      new Conv2d(outputs, hidden, 1, { bias: false }),
      new BatchNorm2d(hidden),
      new ReLU(),
    );
    this.select =
      head === 'shared'
        ? new Conv2d(hidden, branches * outputs, 1, { bias: false })
        : new ModuleList(Array.from({ length: branches }, () => new Conv2d(hidden, outputs, 1)));
  }

  /** [B, C, H, W] -> [B, C', H / stride, W / stride] */
  override forward(x: Tensor): Tensor {
    const maps = [...this.branches].map((branch) => branch.forward(x));
    const union = maps.reduce((sum, map) => sum.add(map));
    const z = this.fuse.forward(union.globalAvgPool());
    const logits =
      this.select instanceof ModuleList
        ? concat(
            [...this.select].map((layer) => layer.forward(z)),
            1,
          )
        : this.select.forward(z);
    const [batch = 1, outputs = 1] = union.shape;
    const weights = logits.reshape([batch, maps.length, outputs]).softmax(1);
    this.expose.branches(weights);
    return selected(maps, weights);
  }
}

/** The sum of maps [B, C, H, W] by weights [B, M, C]. */
export function selected(maps: readonly Tensor[], weights: Tensor): Tensor {
  const [batch = 1, , channels = 1] = weights.shape;
  return maps
    .map((map, i) => map.mul(weights.select(1, i).reshape([batch, channels, 1, 1])))
    .reduce((sum, map) => sum.add(map));
}

/** The largest number of groups up to 32 that divides both numbers of channels. */
export function mostGroups(channels: number, outputs = channels): number {
  let groups = 32;
  while (groups > 1 && (channels % groups !== 0 || outputs % groups !== 0)) groups -= 1;
  return groups;
}

export const sk = defineMechanism({
  id: 'sk',
  title: 'Selective Kernel Convolution',
  domain: 'channel',
  paper: 'Li, Wang, Hu and Yang, CVPR 2019',
  year: 2019,
  arxiv: '1903.06586',
  options: options.shape,
  create: (channels, given) => new SelectiveKernel(channels, given),
});
