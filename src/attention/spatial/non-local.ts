import { z } from 'zod';
import { constantInit } from '../../nn/init.js';
import { Conv1d, Conv2d, Conv3d } from '../../nn/layers/conv.js';
import { BatchNorm1d, BatchNorm2d, BatchNorm3d } from '../../nn/layers/normalization.js';
import { Module, type Layer } from '../../nn/module.js';
import { OptionSet, type CompleteOptions, type OptionsOf } from '../../options.js';
import { Parameter } from '../../nn/parameter.js';
import { shapeError } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';

const options = new OptionSet({
  kind: z
    .enum(['embedded-gaussian', 'gaussian', 'dot-product', 'concatenation'])
    .default('embedded-gaussian')
    .describe('How two places are compared.'),
  dimension: z
    .literal([1, 2, 3])
    .default(2)
    .describe('Number of axes besides batch and channels: 1 series, 2 images, 3 videos.'),
  innerChannels: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe("Channels of theta, phi and g; null: half of the map's, at least 1."),
  subSample: z
    .boolean()
    .default(true)
    .describe('Whether keys and values are max-pooled to half of each axis (not of time).'),
  batchNorm: z
    .boolean()
    .default(true)
    .describe('Whether a BatchNorm follows the last convolution.'),
});

export type NonLocalOptions = OptionsOf<typeof options.shape>;

/** How two places are compared. */
export type NonLocalKind = CompleteOptions<typeof options.shape>['kind'];

/** The layers for each number of axes, and the window of the sub-sampling, which leaves time alone. */
const LAYERS = {
  1: { Conv: Conv1d, BatchNorm: BatchNorm1d, window: [2] },
  2: { Conv: Conv2d, BatchNorm: BatchNorm2d, window: [2, 2] },
  3: { Conv: Conv3d, BatchNorm: BatchNorm3d, window: [1, 2, 2] },
} as const;

/**
 * Non-local block. Wang, Girshick, Gupta and He, CVPR 2018, arXiv 1711.07971.
 *
 *   theta, phi, g   [B, C', N], [B, C', N'], [B, C', N']   1x1 convolutions with bias; C' = C/2, N = H W
 *   f, by kind      [B, N, N']
 *     embedded-gaussian   softmax over the keys of theta^T phi
 *     gaussian            softmax over the keys of x^T x', with x' = x or x pooled, and all C channels
 *     dot-product         theta^T phi / N'
 *     concatenation       relu(w^T [theta_i, phi_j]) / N'
 *   y = g f^T       [B, C', ..S]
 *   z = norm(W y) + x                 [B, C, ..S]          zero at first, so the block is the identity
 *
 * Sub-sampling max-pools phi (or x') and g, so that N' is a quarter of N (half of it in 1-D; in 3-D time
 * stays); odd sizes round down. The similarity of the concatenation is computed as the sum of two
 * vectors, w1^T theta_i + w2^T phi_j, and never as the [B, 2 C', N, N'] that its formula shows.
 *
 * Exposes `attention`: f, after softmax or division; in 2-D as attention of places, while in 1-D and 3-D,
 * where an image has no such places, there is nothing to draw. Cost: 4 C C' weights (2 C C' for 'gaussian'), N times
 * as many multiply-adds, and 2 N N' C' for the two products.
 *
 * When not to use it: in every block of a network, or on large maps, for its N N' numbers per image. The
 * paper places one to five blocks in the later stages.
 *
 * Document 000 has it as four copies of `NONLocalBlock1D`, `2D` and `3D`, which agree with the paper. There
 * too are no 1/sqrt(C') in the softmax, and no softmax in the last two kinds.
 */
export class NonLocal extends Module {
  /** Queries; absent in the kind 'gaussian'. */
  readonly theta: Layer | undefined;
  /** Keys; absent in the kind 'gaussian'. */
  readonly phi: Layer | undefined;
  /** Values. */
  readonly g: Layer;
  /** w of the kind 'concatenation': [1, 2 C', 1, 1]. Its weight alone is used. */
  readonly similarity: Conv2d | undefined;
  /** W: C' -> C. Starts at zero if nothing follows. */
  readonly output: Layer;
  /** Starts at zero. */
  readonly norm: Layer | undefined;
  private readonly kind: NonLocalKind;
  private readonly dimension: 1 | 2 | 3;
  private readonly innerChannels: number;
  private readonly subSample: boolean;

