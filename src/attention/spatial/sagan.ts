import { constantInit } from '../../nn/init.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import { Parameter } from '../../nn/parameter.js';
import { shapeError } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';
import { hiddenUnits, ratio } from '../requirements.js';

const options = new OptionSet({
  ratio: ratio
    .default(8)
    .describe('How many times fewer channels query and key have than the map.'),
});

export type SaganAttentionOptions = OptionsOf<typeof options.shape>;

/**
 * Self-attention of SAGAN. Zhang, Goodfellow, Metaxas and Odena, ICML 2019, arXiv 1805.08318.
 *
 *   q, k = Wq x, Wk x           [B, C/ratio, N]    1x1 convolutions with bias, N = H W
 *   v = Wv x                    [B, C, N]
 *   A = softmax(q^T k)          [B, N, N]          row i: how much place i takes from each place
 *   y = gamma (v A^T) + x       [B, C, H, W]       gamma starts at 0, so the layer as the identity
 *
 * Exposes `attention`: A. Cost: C^2 + 2 C^2 / ratio weights (with biases C + 2 C / ratio) and gamma;
 * N times as many multiply-adds, and N^2 (C + C / ratio) for the two products.
 *
 * When not to use it: on large maps. A has N^2 numbers per image, at 64x64 64 MiB. For such maps take a
 * non-local block with sub-sampling, or place this one later in the network.
 *
 * Document 003 (`Self_Attn_bchw`) has this form, of the first version of the paper. The later version
 * writes Wv as the product of two convolutions, C -> C/8 -> C. The document also returns A, and takes
 * an `activation` that it does not use.
 */
export class SaganAttention extends Module {
  /** Wq: [C/ratio, C, 1, 1]. */
  readonly query: Conv2d;
  /** Wk: [C/ratio, C, 1, 1]. A bias of it cancels in the softmax; the papers' code has one. */
  readonly key: Conv2d;
  /** Wv: [C, C, 1, 1]. */
  readonly value: Conv2d;
  /** What the attended values are multiplied with before x is added: [1]. */
  readonly gamma = new Parameter([1], constantInit(0));

  /** @throws RequestError if the ratio leaves no channel for query and key */
  constructor(
    readonly channels: number,
    given: SaganAttentionOptions = {},
  ) {
    super();
    const { ratio } = options.complete('SaganAttention', given);
    const inner = hiddenUnits('SaganAttention', channels, ratio, 'no channel for query and key');
    this.query = new Conv2d(channels, inner, 1);
    this.key = new Conv2d(channels, inner, 1);
    this.value = new Conv2d(channels, channels, 1);
  }

  override forward(x: Tensor): Tensor {
    if (x.rank !== 4) throw shapeError('SaganAttention', [x], 'Expected [B, C, H, W].');
    const query = this.query.forward(x).flatten(2);
    const key = this.key.forward(x).flatten(2);
    const value = this.value.forward(x).flatten(2);
    const size = { height: x.dim(2), width: x.dim(3) };
    const attention = this.expose.attention(query.swapAxes().matmul(key).softmax(-1), {
      queries: size,
      keys: size,
    });
    const attended = value.matmul(attention.swapAxes()).reshape(x.shape);
    return attended.mul(this.gamma.tensor).add(x);
  }
}

export const sagan = defineMechanism({
  id: 'sagan',
  title: 'Self-attention of SAGAN',
  domain: 'spatial',
  paper: 'Zhang, Goodfellow, Metaxas and Odena, ICML 2019',
  year: 2019,
  arxiv: '1805.08318',
  options: options.shape,
  create: (channels, given) => new SaganAttention(channels, given),
});
