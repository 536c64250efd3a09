import { ReLU } from '../../nn/layers/activation.js';
import { Sequential } from '../../nn/layers/container.js';
import { Conv1d, Conv2d } from '../../nn/layers/conv.js';
import { Linear } from '../../nn/layers/linear.js';
import { Module, type Layer } from '../../nn/module.js';
import type { Tensor } from '../../tensor/tensor.js';
import { adaptiveKernel } from '../channel/eca.js';
import { defineMechanism } from '../entry.js';
import { hiddenUnits, requireChoice } from '../requirements.js';

/** Options of {@link ChannelGate}. */
export interface ChannelGateOptions {
  /**
   * How the channels see each other: 'mlp' (default), two 1x1 convolutions with a ReLU between;
   * 'linear', the same with linear layers; 'conv1d', one kernel along the channels.
   */
  readonly mode?: 'mlp' | 'linear' | 'conv1d';
  /** How many times fewer hidden units than channels, for an MLP. Default 16. */
  readonly ratio?: number;
  /** Biases in the MLP. Default false. */
  readonly bias?: boolean;
  /** Divisor of ECA's rule for the kernel, for 'conv1d'. Default 2. */
  readonly gamma?: number;
  /** Summand of ECA's rule for the kernel, for 'conv1d'. Default 1. */
  readonly b?: number;
  /** What a channel is reduced to; the logits of both are added. Default 'avg+max'; seed 003 has 'max+max'. */
  readonly pools?: 'avg+max' | 'avg' | 'max' | 'max+max';
  /** 'map' (default): x weighted; 'gate': the gate [B, C, 1, 1]; 'logits': what the sigmoid takes. */
  readonly output?: 'map' | 'gate' | 'logits';
}

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
 * Seeds: 000 and 004 with 1x1 convolutions (004 hands on the logits), 001 with linear layers, or with
 * ECA's one kernel for T (`mode: 'conv1d'`), 003 with linear layers with biases and, by a slip, the
 * maximum twice (`pools: 'max+max'`). 000 and 004 return the gate and not the weighted map (`output`).
 * With fewer channels than `ratio` 001's gate is 0.5 everywhere; here that is an error.
 */
export class ChannelGate extends Module {
  /** T: layers 0 and 2 of an MLP, or the 1-D convolution itself. */
  readonly transform: Sequential | Conv1d;
  private readonly options: Required<Pick<ChannelGateOptions, 'mode' | 'pools' | 'output'>>;

  /** @throws RequestError if the ratio leaves no hidden unit, or for an unknown mode or pools */
  constructor(
    readonly channels: number,
    {
      mode = 'mlp',
      ratio = 16,
      bias = false,
      gamma = 2,
      b = 1,
      pools = 'avg+max',
      output = 'map',
    }: ChannelGateOptions = {},
  ) {
    super();
    requireChoice('ChannelGate', 'mode', mode, ['mlp', 'linear', 'conv1d']);
    requireChoice('ChannelGate', 'pools', pools, ['avg+max', 'avg', 'max', 'max+max']);
    this.options = { mode, pools, output };
    if (mode === 'conv1d') {
      const kernel = adaptiveKernel(channels, gamma, b);
      this.transform = new Conv1d(1, 1, kernel, { padding: (kernel - 1) / 2, bias: false });
    } else {
      const hidden = hiddenUnits('ChannelGate', channels, ratio);
      const layer = (from: number, to: number): Layer =>
        mode === 'mlp' ? new Conv2d(from, to, 1, { bias }) : new Linear(from, to, { bias });
      this.transform = new Sequential(layer(channels, hidden), new ReLU(), layer(hidden, channels));
    }
  }

  override forward(x: Tensor): Tensor {
    const [batch = 1, channels = 1] = x.shape;
    const { mode, pools, output } = this.options;
    const layout = {
      mlp: [batch, channels, 1, 1],
      linear: [batch, channels],
      conv1d: [batch, 1, channels],
    }[mode];
    const logits = pools
      .split('+')
      .map((pool) => (pool === 'avg' ? x.globalAvgPool() : x.globalMaxPool()))
      .map((pooled) => this.transform.forward(pooled.reshape(layout)))
      .reduce((sum, part) => sum.add(part))
      .reshape([batch, channels, 1, 1]);
    if (output === 'logits') return logits;
    const gate = logits.sigmoid();
    return output === 'gate' ? gate : x.mul(this.expose('channel', gate));
  }
}

const defaults: Required<Omit<ChannelGateOptions, 'output'>> = {
  mode: 'mlp',
  ratio: 16,
  bias: false,
  gamma: 2,
  b: 1,
  pools: 'avg+max',
};

export const cbamChannel = defineMechanism({
  id: 'cbam-channel',
  title: 'Channel gate of CBAM',
  domain: 'channel',
  paper: 'Woo, Park, Lee and Kweon, ECCV 2018',
  year: 2018,
  arxiv: '1807.06521',
  options: defaults,
  create: (channels, options) => new ChannelGate(channels, options),
});
