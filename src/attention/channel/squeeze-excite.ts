import { RequestError } from '../../errors.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { Linear } from '../../nn/layers/linear.js';
import { Module } from '../../nn/module.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../entry.js';

/** Options of {@link SqueezeExcite}. */
export interface SqueezeExciteOptions {
  /** How many times fewer hidden units than channels. Default 16. */
  readonly ratio?: number;
  /** true (default): 1x1 convolutions with bias; false: linear layers without. */
  readonly bias?: boolean;
  /** How a channel becomes one number: its mean or its maximum. Default 'avg'. */
  readonly squeeze?: 'avg' | 'max';
}

/**
 * Squeeze-and-Excitation. Hu, Shen and Sun, CVPR 2018, arXiv 1709.01507.
 *
 *   s = mean (or maximum) of x over H, W    [B, C, 1, 1]
 *   g = sigmoid(W2 relu(W1 s))              [B, C, 1, 1]    W1: C -> C/ratio, W2: C/ratio -> C
 *   y = x * g                               [B, C, H, W]
 *
 * Exposes `channel`: g. Cost: 2 C^2 / ratio weights (and C + C/ratio biases) and as many
 * multiply-adds per image, besides the C H W of the product.
 *
 * The seeds have it three times: 000 `SE` with 1x1 convolutions and biases (the default here),
 * 001 `SEBlock` with linear layers, no bias and a choice of maximum, 003 `Self_Attn_channel` with
 * linear layers and no bias (`bias: false` here). The paper's own code has biases.
 *
 * With fewer channels than `ratio` there is no hidden unit. The seeds' convolutions then fail and
 * their linear layers quietly halve the input (sigmoid of nothing is 0.5); here both are an error.
 */
export class SqueezeExcite extends Module {
  /** W1: [C/ratio, C, 1, 1], without bias [C/ratio, C]. */
  readonly reduce: Conv2d | Linear;
  /** W2: [C, C/ratio, 1, 1], without bias [C, C/ratio]. */
  readonly expand: Conv2d | Linear;
  private readonly squeeze: 'avg' | 'max';

  /** @throws RequestError if the ratio leaves no hidden unit, or for an unknown squeeze */
  constructor(
    readonly channels: number,
    { ratio = 16, bias = true, squeeze = 'avg' }: SqueezeExciteOptions = {},
  ) {
    super();
    const hidden = Math.floor(channels / ratio);
    if (!(ratio > 0) || hidden < 1) {
      throw new RequestError(
        `SqueezeExcite(${channels}) with ratio ${ratio} has no hidden unit: choose a ratio from 1 to ${channels}, the number of channels.`,
      );
    }
    if (!['avg', 'max'].includes(squeeze)) {
      throw new RequestError(`SqueezeExcite squeezes by 'avg' or 'max', not '${squeeze}'.`);
    }
    this.squeeze = squeeze;
    this.reduce = bias ? new Conv2d(channels, hidden, 1) : new Linear(channels, hidden, { bias });
    this.expand = bias ? new Conv2d(hidden, channels, 1) : new Linear(hidden, channels, { bias });
  }

  override forward(x: Tensor): Tensor {
    const [batch = 1, channels = 1] = x.shape;
    // Linear layers see [B, C], convolutions [B, C, 1, 1].
    const layout = this.reduce instanceof Linear ? [batch, channels] : [batch, channels, 1, 1];
    const squeezed = this.squeeze === 'avg' ? x.globalAvgPool() : x.globalMaxPool();
    const hidden = this.reduce.forward(squeezed.reshape(layout)).relu();
    const gate = this.expand.forward(hidden).sigmoid().reshape([batch, channels, 1, 1]);
    return x.mul(this.expose('channel', gate));
  }
}

const defaults: Required<SqueezeExciteOptions> = { ratio: 16, bias: true, squeeze: 'avg' };

export const se = defineMechanism({
  id: 'se',
  title: 'Squeeze-and-Excitation',
  domain: 'channel',
  paper: 'Hu, Shen and Sun, CVPR 2018',
  year: 2018,
  arxiv: '1709.01507',
  options: defaults,
  create: (channels, options) => new SqueezeExcite(channels, options),
});
