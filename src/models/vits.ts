/** Vision transformers, as models. */
import { z } from 'zod';
import { OptionSet } from '../options.js';
import { defineModel } from './model.js';
import { SimpleVitClassifier, type SimpleVitClassifierOptions } from './simple-vit.js';

const count = z.int().min(1);

/** What may be chosen, in ranges that the class itself checks further. */
const options = new OptionSet({
  classes: z
    .int()
    .min(0)
    .default(10)
    .describe('Number of classes; 0: the features in front of the classifier.'),
  imageSize: z.tuple([count, count]).default([32, 32]).describe('Height and width of the images.'),
  channels: count.default(3).describe('Channels of the images.'),
  patch: count.default(4).describe('Height and width of a patch; it divides both of the image.'),
  dim: count.default(128).describe('Size of a token, a multiple of 4.'),
  depth: count.default(4).describe('Number of layers.'),
  heads: count.default(4).describe('Number of attention heads.'),
  headDim: count.default(32).describe('Size of a head.'),
  mlpDim: count.default(256).describe('Hidden size of the feed-forward parts.'),
});

export const vits = [
  defineModel({
    id: 'simple-vit',
    title: 'SimpleViT for small images',
    paper: 'Beyer, Zhai and Kolesnikov, "Better plain ViT baselines for ImageNet-1k"',
    year: 2022,
    arxiv: '2205.01580',
    create: (given: SimpleVitClassifierOptions) =>
      new SimpleVitClassifier(options.complete("the model 'simple-vit'", given)),
  }),
] as const;
