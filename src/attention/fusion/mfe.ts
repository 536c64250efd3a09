import { z } from 'zod';
import { ReLU } from '../../nn/layers/activation.js';
import { ModuleList, Sequential } from '../../nn/layers/container.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { BatchNorm2d } from '../../nn/layers/normalization.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import type { PerAxis } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';
import { projection, ScaleSelection, weightedSum } from './msf.js';

const rate = z.int().positive();

const options = new OptionSet({
  rates: z
    // A command line has no form for a list of one.
    .union([rate.transform((one) => [one]), z.array(rate).min(1).readonly()])
    .default([2, 4, 8])
    .describe('Dilations of the branches after the first, whose dilation is 1.'),
});

export type MultiFeatureExtractionOptions = OptionsOf<typeof options.shape>;

/** A dilated 3x3 convolution that keeps the size, BatchNorm and ReLU: a branch of MFE. */
export function dilatedBlock(
  inChannels: number,
  outChannels: number,
  dilation: PerAxis,
): Sequential {
  return new Sequential(
    new Conv2d(inChannels, outChannels, 3, { padding: dilation, dilation, bias: false }),
    new BatchNorm2d(outChannels),
    new ReLU(),
  );
}

/**
 * Multi-feature extraction (MFE): a cascade of dilated convolutions, and the selective fusion of its
 * stages. Xie, Li, Wang, Zhang, Chen, Shen and Wu (SHISRCNet), MICCAI 2023, arXiv 2306.14119.
 *
 *   y_1 = relu(norm(conv3x3(x)))                      [B, C, H, W]    dilation 1
 *   y_i = relu(norm(conv3x3(y_(i-1) + x)))            [B, C, H, W]    dilation rates[i - 2]
 *   w   = the weights of MSF for y_1 .. y_4           [B, C, 4, 1]    see msf.ts, on which this builds
 *   y   = relu(norm(W (x + sum of w_i * y_i)))        [B, C, H, W]
 *
 * Exposes `branchWeights`: w. Cost with four branches: 36 C^2 + 5 C^2 + 10 C parameters; 37 C^2
 * multiply-adds per place and 4 C^2 per image.
 *
 * When not to use it: on maps smaller than a rate, where that branch's outer taps see padding only: choose
 * rates below H and W.
 *
 * As document 004 (`MFEblock`), which takes exactly three rates; here any number from one.
 */
export class MultiFeatureExtraction extends Module {
  /** One per dilation: 1, then the rates. */
  readonly branches: ModuleList<Sequential>;
  readonly selection: ScaleSelection;
  /** 1x1 convolution without bias, BatchNorm, ReLU. */
  readonly project: Sequential;

  /** @throws RequestError unless there are rates and all are positive integers */
  constructor(
    readonly channels: number,
    given: MultiFeatureExtractionOptions = {},
  ) {
    super();
    const { rates } = options.complete('MultiFeatureExtraction', given);
    const dilations = [1, ...rates];
    this.branches = new ModuleList(dilations.map((rate) => dilatedBlock(channels, channels, rate)));
    this.selection = new ScaleSelection(channels, dilations.length);
    this.project = projection(channels);
  }

  override forward(x: Tensor): Tensor {
    const maps: Tensor[] = [];
    for (const branch of this.branches) {
      const before = maps.at(-1);
      maps.push(branch.forward(before ? before.add(x) : x));
    }
    const weights = this.expose.branches(this.selection.forward(...maps));
    return this.project.forward(weightedSum(maps, weights).add(x));
  }
}

export const mfe = defineMechanism({
  id: 'mfe',
  title: 'Multi-feature extraction',
  domain: 'fusion',
  paper: 'Xie, Li, Wang, Zhang, Chen, Shen and Wu (SHISRCNet), MICCAI 2023',
  year: 2023,
  arxiv: '2306.14119',
  options: options.shape,
  create: (channels, given) => new MultiFeatureExtraction(channels, given),
});
