/** Metrics of segmentation: counts as rows of a graph, and what they come to. Shares lie in [0, 1]. */
import { RequestError } from '../errors.js';
import { weightedLosses, type CrossEntropyOptions } from '../losses/index.js';
import { constant, shapeError, stack } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

/**
 * How many pixels of each class are taken for each class: a row per image, so that rows of padding can be
 * dropped and the others added up.
 *
 * Of equal logits the lower class is predicted. Pixels whose label is ignored or no class do not count.
 *
 * @param logits [B, K, H, W], or [B, K, ..S]
 * @param masks the class of every pixel, int32 [B, H, W], or [B, ..S]
 * @param classes K
 * @param ignoreIndex a label that does not count. Default 255
 * @returns [B, K * K]: element t * K + p counts pixels of class t that are predicted as p. Exact up to
 *   2^24 pixels per image
 * @throws ShapeError for other shapes or types
 */
export function confusionRows(
  logits: Tensor,
  masks: Tensor,
  classes: number,
  ignoreIndex = 255,
): Tensor {
  const [batch = 0, own, ...places] = logits.shape;
  const fits = masks.shape.join() === [batch, ...places].join() && masks.dtype === 'int32';
  if (logits.rank < 3 || own !== classes || !fits) {
    throw shapeError(
      'confusionRows',
      [logits, masks],
      `Expected logits [B, ${classes}, H, W] and masks int32 [B, H, W].`,
    );
  }
  // An ignored label equals no number of the axis, even if it is that of a class.
  const numbers = Array.from({ length: classes }, (_, k) => (k === ignoreIndex ? -1 : k));
  const axis = (values: readonly number[], shape: number[]) => constant(values, shape, 'int32');
  const labels = masks.reshape([batch, 1, -1]);
  const predicted = logits.argmax(1).reshape([batch, -1, 1]);
  const isTrue = labels.equal(axis(numbers, [1, classes, 1])).cast('float32');
  const isPredicted = predicted.equal(axis([...numbers.keys()], [1, 1, classes])).cast('float32');
  return isTrue.matmul(isPredicted).reshape([batch, classes * classes]);
}

/**
 * Cross-entropy per pixel as rows: the loss of a data set is the sum of the first column over the sum of the
 * second, which no mean of batch means is where images have unlike numbers of labelled pixels.
 *
 * @param logits [B, K, H, W]
 * @param masks int32 [B, H, W]
 * @param options as of pixelCrossEntropy: a label of 255 is ignored by default
 * @returns [B, 2]: the image's sum of weighted losses, and of weights
 * @throws as crossEntropy
 */
export function pixelLossRows(
  logits: Tensor,
  masks: Tensor,
  options: Omit<CrossEntropyOptions, 'reduction'> = {},
): Tensor {
  const { losses, weights } = weightedLosses(logits, masks, { ignoreIndex: 255, ...options });
  const perImage = (x: Tensor) => x.reshape([x.dim(0), -1]).sum(1);
  return stack([perImage(losses), perImage(weights)], 1);
}

/**
 * Intersection over union of each class: pixels of the class that are predicted as it, as a share of those
 * that are of the class, predicted as it, or both.
 * @param counts of pixels, [K * K] as a sum of {@link confusionRows}
 * @param classes K
 * @returns K shares; NaN for a class that neither occurs nor is predicted
 * @throws RequestError unless there are K * K counts
 */
export function iouOf(counts: ArrayLike<number>, classes: number): number[] {
  const at = reader(counts, classes);
  const all = Array.from({ length: classes }, (_, k) => k);
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  return all.map((k) => {
    const labelled = sum(all.map((other) => at(k, other)));
    const predicted = sum(all.map((other) => at(other, k)));
    return at(k, k) / (labelled + predicted - at(k, k));
  });
}

/**
 * Mean of {@link iouOf} over the classes that occur, among the labels or the predictions, as in PASCAL VOC and
 * torchmetrics' macro average: a class that is predicted only counts as 0, one that is neither does not count.
 * @returns a share; NaN if there is no pixel at all
 * @throws RequestError unless there are K * K counts
 */
export function meanIou(counts: ArrayLike<number>, classes: number): number {
  const occurring = iouOf(counts, classes).filter((iou) => !Number.isNaN(iou));
  return occurring.reduce((total, iou) => total + iou, 0) / occurring.length;
}

/**
 * Share of the pixels whose class is predicted.
 * @returns a share; NaN if there is no pixel at all
 * @throws RequestError unless there are K * K counts
 */
export function pixelAccuracy(counts: ArrayLike<number>, classes: number): number {
  const at = reader(counts, classes);
  let right = 0;
  for (let k = 0; k < classes; k++) right += at(k, k);
  return right / Array.from(counts).reduce((total, count) => total + count, 0);
}

function reader(counts: ArrayLike<number>, classes: number) {
  if (counts.length !== classes * classes) {
    throw new RequestError(
      `The counts of ${classes} classes are ${classes * classes} numbers, not ${counts.length}.`,
    );
  }
  return (truth: number, predicted: number) => counts[truth * classes + predicted] ?? 0;
}
