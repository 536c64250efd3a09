/**
 * The two attention modules of the Dual Attention Network. Fu, Liu, Tian, Li, Bao, Fang and Lu,
 * CVPR 2019, arXiv 1809.02983. The segmentation head made of both is in danet-head.ts.
 */
import { z } from 'zod';
import { constantInit } from '../../nn/init.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import { Parameter } from '../../nn/parameter.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';
import { hiddenUnits, ratio } from '../requirements.js';

const positionOptions = new OptionSet({
  ratio: ratio
    .default(8)
    .describe('How many times fewer channels the queries and keys have than the input.'),
});

export type PositionAttentionOptions = OptionsOf<typeof positionOptions.shape>;

/**
 * Position attention: every place is told what the places that resemble it hold.
 *
 *   q, k = Wq x, Wk x                   [B, C/ratio, N]    N = H W
 *   A    = softmax over keys of q^T k   [B, N, N]          row i: where place i looks
 *   y    = alpha (v A^T) + x            [B, C, H, W]       v = Wv x  [B, C, N]
 *
 * Exposes `attention`: A. alpha starts at 0, so that the module starts as the identity. Cost:
 * C^2 + 2 C^2 / ratio weights with biases and 1; N times that in multiply-adds, and N^2 (C + C/ratio)
 * for the two products. The key's bias shifts whole rows of logits and so has no effect and no gradient.
 *
 * When not to use it: on large maps. With 64x64 places A alone has 16.8 million entries per image.
 *
 * As in the paper and in document 000 (`_PositionAttentionModule`: conv_b, conv_c and conv_d are
 * query, key and value). Unlike the non-local block of that document, nothing is pooled or normalised.
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
    given: PositionAttentionOptions = {},
  ) {
    super();
    const { ratio } = positionOptions.complete('PositionAttention', given);
    const hidden = hiddenUnits('PositionAttention', channels, ratio, 'queries without channels');
    this.query = new Conv2d(channels, hidden, 1);
    this.key = new Conv2d(channels, hidden, 1);
    this.value = new Conv2d(channels, channels, 1);
  }

  override forward(x: Tensor): Tensor {
    const query = this.query.forward(x).flatten(2);
    const key = this.key.forward(x).flatten(2);
    const value = this.value.forward(x).flatten(2);
    const size = { height: x.dim(2), width: x.dim(3) };
    const attention = this.expose.attention(query.swapAxes().matmul(key).softmax(-1), {
      queries: size,
      keys: size,
    });
    const gathered = value.matmul(attention.swapAxes()).reshape(x.shape);
    return gathered.mul(this.alpha.tensor).add(x);
  }
}

/** The options of DANet's channel attention, also those of its head. */
export const channelSimilarityOptions = new OptionSet({
  inverted: z
    .boolean()
    .default(false)
    .describe(
      "Whether a channel looks at those that differ from it, as in the authors' code and in document 000, and not at those that resemble it, as the paper says.",
    ),
});

export type ChannelSimilarityAttentionOptions = OptionsOf<typeof channelSimilarityOptions.shape>;

/**
 * Channel attention: every channel is told what other channels hold, by their inner products.
 *
 *   E = x x^T                           [B, C, C]       x as [B, C, N], N = H W
 *   A = softmax over the last axis of E [B, C, C]       inverted: of (largest of the row) - E
 *   y = beta (A x) + x                  [B, C, H, W]
 *
 * Exposes `attention`: A. beta starts at 0, so that the module starts as the identity. Cost: one
 * parameter; 2 C^2 N multiply-adds.
 *
 * When not to use it: on large or unnormalised maps. The products are sums over all places and are not
 * scaled, so that the softmax is all but a maximum there. Put it after a normalisation.
 *
 * The paper's formula is exp(A_i . A_j) over its sum, where the most similar channel weighs most. The authors'
 * code, and with it document 000 (`_ChannelAttentionModule`), takes the softmax of the row's largest
 * value minus E, where it weighs least: `inverted: true`.
 */
export class ChannelSimilarityAttention extends Module {
  /** [1], zero at the start: how much of what was gathered is added. */
  readonly beta = new Parameter([1], constantInit(0));
  private readonly inverted: boolean;

  constructor(given: ChannelSimilarityAttentionOptions = {}) {
    super();
    const { inverted } = channelSimilarityOptions.complete('ChannelSimilarityAttention', given);
    this.inverted = inverted;
  }

  override forward(x: Tensor): Tensor {
    const flat = x.flatten(2);
    const energy = flat.matmul(flat.swapAxes());
    // A softmax does not change when a row is shifted, so the row's maximum is left to its own.
    const logits = this.inverted ? energy.neg() : energy;
    const attention = this.expose.other(logits.softmax(-1), 'attention');
    return attention.matmul(flat).reshape(x.shape).mul(this.beta.tensor).add(x);
  }
}

const paper = {
  domain: 'hybrid',
  paper: 'Fu, Liu, Tian, Li, Bao, Fang and Lu, CVPR 2019',
  year: 2019,
  arxiv: '1809.02983',
} as const;

export const danetPosition = defineMechanism({
  ...paper,
  id: 'danet-position',
  title: "DANet's position attention",
  options: positionOptions.shape,
  create: (channels, given) => new PositionAttention(channels, given),
});

export const danetChannel = defineMechanism({
  ...paper,
  id: 'danet-channel',
  title: "DANet's channel attention",
  options: channelSimilarityOptions.shape,
  create: (_channels, given) => new ChannelSimilarityAttention(given),
});
