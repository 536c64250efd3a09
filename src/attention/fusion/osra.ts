import { z } from 'zod';
import { RequestError } from '../../errors.js';
import { GELU } from '../../nn/layers/activation.js';
import { Sequential } from '../../nn/layers/container.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { Dropout } from '../../nn/layers/dropout.js';
import { BatchNorm2d } from '../../nn/layers/normalization.js';
import { Module, type Layer } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import { shapeError } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';

const options = new OptionSet({
  heads: z.int().positive().default(8).describe('Number of heads; must divide the channels.'),
  scale: z
    .number()
    .nullable()
    .default(null)
    .describe('Factor of the logits; null: 1 / sqrt(channels per head).'),
  dropout: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('Probability with which an attention weight is dropped in training.'),
  reduction: z
    .int()
    .positive()
    .default(2)
    .describe('By how much keys and values are fewer than queries along each axis; 1: not at all.'),
});

export type OverlappingReductionAttentionOptions = OptionsOf<typeof options.shape>;

/**
 * Overlapping spatial-reduction attention (OSRA): self-attention whose keys and values come from a
 * smaller map, made by convolutions whose windows overlap. Lou, Zhang, Zhou, Yang, Wu and Yu
 * (TransXNet), 2023, arXiv 2310.19380.
 *
 *   r    = norm(dw1x1(gelu(norm(dw(x)))))             [B, C, H', W']     dw: depthwise, kernel s + 3, stride s
 *   z    = r + dw3x3(r)                               [B, C, H', W']     s = reduction; r = x for s = 1
 *   q    = Wq x                                       [B, h, N, d]       N = H W, C = h d
 *   k, v = halves of Wkv z                            [B, h, M, d]       M = H' W'
 *   A    = softmax over keys of scale q k^T + P       [B, h, N, M]       P: a given position encoding
 *   y    = A v                                        [B, C, H, W]
 *
 * H' = floor((H + 2p - (s + 3)) / s) + 1 with p = floor((s + 3) / 2). P is [1 or B, h, n, m]; if
 * n x m is not N x M it is resized bicubically.
 *
 * Exposes `attention`: A. Cost: 3 C^2 + 13 C parameters, and for s > 1 (s + 3)^2 C + 5 C;
 * N C^2 + 2 M C^2 + 2 N M C multiply-adds besides the depthwise ones. The output is not projected
 * and x is not added: that is the surrounding block's affair.
 *
 * When not to use it: on large maps, for the N M weights of every head; and with channels that its heads
 * do not divide.
 *
 * Document 004 (`OSRAttention`) names no paper; it has ReLU where the authors have GELU (their line stands
 * beside it in a comment), reads `qk_scale=0` as none given, and calls the softmax a LayerNorm in a comment.
 */
export class OverlappingReductionAttention extends Module {
  /** [C, C, 1, 1] */
  readonly query: Conv2d;
  /** Keys, then values: [2 C, C, 1, 1]. */
  readonly keyValue: Conv2d;
  /** Depthwise convolution, norm, activation, depthwise 1x1, norm; absent for a reduction of 1. */
  readonly reduce: Sequential | undefined;
  /** Depthwise 3x3: [C, 1, 3, 3]. */
  readonly local: Conv2d;
  readonly dropout: Dropout;
  readonly heads: number;
  private readonly scale: number;

  /** @throws RequestError if the heads do not divide the channels, or for an impossible reduction */
  constructor(
    readonly channels: number,
    given: OverlappingReductionAttentionOptions = {},
  ) {
    super();
    const { heads, scale, dropout, reduction } = options.complete(
      'OverlappingReductionAttention',
      given,
    );
    if (channels % heads !== 0) {
      throw new RequestError(
        `OverlappingReductionAttention(${channels}) cannot split its channels among ${heads} heads: choose a positive integer that divides ${channels}.`,
      );
    }
    this.heads = heads;
    this.scale = scale ?? (channels / heads) ** -0.5;
    this.query = new Conv2d(channels, channels, 1);
    this.keyValue = new Conv2d(channels, 2 * channels, 1);
    this.local = new Conv2d(channels, channels, 3, { padding: 1, groups: channels });
    this.dropout = new Dropout(dropout);
    if (reduction > 1) {
      const kernel = reduction + 3;
      const depthwise = { groups: channels, bias: false };
      const padding = Math.floor(kernel / 2);
      this.reduce = new Sequential(
        new Conv2d(channels, channels, kernel, { ...depthwise, stride: reduction, padding }),
        new BatchNorm2d(channels),
        this.activation(),
        new Conv2d(channels, channels, 1, depthwise),
        new BatchNorm2d(channels),
      );
    }
  }

  /** What stands between the two norms of the reduction. */
  protected activation(): Layer {
    return new GELU();
  }

  /**
   * @param position added to the logits: [1 or B, heads, n, m], resized to [N, M] where it differs
   * @throws ShapeError for an encoding of another rank, batch or number of heads
   */
  override forward(x: Tensor, position?: Tensor): Tensor {
    const reduced = this.reduce ? this.reduce.forward(x) : x;
    const local = this.local.forward(reduced).add(reduced);
    const query = this.perHead(this.query.forward(x));
    const [key, value] = this.keyValue
      .forward(local)
      .split(1, [this.channels, this.channels])
      .map((part) => this.perHead(part)) as [Tensor, Tensor];
    const logits = query.swapAxes().matmul(key).mul(this.scale);
    const encoded = position ? logits.add(this.encodingFor(logits, position)) : logits;
    const attention = this.expose.attention(encoded.softmax(-1), {
      queries: { height: x.dim(2), width: x.dim(3) },
      keys: { height: reduced.dim(2), width: reduced.dim(3) },
    });
    // [B, h, d, M] x [B, h, M, N]: what the places gather, already with channels before places.
    return value.matmul(this.dropout.forward(attention).swapAxes()).reshape(x.shape);
  }

  /** [B, C, H, W] -> [B, heads, C / heads, H W] */
  private perHead(x: Tensor): Tensor {
    const [batch = 1, channels = 1] = x.shape;
    const places = x.dim(2) * x.dim(3);
    return x.reshape([batch, this.heads, channels / this.heads, places]);
  }

  private encodingFor(logits: Tensor, position: Tensor): Tensor {
    const [batch = 1, heads = 1, queries = 1, keys = 1] = logits.shape;
    const fits = position.rank === 4 && position.dim(1) === heads;
    if (!fits || ![1, batch].includes(position.dim(0))) {
      throw shapeError(
        'overlappingReductionAttention',
        [position],
        `Expected a position encoding [1 or ${batch}, ${heads}, n, m].`,
      );
    }
    return position.interpolate({ size: [queries, keys], mode: 'bicubic' });
  }
}

export const osra = defineMechanism({
  id: 'osra',
  title: 'Overlapping spatial-reduction attention',
  domain: 'fusion',
  paper: 'Lou, Zhang, Zhou, Yang, Wu and Yu (TransXNet), 2023',
  year: 2023,
  arxiv: '2310.19380',
  options: options.shape,
  create: (channels, given) => new OverlappingReductionAttention(channels, given),
});
