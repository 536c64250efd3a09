import { Module } from '../../nn/module.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../entry.js';
import { requireChoice } from '../requirements.js';
import { ChannelGate, type ChannelGateOptions } from './channel-gate.js';
import { SpatialGate, type SpatialGateOptions } from './spatial-gate.js';

/** Options of {@link Cbam}. */
export interface CbamOptions {
  /** Which gate comes first, and so shapes what the other sees. Default 'channel-spatial', the paper's choice. */
  readonly order?: 'channel-spatial' | 'spatial-channel';
  /** The channel gate: 'mlp' (default) or 'linear' by an MLP, 'conv1d' by a kernel along the channels. */
  readonly mode?: ChannelGateOptions['mode'];
  /** How many times fewer hidden units than channels, for an MLP. Default 16. */
  readonly ratio?: number;
  /** Divisor of ECA's rule for the kernel of 'conv1d'. Default 2. */
  readonly gamma?: number;
  /** Summand of ECA's rule for the kernel of 'conv1d'. Default 1. */
  readonly b?: number;
  /** Size of the spatial gate's convolution, odd. Default 7. */
  readonly kernel?: number;
  /** Biases in the MLP and in the convolution. Default false. */
  readonly bias?: boolean;
  /** What a channel is reduced to. Default 'avg+max'. */
  readonly channelPools?: ChannelGateOptions['pools'];
  /** What a place is reduced to. Default 'avg+max'. */
  readonly spatialPools?: SpatialGateOptions['pools'];
  /** Computes and shows the channel gate without using it, as seed 003 does. Default false. */
  readonly ignoreChannel?: boolean;
}

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
 * Seeds: 000 `CBAM` is the paper's (and hides the options). 001 `CBAMBlock`: `mode: 'linear'` or
 * 'conv1d', `spatialPools: 'max+avg'`, kernel 3, 5 or 7. 003 `Self_Attn_channel_and_spatial`:
 * `mode: 'linear', bias: true, kernel: 1, spatialPools: 'max+avg'`, with two slips that
 * `channelPools: 'max+max'` and `ignoreChannel: true` repeat: its mean is a maximum, and its channel
 * gate is computed and then forgotten, so that its MLP never learns.
 */
export class Cbam extends Module {
  readonly channelGate: ChannelGate;
  readonly spatialGate: SpatialGate;
  private readonly order: 'channel-spatial' | 'spatial-channel';
  private readonly ignoreChannel: boolean;

  /** @throws RequestError if the ratio leaves no hidden unit, for an even kernel, or an unknown form */
  constructor(
    readonly channels: number,
    {
      order = 'channel-spatial',
      mode = 'mlp',
      ratio = 16,
      gamma = 2,
      b = 1,
      kernel = 7,
      bias = false,
      channelPools = 'avg+max',
      spatialPools = 'avg+max',
      ignoreChannel = false,
    }: CbamOptions = {},
  ) {
    super();
    requireChoice('Cbam', 'order', order, ['channel-spatial', 'spatial-channel']);
    this.order = order;
    this.ignoreChannel = ignoreChannel;
    const output = 'gate';
    const mlp = { mode, ratio, gamma, b, bias };
    this.channelGate = new ChannelGate(channels, { ...mlp, pools: channelPools, output });
    this.spatialGate = new SpatialGate({ kernel, bias, pools: spatialPools, output });
  }

  override forward(x: Tensor): Tensor {
    return this.order === 'channel-spatial'
      ? this.weightPlaces(this.weightChannels(x))
      : this.weightChannels(this.weightPlaces(x));
  }

  private weightChannels(x: Tensor): Tensor {
    const gate = this.expose('channel', this.channelGate.forward(x));
    return this.ignoreChannel ? x : x.mul(gate);
  }

  private weightPlaces(x: Tensor): Tensor {
    return x.mul(this.expose('spatial', this.spatialGate.forward(x)));
  }
}

const defaults: Required<CbamOptions> = {
  order: 'channel-spatial',
  mode: 'mlp',
  ratio: 16,
  gamma: 2,
  b: 1,
  kernel: 7,
  bias: false,
  channelPools: 'avg+max',
  spatialPools: 'avg+max',
  ignoreChannel: false,
};

export const cbam = defineMechanism({
  id: 'cbam',
  title: 'Convolutional Block Attention Module',
  domain: 'hybrid',
  paper: 'Woo, Park, Lee and Kweon, ECCV 2018',
  year: 2018,
  arxiv: '1807.06521',
  options: defaults,
  create: (channels, options) => new Cbam(channels, options),
});
