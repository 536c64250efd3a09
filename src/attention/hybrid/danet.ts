/**
 * The two attention modules of the Dual Attention Network. Fu, Liu, Tian, Li, Bao, Fang and Lu,
 * CVPR 2019, arXiv 1809.02983. The segmentation head made of both is in danet-head.ts.
 */
import { RequestError } from '../../errors.js';
import { constantInit } from '../../nn/init.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { Module } from '../../nn/module.js';
import { Parameter } from '../../nn/parameter.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../entry.js';

/** Options of {@link PositionAttention}. */
export interface PositionAttentionOptions {
  /** How many times fewer channels the queries and keys have than the input. Default 8. */
  readonly ratio?: number;
}

/**
 * Position attention: every place is told what the places that resemble it hold.
 *
 *   q, k = Wq x, Wk x                   [B, C/ratio, N]    N = H W
 *   A    = softmax over keys of q^T k   [B, N, N]          row i: where place i looks
 *   y    = alpha (v A^T) + x            [B, C, H, W]       v = Wv x  [B, C, N]
 *
 * Exposes `attention`: A. alpha starts at 0, so that the module starts as the identity. Cost:
 * C^2 + 2 C^2 / ratio weights with biases and 1; N times that in multiply-adds, and N^2 (C + C/ratio)
 * for the two products: with 64x64 places the map alone has 16.8 million entries per image, so this is
 * for small feature maps. The key's bias shifts whole rows of logits and so has no effect and no gradient.
 *
 * As in the paper and in the seed (000, `_PositionAttentionModule`: conv_b, conv_c and conv_d are
 * query, key and value). Unlike the non-local block of that seed, nothing is pooled or normalised.
 */
export class PositionAttention extends Module {
  /** [C/ratio, C, 1, 1] */
  readonly query: Conv2d;
  /** [C/ratio, C, 1, 1] */
  readonly key: Conv2d;
  /** [C, C, 1, 1] */
  readonly value: Conv2d;
  /** [1], zero at the start: how much of what was gathered is added. */
  readonly alpha = new Parameter([1], constantInit(0));

  /** @throws RequestError if the ratio leaves queries without channels */
  constructor(
    readonly channels: number,
    { ratio = 8 }: PositionAttentionOptions = {},
  ) {
    super();
    const hidden = Math.floor(channels / ratio);
    if (!(ratio > 0) || hidden < 1) {
      throw new RequestError(
        `PositionAttention(${channels}) with ratio ${ratio} has queries without channels: choose a ratio from 1 to ${channels}, the number of channels.`,
      );
    }
    this.query = new Conv2d(channels, hidden, 1);
    this.key = new Conv2d(channels, hidden, 1);
    this.value = new Conv2d(channels, channels, 1);
  }

  override forward(x: Tensor): Tensor {
    const query = this.query.forward(x).flatten(2);
    const key = this.key.forward(x).flatten(2);
    const value = this.value.forward(x).flatten(2);
    const attention = this.expose('attention', query.swapAxes().matmul(key).softmax(-1));
    const gathered = value.matmul(attention.swapAxes()).reshape(x.shape);
    return gathered.mul(this.alpha.tensor).add(x);
  }
}

/** Options of {@link ChannelSimilarityAttention}. */
export interface ChannelSimilarityAttentionOptions {
  /**
   * false (default): a channel looks at those that resemble it, as the paper says. true: at those
   * that differ from it, as the authors' code and the seed have it.
   */
  readonly inverted?: boolean;
}

/**
 * Channel attention: every channel is told what other channels hold, by their inner products.
 *
 *   E = x x^T                           [B, C, C]       x as [B, C, N], N = H W
 *   A = softmax over the last axis of E [B, C, C]       inverted: of (largest of the row) - E
 *   y = beta (A x) + x                  [B, C, H, W]
 *
 * Exposes `attention`: A. beta starts at 0, so that the module starts as the identity. Cost: one
 * parameter; 2 C^2 N multiply-adds. The products are sums over all places and are not scaled: on
 * large or unnormalised maps the softmax is all but a maximum. Put it after a normalisation.
 *
 * The paper's formula is exp(A_i . A_j) over its sum, where the most similar channel weighs most. The authors'
 * code, and with it the seed (000, `_ChannelAttentionModule`), takes the softmax of the row's largest
 * value minus E, where it weighs least: `inverted: true`.
 */
export class ChannelSimilarityAttention extends Module {
  /** [1], zero at the start: how much of what was gathered is added. */
  readonly beta = new Parameter([1], constantInit(0));
  private readonly inverted: boolean;

  constructor({ inverted = false }: ChannelSimilarityAttentionOptions = {}) {
    super();
    this.inverted = inverted;
  }

  override forward(x: Tensor): Tensor {
    const flat = x.flatten(2);
    const energy = flat.matmul(flat.swapAxes());
    // A softmax does not change when a row is shifted, so the row's maximum is left to its own.
    const logits = this.inverted ? energy.neg() : energy;
    const attention = this.expose('attention', logits.softmax(-1));
    return attention.matmul(flat).reshape(x.shape).mul(this.beta.tensor).add(x);
  }
}

const paper = {
  domain: 'hybrid',
  paper: 'Fu, Liu, Tian, Li, Bao, Fang and Lu, CVPR 2019',
  year: 2019,
  arxiv: '1809.02983',
} as const;

const positionDefaults: Required<PositionAttentionOptions> = { ratio: 8 };
const channelDefaults: Required<ChannelSimilarityAttentionOptions> = { inverted: false };

export const danetPosition = defineMechanism({
  ...paper,
  id: 'danet-position',
  title: "DANet's position attention",
  options: positionDefaults,
  create: (channels, options) => new PositionAttention(channels, options),
});

export const danetChannel = defineMechanism({
  ...paper,
  id: 'danet-channel',
  title: "DANet's channel attention",
  options: channelDefaults,
  create: (_channels, options) => new ChannelSimilarityAttention(options),
});
