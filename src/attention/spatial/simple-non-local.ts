import { RequestError } from '../../errors.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { Module } from '../../nn/module.js';
import { shapeError } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../entry.js';

/** Options of {@link SimpleNonLocal}. */
export interface SimpleNonLocalOptions {
  /**
   * false (default): every place attends to every place, as the paper and the seed's comments say.
   * true: the seed's code, which compares other things; see the class.
   */
  readonly foldPixels?: boolean;
}

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
 * Seed 000 (`NonLocalBlock`) gives this form in its comments; its code differs. It reads each [C/2, N]
 * as [C, M] with M = N/2, which folds two halves of the pixels into the channels, so A is [B, M, M]; and it
 * takes the softmax over the queries, so that A's columns sum to 1. `foldPixels: true` does the
 * same. It needs C' N divisible by C, where C' is C/2 rounded down; for even C that is an even N.
 *
 * Unlike a non-local block it does not start as the identity. N^2 numbers per image: not for large maps.
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
  private readonly foldPixels: boolean;

  /** @throws RequestError for fewer than two channels */
  constructor(
    readonly channels: number,
    { foldPixels = false }: SimpleNonLocalOptions = {},
  ) {
    super();
    const inner = Math.floor(channels / 2);
    if (!(inner >= 1)) {
      throw new RequestError(
        `SimpleNonLocal(${channels}) has no inner channel: half of the channels must be at least 1.`,
      );
    }
    this.foldPixels = foldPixels;
    this.theta = new Conv2d(channels, inner, 1, { bias: false });
    this.phi = new Conv2d(channels, inner, 1, { bias: false });
    this.g = new Conv2d(channels, inner, 1, { bias: false });
    this.mask = new Conv2d(inner, channels, 1, { bias: false });
  }

  override forward(x: Tensor): Tensor {
    if (x.rank !== 4) throw shapeError('SimpleNonLocal', [x], 'Expected [B, C, H, W].');
    const query = this.rows(this.theta.forward(x));
    const key = this.rows(this.phi.forward(x));
    const value = this.rows(this.g.forward(x));
    const energy = query.swapAxes().matmul(key);
    const attention = this.expose('attention', energy.softmax(this.foldPixels ? 1 : 2));
    const attended = attention.matmul(value.swapAxes()).swapAxes();
    const [batch = 1, , height = 1, width = 1] = x.shape;
    const inner = Math.floor(this.channels / 2);
    return this.mask.forward(attended.reshape([batch, inner, height, width])).add(x);
  }

  /** [B, C/2, H, W] -> [B, C/2, N], or folded [B, C, M]. */
  private rows(x: Tensor): Tensor {
    if (!this.foldPixels) return x.flatten(2);
    const [batch = 1] = x.shape;
    const folded = x.size / batch / this.channels;
    if (!Number.isInteger(folded)) {
      throw shapeError(
        'SimpleNonLocal',
        [x],
        `The elements of one image do not fold into ${this.channels} channels; choose foldPixels: false or an even number of pixels.`,
      );
    }
    return x.reshape([batch, this.channels, folded]);
  }
}

const defaults: Required<SimpleNonLocalOptions> = { foldPixels: false };

export const simpleNonLocal = defineMechanism({
  id: 'simple-non-local',
  title: 'Simplified non-local block',
  domain: 'spatial',
  paper: 'Wang, Girshick, Gupta and He, CVPR 2018',
  year: 2018,
  arxiv: '1711.07971',
  options: defaults,
  create: (channels, options) => new SimpleNonLocal(channels, options),
});
