import { z } from 'zod';
import { RequestError } from '../../errors.js';
import { ReLU } from '../../nn/layers/activation.js';
import { Sequential } from '../../nn/layers/container.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { Dropout } from '../../nn/layers/dropout.js';
import { BatchNorm2d } from '../../nn/layers/normalization.js';
import { Module, type Layer } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';
import {
  ChannelSimilarityAttention,
  channelSimilarityOptions,
  PositionAttention,
} from './danet.js';

const options = new OptionSet({
  auxiliary: z
    .boolean()
    .default(true)
    .describe('Whether each path has a classifier of its own besides that of their sum.'),
  dropout: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe('Probability with which a feature is dropped before a classifier, in training.'),
  ...channelSimilarityOptions.shape,
});

export type DualAttentionHeadOptions = OptionsOf<typeof options.shape> & {
  /** The normalisation after each 3x3 convolution. Default: BatchNorm2d. */
  readonly norm?: (channels: number) => Layer;
};

/**
 * The segmentation head of the Dual Attention Network. Fu, Liu, Tian, Li, Bao, Fang and Lu,
 * CVPR 2019, arXiv 1809.02983.
 *
 *   p = conv3x3(position(conv3x3(x)))    [B, C/4, H, W]    every conv3x3 with norm and ReLU
 *   c = conv3x3(channel(conv3x3(x)))     [B, C/4, H, W]
 *   logits = classify(p + c)             [B, K, H, W]      classify: dropout, 1x1 convolution
 *   auxiliary logits of p alone, of c alone                [B, K, H, W] each
 *
 * Exposes `position.attention` [B, N, N] and `channel.attention` [B, C/4, C/4]. Cost: 18 C^2 / 4 +
 * 18 C^2 / 16 weights in the 3x3 convolutions, N times that in multiply-adds, and those of the
 * two modules (see danet.ts).
 *
 * When not to use it: on maps larger than an encoder's last, for the N^2 weights of its position path.
 *
 * As `_DAHead` of document 000, which always returns a tuple: here, always a list.
 */
export class DualAttentionHead extends Module {
  /** C -> C/4: conv, norm, ReLU; before the attention of the position path. */
  readonly positionIn: Sequential;
  /** C -> C/4, before the attention of the channel path. */
  readonly channelIn: Sequential;
  readonly position: PositionAttention;
  readonly channel: ChannelSimilarityAttention;
  /** C/4 -> C/4, after the attention of the position path. */
  readonly positionOut: Sequential;
  /** C/4 -> C/4, after the attention of the channel path. */
  readonly channelOut: Sequential;
  /** Of the sum of both paths. */
  readonly classifier: Sequential;
  readonly positionClassifier: Sequential | undefined;
  readonly channelClassifier: Sequential | undefined;

  /** @throws RequestError for fewer than 32 channels, which leave the position module without queries */
  constructor(
    readonly channels: number,
    readonly classes: number,
    { norm = (count) => new BatchNorm2d(count), ...given }: DualAttentionHeadOptions = {},
  ) {
    super();
    const { auxiliary, dropout, inverted } = options.complete('DualAttentionHead', given);
    const inner = Math.floor(channels / 4);
    if (inner < 8) {
      throw new RequestError(
        `DualAttentionHead(${channels}) leaves its position module ${inner} channels, which needs 8: give it at least 32.`,
      );
    }
    const block = (from: number) =>
      new Sequential(
        new Conv2d(from, inner, 3, { padding: 1, bias: false }),
        norm(inner),
        new ReLU(),
      );
    const classifier = () =>
      new Sequential(new Dropout(dropout), new Conv2d(inner, this.classes, 1));
    this.positionIn = block(channels);
    this.channelIn = block(channels);
    this.position = new PositionAttention(inner);
    this.channel = new ChannelSimilarityAttention({ inverted });
    this.positionOut = block(inner);
    this.channelOut = block(inner);
    this.classifier = classifier();
    this.positionClassifier = auxiliary ? classifier() : undefined;
    this.channelClassifier = auxiliary ? classifier() : undefined;
  }

  /** @returns the logits; with auxiliary outputs also those of the position and the channel path */
  override forward(x: Tensor): Tensor[] {
    const position = this.positionOut.forward(this.position.forward(this.positionIn.forward(x)));
    const channel = this.channelOut.forward(this.channel.forward(this.channelIn.forward(x)));
    const outputs = [this.classifier.forward(position.add(channel))];
    if (this.positionClassifier) outputs.push(this.positionClassifier.forward(position));
    if (this.channelClassifier) outputs.push(this.channelClassifier.forward(channel));
    return outputs;
  }
}

export const danetHead = defineMechanism({
  id: 'danet-head',
  title: "DANet's segmentation head",
  domain: 'hybrid',
  paper: 'Fu, Liu, Tian, Li, Bao, Fang and Lu, CVPR 2019',
  year: 2019,
  arxiv: '1809.02983',
  keepsShape: false,
  options: {
    classes: z
      .int()
      .positive()
      .default(19)
      .describe(
        "How many classes a place may belong to; 19 are those of Cityscapes, the paper's first data set.",
      ),
    ...options.shape,
  },
  create: (channels, { classes, ...given }) => new DualAttentionHead(channels, classes, given),
});
