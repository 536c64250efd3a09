import { RequestError } from '../../errors.js';
import { constantInit } from '../../nn/init.js';
import { Conv1d, Conv2d, Conv3d } from '../../nn/layers/conv.js';
import { BatchNorm1d, BatchNorm2d, BatchNorm3d } from '../../nn/layers/normalization.js';
import { Module, type Layer } from '../../nn/module.js';
import { Parameter } from '../../nn/parameter.js';
import { shapeError } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../entry.js';
import { requireChoice } from '../requirements.js';

/** How two places are compared. */
export type NonLocalKind = 'embedded-gaussian' | 'gaussian' | 'dot-product' | 'concatenation';

/** Options of {@link NonLocal}. */
export interface NonLocalOptions {
  /** How two places are compared. Default 'embedded-gaussian'. */
  readonly kind?: NonLocalKind;
  /** Number of axes besides batch and channels: 1 series, 2 images (default), 3 videos. */
  readonly dimension?: 1 | 2 | 3;
  /** Channels of theta, phi and g; null (default): half of the map's, at least 1. */
  readonly innerChannels?: number | null;
  /** Whether keys and values are max-pooled to half of each axis (not of time). Default true. */
  readonly subSample?: boolean;
  /** Whether a BatchNorm follows the last convolution. Default true. */
  readonly batchNorm?: boolean;
}

const KINDS: readonly NonLocalKind[] = [
  'embedded-gaussian',
  'gaussian',
  'dot-product',
  'concatenation',
];

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
 * Exposes `attention`: f, after softmax or division. Cost: 4 C C' weights (2 C C' for 'gaussian'), N times
 * as many multiply-adds, and 2 N N' C' for the two products.
 *
 * Seed 000 has it as four copies of `NONLocalBlock1D`, `2D` and `3D`, which agree with the paper. There
 * too are no 1/sqrt(C') in the softmax, and no softmax in the last two kinds.
 *
 * N N' numbers per image: place it where maps are small, as the paper does (one to five blocks in
 * the later stages), rather than in every block of a network.
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

  /** @throws RequestError for an unknown kind or dimension, or no inner channel */
  constructor(
    readonly channels: number,
    {
      kind = 'embedded-gaussian',
      dimension = 2,
      innerChannels = null,
      subSample = true,
      batchNorm = true,
    }: NonLocalOptions = {},
  ) {
    super();
    requireChoice('NonLocal', 'kind', kind, KINDS);
    if (!(dimension in LAYERS)) {
      throw new RequestError(`NonLocal has dimension 1, 2 or 3, not ${dimension}.`);
    }
    const inner = innerChannels ?? Math.max(1, Math.floor(channels / 2));
    if (!Number.isInteger(inner) || inner < 1) {
      throw new RequestError(
        `NonLocal(${channels}) needs a positive integer number of inner channels, not ${inner}; null takes half of its channels.`,
      );
    }
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
    const attention = this.expose('attention', this.compare(x));
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

const defaults: Required<NonLocalOptions> = {
  kind: 'embedded-gaussian',
  dimension: 2,
  innerChannels: null,
  subSample: true,
  batchNorm: true,
};

export const nonLocal = defineMechanism({
  id: 'non-local',
  title: 'Non-local block',
  domain: 'spatial',
  paper: 'Wang, Girshick, Gupta and He, CVPR 2018',
  year: 2018,
  arxiv: '1711.07971',
  options: defaults,
  create: (channels, options) => new NonLocal(channels, options),
});
