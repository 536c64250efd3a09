import { RequestError } from '../../errors.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { Module } from '../../nn/module.js';
import { shapeError } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';

/**
 * Simplified non-local block: the embedded Gaussian kind without biases, sub-sampling and
 * BatchNorm. After Wang, Girshick, Gupta and He, CVPR 2018, arXiv 1711.07971.
 *
 *   theta, phi, g = Wt x, Wp x, Wg x       [B, C/2, N]     1x1 convolutions without bias, N = H W
 *   A = softmax over the keys of theta^T phi   [B, N, N]
 *   y = Wm (g A^T) + x                     [B, C, H, W]
 *
 * Exposes `attention`: A. Cost: 2 C^2 weights (C even), N times as many multiply-adds, and N^2 C for
 * the two products.
 *
 * When not to use it: on large maps, for the N^2 numbers of A per image; and in the middle of a trained
 * network, since unlike a non-local block it does not start as the identity.
 *
 * Document 000 (`NonLocalBlock`) gives this form in its comments; its code differs. It reads each [C/2, N]
 * as [C, M] with M = N/2, which folds two halves of the pixels into the channels, so A is [B, M, M]; and it
 * takes the softmax over the queries, so that A's columns sum to 1.
 */
export class SimpleNonLocal extends Module {
  /** Wt: [C/2, C, 1, 1]. */
  readonly theta: Conv2d;
  /** Wp: [C/2, C, 1, 1]. */
  readonly phi: Conv2d;
  /** Wg: [C/2, C, 1, 1]. */
  readonly g: Conv2d;
  /** Wm: [C, C/2, 1, 1]. */
  readonly mask: Conv2d;

  /** @throws RequestError for fewer than two channels */
  constructor(readonly channels: number) {
    super();
    const inner = Math.floor(channels / 2);
    if (!(inner >= 1)) {
      throw new RequestError(
        `SimpleNonLocal(${channels}) has no inner channel: half of the channels must be at least 1.`,
      );
    }
    this.theta = new Conv2d(channels, inner, 1, { bias: false });
    this.phi = new Conv2d(channels, inner, 1, { bias: false });
    this.g = new Conv2d(channels, inner, 1, { bias: false });
    this.mask = new Conv2d(inner, channels, 1, { bias: false });
  }

  override forward(x: Tensor): Tensor {
    if (x.rank !== 4) throw shapeError('SimpleNonLocal', [x], 'Expected [B, C, H, W].');
    const [query, key, value] = [this.theta, this.phi, this.g].map((layer) => layer.forward(x)) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    return this.mask.forward(this.attend(query, key, value)).add(x);
  }

  /** g A^T, from queries, keys and values [B, C/2, H, W] to the same. */
  protected attend(query: Tensor, key: Tensor, value: Tensor): Tensor {
    const size = { height: query.dim(2), width: query.dim(3) };
    const weights = query.flatten(2).swapAxes().matmul(key.flatten(2)).softmax(-1);
    const attention = this.expose.attention(weights, { queries: size, keys: size });
    return attention.matmul(value.flatten(2).swapAxes()).swapAxes().reshape(value.shape);
  }
}

export const simpleNonLocal = defineMechanism({
  id: 'simple-non-local',
  title: 'Simplified non-local block',
  domain: 'spatial',
  paper: 'Wang, Girshick, Gupta and He, CVPR 2018',
  year: 2018,
  arxiv: '1711.07971',
  create: (channels) => new SimpleNonLocal(channels),
});
