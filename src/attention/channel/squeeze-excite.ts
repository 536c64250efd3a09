import { z } from 'zod';
import { Conv2d } from '../../nn/layers/conv.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';
import { hiddenUnits, ratio } from '../requirements.js';

const options = new OptionSet({
  ratio: ratio.default(16).describe('How many times fewer hidden units than channels.'),
  bias: z.boolean().default(true).describe('Whether both convolutions have biases.'),
  squeeze: z
    .enum(['avg', 'max'])
    .default('avg')
    .describe('How a channel becomes one number: its mean or its maximum.'),
});

export type SqueezeExciteOptions = OptionsOf<typeof options.shape>;

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
 * When not to use it: with few channels, where the ratio leaves a handful of hidden units; and where a
 * place matters more than a channel, since all places get the same factors.
 *
 * The documents have it three times: 000 `SE` with biases (the default here), 001 `SEBlock` without and
 * with a choice of maximum, 003 `Self_Attn_channel` without. The last two have linear layers, which
 * compute the same as 1x1 convolutions of one place; their weights are read as such. The paper's own code
 * has biases. With fewer channels than `ratio` there is no hidden unit: the documents' linear layers
 * then quietly halve the input (sigmoid of nothing is 0.5); here that is an error.
 */
export class SqueezeExcite extends Module {
  /** W1: [C/ratio, C, 1, 1]. */
  readonly reduce: Conv2d;
  /** W2: [C, C/ratio, 1, 1]. */
  readonly expand: Conv2d;
  private readonly squeeze: 'avg' | 'max';

  /** @throws RequestError if the ratio leaves no hidden unit, or for a value that an option cannot have */
  constructor(
    readonly channels: number,
    given: SqueezeExciteOptions = {},
  ) {
    super();
    const { ratio, bias, squeeze } = options.complete('SqueezeExcite', given);
    const hidden = hiddenUnits('SqueezeExcite', channels, ratio);
    this.squeeze = squeeze;
    this.reduce = new Conv2d(channels, hidden, 1, { bias });
    this.expand = new Conv2d(hidden, channels, 1, { bias });
  }

  override forward(x: Tensor): Tensor {
    const squeezed = this.squeeze === 'avg' ? x.globalAvgPool() : x.globalMaxPool();
    const gate = this.expand.forward(this.reduce.forward(squeezed).relu()).sigmoid();
    return x.mul(this.expose.channel(gate));
  }
}

export const se = defineMechanism({
  id: 'se',
  title: 'Squeeze-and-Excitation',
  domain: 'channel',
  paper: 'Hu, Shen and Sun, CVPR 2018',
  year: 2018,
  arxiv: '1709.01507',
  options: options.shape,
  create: (channels, given) => new SqueezeExcite(channels, given),
});
