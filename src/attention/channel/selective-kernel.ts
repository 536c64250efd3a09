import { concat } from '../../ops/index.js';
import { ReLU } from '../../nn/layers/activation.js';
import { ModuleList, Sequential } from '../../nn/layers/container.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { Linear } from '../../nn/layers/linear.js';
import { BatchNorm2d } from '../../nn/layers/normalization.js';
import { Module, type Layer } from '../../nn/module.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../entry.js';
import { MOST_BRANCHES, requireChoice, requireCounts, requireParts } from '../requirements.js';

/** Options of {@link SelectiveKernel}. */
export interface SelectiveKernelOptions {
  /** M, the number of branches. Default 2. */
  readonly branches?: number;
  /** r: the hidden vector has C/r values. Default 16. */
  readonly reduction?: number;
  /** L: but not fewer than these. Default 32. */
  readonly minHidden?: number;
  /** Step of the branches' convolutions; the map shrinks by it. Default 1. */
  readonly stride?: number;
  /** Groups of the branches' convolutions. The paper has 32; null (default): the most up to 32 that divide the channels. */
  readonly groups?: number | null;
  /** Channels of the output; null (default): as many as of the input. */
  readonly outChannels?: number | null;
  /** How branch i sees further than branch 0: 3x3 with dilation 1+i (default), or a kernel of 3+2i. */
  readonly branch?: 'dilation' | 'kernel';
  /** Biases in the branches' convolutions, which BatchNorm takes out again. Default false. */
  readonly branchBias?: boolean;
  /** The hidden vector: 1x1 convolution, BatchNorm and ReLU (default), or linear layers throughout and no more. */
  readonly hidden?: 'norm' | 'linear';
  /** One layer without bias for all branches' logits (default), or one with bias for each. */
  readonly head?: 'shared' | 'per-branch';
}

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
 * The seed 000 has it three times. First: dilated branches, a shared head (the paper's form and the
 * default here). Second: `head: 'per-branch'`. Third: `branch: 'kernel', branchBias: true, hidden:
 * 'linear', head: 'per-branch'`, where nothing stands between the two linear layers; it could not be
 * trained, since it changed a ReLU's output in place. The seed fixes 32 groups in the first form, so
 * that the channels must be a multiple of 32.
 *
 * In training the BatchNorm over [B, d, 1, 1] needs two images or more.
 */
export class SelectiveKernel extends Module {
  /** K_i with BatchNorm and ReLU. */
  readonly branches: ModuleList<Sequential>;
  /** W, with BatchNorm and ReLU unless `hidden` is 'linear'. */
  readonly fuse: Layer;
  /** A: one layer to M C' values, or M layers to C'. */
  readonly select: Conv2d | Linear | ModuleList<Conv2d | Linear>;
  private readonly linear: boolean;

  /** @throws RequestError for counts below 1, unknown forms, or channels that do not divide into the groups */
  constructor(
    readonly channels: number,
    {
      branches = 2,
      reduction = 16,
      minHidden = 32,
      stride = 1,
      groups = null,
      outChannels = null,
      branch = 'dilation',
      branchBias = false,
      hidden = 'norm',
      head = 'shared',
    }: SelectiveKernelOptions = {},
  ) {
    super();
    const outputs = outChannels ?? channels;
    const units = Math.max(Math.floor(channels / reduction), minHidden);
    requireParts('SelectiveKernel', { branches }, MOST_BRANCHES);
    requireCounts('SelectiveKernel', { stride, minHidden: units, outChannels: outputs });
    requireChoice('SelectiveKernel', 'branch', branch, ['dilation', 'kernel']);
    requireChoice('SelectiveKernel', 'hidden', hidden, ['norm', 'linear']);
    requireChoice('SelectiveKernel', 'head', head, ['shared', 'per-branch']);
    this.linear = hidden === 'linear';

    const options = { stride, bias: branchBias, groups: groups ?? mostGroups(channels, outputs) };
    this.branches = new ModuleList(
      Array.from({ length: branches }, (_, i) => {
        const reach = { ...options, padding: 1 + i };
        return new Sequential(
          branch === 'kernel'
            ? new Conv2d(channels, outputs, 3 + 2 * i, reach)
            : new Conv2d(channels, outputs, 3, { ...reach, dilation: 1 + i }),
          new BatchNorm2d(outputs),
          new ReLU(),
        );
      }),
    );
    this.fuse = this.linear
      ? new Linear(outputs, units)
      : new Sequential(
          new Conv2d(outputs, units, 1, { bias: false }),
          new BatchNorm2d(units),
          new ReLU(),
        );
    const logits = (count: number, bias: boolean) =>
      this.linear ? new Linear(units, count, { bias }) : new Conv2d(units, count, 1, { bias });
    this.select =
      head === 'shared'
        ? logits(branches * outputs, false)
        : new ModuleList(Array.from({ length: branches }, () => logits(outputs, true)));
  }

  /** [B, C, H, W] -> [B, C', H / stride, W / stride] */
  override forward(x: Tensor): Tensor {
    const maps = [...this.branches].map((branch) => branch.forward(x));
    const union = maps.reduce((sum, map) => sum.add(map));
    const [batch = 1, outputs = 1] = union.shape;
    const squeezed = union.globalAvgPool();
    const z = this.fuse.forward(this.linear ? squeezed.reshape([batch, outputs]) : squeezed);
    const logits =
      this.select instanceof ModuleList
        ? concat(
            [...this.select].map((layer) => layer.forward(z)),
            1,
          )
        : this.select.forward(z);
    const weights = logits.reshape([batch, maps.length, outputs]).softmax(1);
    this.expose('branchWeights', weights);
    return maps
      .map((map, i) => map.mul(weights.select(1, i).reshape([batch, outputs, 1, 1])))
      .reduce((sum, map) => sum.add(map));
  }
}

/** The largest number of groups up to 32 that divides both numbers of channels. */
export function mostGroups(channels: number, outputs = channels): number {
  let groups = 32;
  while (groups > 1 && (channels % groups !== 0 || outputs % groups !== 0)) groups -= 1;
  return groups;
}

const defaults: Required<SelectiveKernelOptions> = {
  branches: 2,
  reduction: 16,
  minHidden: 32,
  stride: 1,
  groups: null,
  outChannels: null,
  branch: 'dilation',
  branchBias: false,
  hidden: 'norm',
  head: 'shared',
};

export const sk = defineMechanism({
  id: 'sk',
  title: 'Selective Kernel Convolution',
  domain: 'channel',
  paper: 'Li, Wang, Hu and Yang, CVPR 2019',
  year: 2019,
  arxiv: '1903.06586',
  options: defaults,
  create: (channels, options) => new SelectiveKernel(channels, options),
});