  /** @throws RequestError for a value that an option cannot have */
  constructor(
    readonly channels: number,
    given: NonLocalOptions = {},
  ) {
    super();
    const { kind, dimension, innerChannels, subSample, batchNorm } = options.complete(
      'NonLocal',
      given,
    );
    const inner = innerChannels ?? Math.max(1, Math.floor(channels / 2));
    const { Conv, BatchNorm } = LAYERS[dimension];
    const embeds = kind !== 'gaussian';
    this.kind = kind;
    this.dimension = dimension;
    this.innerChannels = inner;
    this.subSample = subSample;
    this.theta = embeds ? new Conv(channels, inner, 1) : undefined;
    this.phi = embeds ? new Conv(channels, inner, 1) : undefined;
    this.g = new Conv(channels, inner, 1);
    this.similarity =
      kind === 'concatenation' ? new Conv2d(2 * inner, 1, 1, { bias: false }) : undefined;
    this.output = new Conv(inner, channels, 1);
    this.norm = batchNorm ? new BatchNorm(channels) : undefined;
    startAtZero(this.norm ?? this.output);
  }

  /** @param x [B, C, ..S] with as many axes S as the dimension says @returns the same shape */
  override forward(x: Tensor): Tensor {
    const { dimension, innerChannels } = this;
    const [batch = 1, , ...sizes] = x.shape;
    if (sizes.length !== dimension) {
      const expected = ['B', 'C', ...['T', 'H', 'W'].slice(-dimension)].join(', ');
      throw shapeError('NonLocal', [x], `Expected [${expected}] for dimension ${dimension}.`);
    }
    const value = this.pool(this.g.forward(x)).flatten(2);
    const attention = this.show(this.compare(x), sizes);
    const attended = attention
      .matmul(value.swapAxes())
      .swapAxes()
      .reshape([batch, innerChannels, ...sizes]);
    const branch = this.output.forward(attended);
    return (this.norm?.forward(branch) ?? branch).add(x);
  }

  /** f: [B, N, N']. */
  private compare(x: Tensor): Tensor {
    const query = (this.theta?.forward(x) ?? x).flatten(2);
    const key = this.pool(this.phi?.forward(x) ?? x).flatten(2);
    if (this.similarity !== undefined) {
      const w = this.similarity.weight.tensor.reshape([1, 2 * this.innerChannels]);
      const ofQueries = w.slice(1, 0, this.innerChannels).matmul(query);
      const ofKeys = w.slice(1, this.innerChannels).matmul(key);
      return ofQueries.swapAxes().add(ofKeys).relu().div(key.dim(-1));
    }
    const products = query.swapAxes().matmul(key);
    return this.kind === 'dot-product' ? products.div(key.dim(-1)) : products.softmax(-1);
  }

  /** Exposes f of maps of these sizes. */
  private show(attention: Tensor, [height = 1, width = 1]: readonly number[]): Tensor {
    if (this.dimension !== 2) return this.expose.other(attention, 'attention');
    const step = this.subSample ? 2 : 1;
    const keys = { height: Math.floor(height / step), width: Math.floor(width / step) };
    return this.expose.attention(attention, { queries: { height, width }, keys });
  }

  private pool(x: Tensor): Tensor {
    if (!this.subSample) return x;
    const { window } = LAYERS[this.dimension];
    if (window.some((width, axis) => x.dim(axis + 2) < width)) {
      throw shapeError(
        'NonLocal',
        [x],
        'Sub-sampling needs axes of at least 2; choose subSample: false.',
      );
    }
    return x.maxPool(window);
  }
}

/** Puts parameters that start at zero in the place of a layer's own. */
function startAtZero(layer: Layer): void {
  for (const [name, { shape }] of layer.namedParameters()) {
    Object.assign(layer, { [name]: new Parameter(shape, constantInit(0)) });
  }
}

export const nonLocal = defineMechanism({
  id: 'non-local',
  title: 'Non-local block',
  domain: 'spatial',
  paper: 'Wang, Girshick, Gupta and He, CVPR 2018',
  year: 2018,
  arxiv: '1711.07971',
  options: options.shape,
  create: (channels, given) => new NonLocal(channels, given),
});
