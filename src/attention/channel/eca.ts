import { RequestError } from '../../errors.js';
import { Conv1d } from '../../nn/layers/conv.js';
import { Module } from '../../nn/module.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../entry.js';
import { requireCounts } from '../requirements.js';

/** Options of {@link Eca}. */
export interface EcaOptions {
  /** How many neighbouring channels decide on one, an odd number; null (default): {@link adaptiveKernel}. */
  readonly kernel?: number | null;
  /** Divisor of the adaptive rule. Default 2. */
  readonly gamma?: number;
  /** Summand of the adaptive rule. Default 1. */
  readonly b?: number;
  /** 'map' (default): the weighted map; 'gate': the gate alone, as seed 000 returns it. */
  readonly output?: 'map' | 'gate';
}

/**
 * ECA's kernel for a number of channels, |(log2 C + b) / gamma|_odd: the odd number nearest to it,
 * of two as near the larger one. With gamma 2 and b 1: 1 below 8 channels, 3 below 128, 5 below
 * 2048, then 7.
 *
 * @throws RequestError unless `channels` is positive, gamma is not 0 and both are finite
 */
export function adaptiveKernel(channels: number, gamma: number, b: number): number {
  const whole = Math.trunc(Math.abs((Math.log2(channels) + b) / gamma));
  if (!Number.isFinite(whole)) {
    throw new RequestError(
      `No kernel follows from ${channels} channels, gamma ${gamma} and b ${b}: channels must be positive and gamma not 0.`,
    );
  }
  return whole % 2 === 1 ? whole : whole + 1;
}

/**
 * Efficient Channel Attention. Wang, Wu, Zhu, Li, Zuo and Hu, CVPR 2020, arXiv 1910.03151.
 *
 *   s = mean of x over H, W                 [B, C, 1, 1], seen as a row [B, 1, C]
 *   g = sigmoid(w * s)                      [B, 1, C]     w: one kernel of k taps along the channels
 *   y = x g                                 [B, C, H, W]
 *
 * Exposes `channel`: g as [B, C, 1, 1]. Cost: k weights and k C multiply-adds per image, besides the
 * C H W of the product.
 *
 * The seeds have it twice: 000 `ECA` with a given kernel, whose last line returns the gate instead of
 * the weighted map (`output: 'gate'` here) and which therefore takes even kernels too, with a gate of
 * C - 1 values; 001 `ECABlock` with the adaptive kernel. Here an even kernel is an error unless the
 * gate is all that is asked for.
 *
 * Neighbouring channels have no meaning of their own: the kernel couples those that happen to lie
 * side by side. Where every channel should see every other one, take Squeeze-and-Excitation.
 */
export class Eca extends Module {
  /** w: [1, 1, k] */
  readonly conv: Conv1d;
  private readonly output: 'map' | 'gate';

  /** @throws RequestError for a kernel that is not a positive integer, or even and not for the gate alone */
  constructor(
    readonly channels: number,
    { kernel = null, gamma = 2, b = 1, output = 'map' }: EcaOptions = {},
  ) {
    super();
    const taps = kernel ?? adaptiveKernel(channels, gamma, b);
    requireCounts('Eca', { kernel: taps });
    if (taps % 2 === 0 && output === 'map') {
      throw new RequestError(
        `Eca cannot weight ${channels} channels with kernel ${taps}: an even kernel makes a gate of one value fewer. Choose ${taps - 1} or ${taps + 1}.`,
      );
    }
    this.output = output;
    this.conv = new Conv1d(1, 1, taps, { padding: Math.floor((taps - 1) / 2), bias: false });
  }

  override forward(x: Tensor): Tensor {
    const [batch = 1, channels = 1] = x.shape;
    const gate = this.conv
      .forward(x.globalAvgPool().reshape([batch, 1, channels]))
      .sigmoid()
      .reshape([batch, -1, 1, 1]);
    return this.output === 'gate' ? gate : x.mul(this.expose('channel', gate));
  }
}

const defaults = { kernel: null, gamma: 2, b: 1 } as const satisfies EcaOptions;

export const eca = defineMechanism<Omit<Required<EcaOptions>, 'output'>>({
  id: 'eca',
  title: 'Efficient Channel Attention',
  domain: 'channel',
  paper: 'Wang, Wu, Zhu, Li, Zuo and Hu, CVPR 2020',
  year: 2020,
  arxiv: '1910.03151',
  options: defaults,
  create: (channels, options) => new Eca(channels, options),
});
