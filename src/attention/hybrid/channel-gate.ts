import { z } from 'zod';
import { ReLU } from '../../nn/layers/activation.js';
import { Sequential } from '../../nn/layers/container.js';
import { Conv1d, Conv2d } from '../../nn/layers/conv.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import type { Tensor } from '../../tensor/tensor.js';
import { adaptiveKernel, adaptiveKernelOptions } from '../channel/eca.js';
import { defineMechanism } from '../mechanism.js';
import { hiddenUnits, ratio } from '../requirements.js';

/** The options of CBAM's channel half, also those of CBAM as a whole. */
export const channelGateOptions = new OptionSet({
  mode: z
    .enum(['mlp', 'conv1d'])
    .default('mlp')
    .describe(
      'How the channels see each other: by two 1x1 convolutions with a ReLU between, or by one kernel along the channels, as in ECA.',
    ),
  ratio: ratio.default(16).describe('How many times fewer hidden units than channels, for an MLP.'),
  bias: z.boolean().default(false).describe('Whether the MLP has biases.'),
  ...adaptiveKernelOptions,
  pools: z
    .enum(['avg+max', 'avg', 'max'])
    .default('avg+max')
    .describe('What a channel is reduced to; the logits of both are added.'),
});

export type ChannelGateOptions = OptionsOf<typeof channelGateOptions.shape>;

/**
 * The channel half of CBAM. Woo, Park, Lee and Kweon, ECCV 2018, arXiv 1807.06521.
 *
 *   a, m = mean and maximum of x over H, W  [B, C, 1, 1] each
 *   g = sigmoid(T a + T m)                  [B, C, 1, 1]    T = W2 relu(W1 .), C -> C/ratio -> C
 *   y = x g                                 [B, C, H, W]
 *
 * Exposes `channel`: g. Cost: 2 C^2 / ratio weights and twice as many multiply-adds per image,
 * besides the C H W of the product.
 *
 * When not to use it: with few channels, where the ratio leaves a handful of hidden units.
 *
 * Documents: 000 and 004 with 1x1 convolutions, 001 with linear layers, which compute the same of one place,
 * or with ECA's one kernel for T (`mode: 'conv1d'`), 003 with biases and, by a slip, the maximum twice.
 * 000 returns the gate ({@link gate}), 004 the logits ({@link logits}) and not the weighted map. With fewer
 * channels than `ratio` the gate of document 001 is 0.5 everywhere; here that is an error.
 */
export class ChannelGate extends Module {
  /** T: layers 0 and 2 of an MLP, or the 1-D convolution itself. */
  readonly transform: Sequential | Conv1d;
  private readonly pools: readonly string[];

  /** @throws RequestError if the ratio leaves no hidden unit, or for a value that an option cannot have */
  constructor(
    readonly channels: number,
    given: ChannelGateOptions = {},
  ) {
    super();
    const { mode, ratio, bias, gamma, b, pools } = channelGateOptions.complete(
      'ChannelGate',
      given,
    );
    this.pools = pools.split('+');
    if (mode === 'conv1d') {
      const kernel = adaptiveKernel(channels, gamma, b);
      this.transform = new Conv1d(1, 1, kernel, { padding: (kernel - 1) / 2, bias: false });
    } else {
      const hidden = hiddenUnits('ChannelGate', channels, ratio);
      this.transform = new Sequential(
        new Conv2d(channels, hidden, 1, { bias }),
        new ReLU(),
        new Conv2d(hidden, channels, 1, { bias }),
      );
    }
  }

  override forward(x: Tensor): Tensor {
    return x.mul(this.expose.channel(this.gate(x)));
  }

  /** g: [B, C, 1, 1] */
  gate(x: Tensor): Tensor {
    return this.inScope(() => this.logits(x).sigmoid());
  }

  /** What the sigmoid takes: [B, C, 1, 1]. */
  logits(x: Tensor): Tensor {
    return this.inScope(() => {
      const [batch = 1, channels = 1] = x.shape;
      const layout = this.transform instanceof Conv1d ? [batch, 1, channels] : undefined;
      return this.pools
        .map((pool) => (pool === 'avg' ? x.globalAvgPool() : x.globalMaxPool()))
        .map((pooled) => this.transform.forward(layout ? pooled.reshape(layout) : pooled))
        .reduce((sum, part) => sum.add(part))
        .reshape([batch, channels, 1, 1]);
    });
  }
}

export const cbamChannel = defineMechanism({
  id: 'cbam-channel',
  title: 'Channel gate of CBAM',
  domain: 'channel',
  paper: 'Woo, Park, Lee and Kweon, ECCV 2018',
  year: 2018,
  arxiv: '1807.06521',
  options: channelGateOptions.shape,
  create: (channels, given) => new ChannelGate(channels, given),
});
