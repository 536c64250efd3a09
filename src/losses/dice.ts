import { RequestError } from '../errors.js';
import { where } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { isClassOf, requireLabels } from './cross-entropy.js';

/** Options of {@link diceLoss}. */
export interface DiceOptions {
  /** A label that does not count. Default 255. */
  readonly ignoreIndex?: number;
  /** Added above and below the fraction bar: a class of few pixels counts less. At least 0, default 1. */
  readonly smooth?: number;
}

/**
 * Soft Dice loss. After Milletari, Navab and Ahmadi, 2016, arXiv 1606.04797, for many classes and with
 * sums in place of their squares.
 *
 *   dice_c = (2 sum p_c t_c + smooth) / (sum p_c + sum t_c + smooth)    p = softmax of the logits
 *   loss   = 1 - mean of dice_c over the classes c that occur           t_c = 1 where the label is c
 *
 * The sums go over all pixels of the batch that are not ignored. A class occurs if one of them is labelled
 * with it. If none does, the loss is 0, with a gradient of 0. A label that is no class only counts in sum p_c.
 *
 * @param logits [B, K, ..S]
 * @param labels int32 [B, ..S]
 * @returns []
 * @throws ShapeError for other shapes or types; RequestError for a negative `smooth`
 */
export function diceLoss(
  logits: Tensor,
  labels: Tensor,
  { ignoreIndex = 255, smooth = 1 }: DiceOptions = {},
): Tensor {
  const classes = requireLabels('diceLoss', logits, labels);
  if (!(smooth >= 0 && smooth < Infinity)) {
    throw new RequestError(`The smooth of a Dice loss is a number of at least 0, not ${smooth}.`);
  }
  const [batch = 1, ...places] = labels.shape;
  const counted = labels.equal(ignoreIndex).cast('float32').neg().add(1);
  const ofPlace = counted.reshape([batch, 1, ...places]);
  const sumsOf = (x: Tensor) =>
    x.mul(ofPlace).sum(logits.shape.flatMap((_, i) => (i === 1 ? [] : [i])));
  const probabilities = logits.softmax(1);
  const targets = isClassOf(labels, classes).cast('float32');
  const pixels = sumsOf(targets);
  const overlap = sumsOf(probabilities.mul(targets));
  const occurs = pixels.greater(0);
  // Without a pixel and with smooth 0 it could be 0 / 0, whose gradient would be NaN even where it does not count.
  const total = where(occurs, sumsOf(probabilities).add(pixels).add(smooth), 1);
  const dice = overlap.mul(2).add(smooth).div(total);
  const occurring = occurs.cast('float32').sum();
  const missing = where(occurs, dice.neg().add(1), 0).sum();
  return missing.div(where(occurring.equal(0), 1, occurring));
}
