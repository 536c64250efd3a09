import { z } from 'zod';
import { concat } from '../../ops/index.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';
import { oddKernel } from '../requirements.js';

/** The options of CBAM's spatial half, also those of CBAM as a whole. */
export const spatialGateOptions = new OptionSet({
  kernel: oddKernel.default(7).describe("Size of the spatial gate's convolution."),
  bias: z.boolean().default(false).describe('Whether the convolution has a bias.'),
  pools: z
    .enum(['avg+max', 'max+avg'])
    .default('avg+max')
    .describe("What the convolution's two input channels are, in this order."),
});

export type SpatialGateOptions = OptionsOf<typeof spatialGateOptions.shape>;

/**
 * The spatial half of CBAM. Woo, Park, Lee and Kweon, ECCV 2018, arXiv 1807.06521.
 *
 *   a, m = mean and maximum of x over C     [B, 1, H, W] each
 *   g = sigmoid(K [a; m])                   [B, 1, H, W]    K: k x k convolution, 2 channels -> 1
 *   y = x g                                 [B, C, H, W]
 *
 * Exposes `spatial`: g. Cost: 2 k^2 weights and 2 k^2 H W multiply-adds per image, besides the C H W
 * of the product. It does not depend on the number of channels.
 *
 * When not to use it: on maps smaller than its kernel, most of which then sees padding.
 *
 * Documents: 000 with the mean first, as in the paper; 001, 003 and 004 with the maximum first (as the
 * paper's own code), which permutes the weights and nothing else. Kernels are 3 or 7 in 000, also 5 in 001, and 1
 * in 003. 000 returns the gate ({@link gate}), 004 the logits ({@link logits}). The paper's own code has
 * a BatchNorm behind K; neither paper nor documents do.
 */
export class SpatialGate extends Module {
  /** K: [1, 2, k, k] */
  readonly conv: Conv2d;
  private readonly meanFirst: boolean;

  /** @throws RequestError for an even kernel, or a value that an option cannot have */
  constructor(given: SpatialGateOptions = {}) {
    super();
    const { kernel, bias, pools } = spatialGateOptions.complete('SpatialGate', given);
    this.meanFirst = pools === 'avg+max';
    this.conv = new Conv2d(2, 1, kernel, { padding: (kernel - 1) / 2, bias });
  }

  override forward(x: Tensor): Tensor {
    return x.mul(this.expose.spatial(this.gate(x)));
  }

  /** g: [B, 1, H, W] */
  gate(x: Tensor): Tensor {
    return this.inScope(() => this.logits(x).sigmoid());
  }

  /** What the sigmoid takes: [B, 1, H, W]. */
  logits(x: Tensor): Tensor {
    return this.inScope(() => {
      const mean = x.mean(1, { keepDims: true });
      const maximum = x.maxFirst(1, { keepDims: true });
      return this.conv.forward(concat(this.meanFirst ? [mean, maximum] : [maximum, mean], 1));
    });
  }
}

export const cbamSpatial = defineMechanism({
  id: 'cbam-spatial',
  title: 'Spatial gate of CBAM',
  domain: 'spatial',
  paper: 'Woo, Park, Lee and Kweon, ECCV 2018',
  year: 2018,
  arxiv: '1807.06521',
  options: spatialGateOptions.shape,
  create: (_channels, given) => new SpatialGate(given),
});
