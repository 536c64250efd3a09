import { z } from 'zod';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';
import { ChannelGate, channelGateOptions } from './channel-gate.js';
import { SpatialGate, spatialGateOptions } from './spatial-gate.js';

const { pools: channelPools, ...ofChannels } = channelGateOptions.shape;
const { pools: spatialPools, kernel } = spatialGateOptions.shape;

const options = new OptionSet({
  order: z
    .enum(['channel-spatial', 'spatial-channel'])
    .default('channel-spatial')
    .describe(
      "Which gate comes first, and so shapes what the other sees; the first is the paper's choice.",
    ),
  ...ofChannels,
  bias: ofChannels.bias.describe('Whether the MLP and the spatial convolution have biases.'),
  kernel,
  channelPools,
  spatialPools,
});

export type CbamOptions = OptionsOf<typeof options.shape>;

/**
 * Convolutional Block Attention Module. Woo, Park, Lee and Kweon, ECCV 2018, arXiv 1807.06521.
 *
 *   c = channel gate of x                   [B, C, 1, 1]    {@link ChannelGate}
 *   x' = x c                                [B, C, H, W]
 *   s = spatial gate of x'                  [B, 1, H, W]    {@link SpatialGate}
 *   y = x' s                                [B, C, H, W]
 *
 * Exposes `channel`: c, and `spatial`: s. Cost: 2 C^2 / ratio + 2 k^2 weights, 4 C^2 / ratio +
 * 2 k^2 H W multiply-adds per image, besides the 2 C H W of the products. The paper found the channel
 * gate first to do better than the spatial one first, or both side by side.
 *
 * When not to use it: where every millisecond counts; its two gates read the map four times over, and what they
 * add to Squeeze-and-Excitation has been little and mixed in others' hands.
 *
 * Documents: 000 `CBAM` is the paper's (and hides the options). 001 `CBAMBlock` has linear layers, or `mode:
 * 'conv1d'`, with `spatialPools: 'max+avg'` and a kernel of 3, 5 or 7. 003 `Self_Attn_channel_and_spatial` has
 * `bias: true, kernel: 1, spatialPools: 'max+avg'` and two slips: its mean is a maximum, and its channel
 * gate is computed and then forgotten, so that its MLP never learns.
 */
export class Cbam extends Module {
  readonly channelGate: ChannelGate;
  readonly spatialGate: SpatialGate;
  private readonly channelFirst: boolean;

  /** @throws RequestError if the ratio leaves no hidden unit, or for a value that an option cannot have */
  constructor(
    readonly channels: number,
    given: CbamOptions = {},
  ) {
    super();
    const { order, kernel, bias, channelPools, spatialPools, ...transform } = options.complete(
      'Cbam',
      given,
    );
    this.channelFirst = order === 'channel-spatial';
    this.channelGate = new ChannelGate(channels, { ...transform, bias, pools: channelPools });
    this.spatialGate = new SpatialGate({ kernel, bias, pools: spatialPools });
  }

  override forward(x: Tensor): Tensor {
    return this.channelFirst
      ? this.weightPlaces(this.weightChannels(x))
      : this.weightChannels(this.weightPlaces(x));
  }

  private weightChannels(x: Tensor): Tensor {
    return x.mul(this.expose.channel(this.channelGate.gate(x)));
  }

  private weightPlaces(x: Tensor): Tensor {
    return x.mul(this.expose.spatial(this.spatialGate.gate(x)));
  }
}

export const cbam = defineMechanism({
  id: 'cbam',
  title: 'Convolutional Block Attention Module',
  domain: 'hybrid',
  paper: 'Woo, Park, Lee and Kweon, ECCV 2018',
  year: 2018,
  arxiv: '1807.06521',
  options: options.shape,
  create: (channels, given) => new Cbam(channels, given),
});
