import { z } from 'zod';
import { RequestError } from '../../errors.js';
import { Conv1d } from '../../nn/layers/conv.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';
import { oddKernel } from '../requirements.js';

/** The two numbers of the rule by which the kernel follows from the channels. */
export const adaptiveKernelOptions = {
  gamma: z.number().default(2).describe('Divisor of the adaptive rule for the kernel.'),
  b: z.number().default(1).describe('Summand of the adaptive rule for the kernel.'),
};

const options = new OptionSet({
  kernel: oddKernel
    .nullable()
    .default(null)
    .describe('How many neighbouring channels decide on one; null: by the adaptive rule.'),
  ...adaptiveKernelOptions,
});

export type EcaOptions = OptionsOf<typeof options.shape>;

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
 * The adaptive rule for k is the odd number nearest to |(log2 C + b) / gamma|: 3 taps from 8 channels on,
 * 5 from 128, 7 from 2048.
 *
 * Exposes `channel`: g as [B, C, 1, 1]. Cost: k weights and k C multiply-adds per image, besides the
 * C H W of the product.
 *
 * When not to use it: where every channel should see every other one. Neighbouring channels have no meaning
 * of their own, and the kernel couples those that happen to lie side by side; take Squeeze-and-Excitation.
 *
 * The documents have it twice: 000 `ECA` with a given kernel, whose last line returns the gate
 * ({@link gate}) instead of the weighted map and which therefore takes even kernels too, with a gate of
 * C - 1 values; 001 `ECABlock` with the adaptive kernel.
 */
export class Eca extends Module {
  /** w: [1, 1, k] */
  readonly conv: Conv1d;

  /** @throws RequestError for an even kernel, or where none follows from the channels */
  constructor(
    readonly channels: number,
    given: EcaOptions = {},
  ) {
    super();
    const { kernel, gamma, b } = options.complete('Eca', given);
    const taps = kernel ?? adaptiveKernel(channels, gamma, b);
    this.conv = new Conv1d(1, 1, taps, { padding: (taps - 1) / 2, bias: false });
  }

  override forward(x: Tensor): Tensor {
    return x.mul(this.expose.channel(this.gate(x)));
  }

  /** g: [B, C, 1, 1] */
  gate(x: Tensor): Tensor {
    return this.inScope(() => {
      const [batch = 1, channels = 1] = x.shape;
      const row = this.conv.forward(x.globalAvgPool().reshape([batch, 1, channels]));
      return row.sigmoid().reshape([batch, channels, 1, 1]);
    });
  }
}

export const eca = defineMechanism({
  id: 'eca',
  title: 'Efficient Channel Attention',
  domain: 'channel',
  paper: 'Wang, Wu, Zhu, Li, Zuo and Hu, CVPR 2020',
  year: 2020,
  arxiv: '1910.03151',
  options: options.shape,
  create: (channels, given) => new Eca(channels, given),
});
