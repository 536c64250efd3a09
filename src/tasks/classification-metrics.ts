/** Metrics of classification, as rows of a graph. */
import { RequestError } from '../errors.js';
import { constant, shapeError, where } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

/**
 * Whether the label is among the k classes of largest logits: a row per image, so that rows of padding can
 * be dropped and the others added up.
 *
 * Of equal logits the lower class comes first. A label that is no class, and one whose logit is not a number,
 * is no hit: a diverged network must not look perfect.
 *
 * @param logits [B, K]
 * @param labels int32 [B]
 * @param k 1 for top-1 accuracy, 5 for top-5; at least 1
 * @returns [B, 1]: 1 for a hit, 0 otherwise
 * @throws ShapeError for other shapes or types; RequestError for a k that is no positive integer
 */
export function hits(logits: Tensor, labels: Tensor, k: number): Tensor {
  const [batch, classes] = logits.shape;
  const fits = logits.rank === 2 && labels.rank === 1 && labels.dim(0) === batch;
  if (!fits || classes === undefined || labels.dtype !== 'int32') {
    throw shapeError('hits', [logits, labels], 'Expected logits [B, K] and labels int32 [B].');
  }
  if (!Number.isInteger(k) || k < 1) {
    throw new RequestError(`Hits are counted among the k best classes, k at least 1, not ${k}.`);
  }
  const numbers = Int32Array.from({ length: classes }, (_, i) => i);
  const classNumbers = constant(numbers, [1, classes], 'int32');
  const column = labels.reshape([labels.dim(0), 1]);
  const isLabel = classNumbers.equal(column);
  const own = where(isLabel, logits, 0).sum(1, { keepDims: true });
  const ahead = logits.greater(own).cast('float32');
  const tied = logits.equal(own).cast('float32').mul(classNumbers.less(column).cast('float32'));
  const rank = ahead.add(tied).sum(1, { keepDims: true });
  // Every number is at most infinity, and NaN is not.
  const isNumber = own.lessEqual(Infinity).cast('float32');
  const found = isLabel.cast('float32').sum(1, { keepDims: true });
  return rank.less(k).cast('float32').mul(isNumber).mul(found);
}
