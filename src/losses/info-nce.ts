import { RequestError } from '../errors.js';
import { concat, full, shapeError, where } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { crossEntropy } from './cross-entropy.js';

/** Options of {@link infoNce}. */
export interface InfoNceOptions {
  /** Similarities are divided by it. Default 1. */
  readonly temperature?: number;
  /**
   * 'each' (default): every positive sample against all negative ones, as in the paper. 'means': the
   * mean of the positive samples against the mean of the negative ones, as in document 003.
   */
  readonly pairing?: 'each' | 'means';
}

/** What a contrastive loss comes to: a classification, in which a label names the positive one, and its loss. */
export interface InfoNceResult {
  /** Of {@link infoNce} the positive one first: [B, 1 + B], or with 'means' [1, 2 K]. Of ntXent: [2B, 2B]. */
  readonly logits: Tensor;
  /** int32, one for each row. Of {@link infoNce} zeros. */
  readonly labels: Tensor;
  /** [] */
  readonly loss: Tensor;
}

/** A logit for what does not count: its exponential is 0, and it is finite on every device. */
export const NOTHING = -1e30;

/**
 * Contrastive loss InfoNCE. Van den Oord, Li and Vinyals 2018, arXiv 1807.03748.
 *
 *   loss = mean over positives p of -log(e^(s_p / t) / (e^(s_p / t) + sum over negatives n of e^(s_n / t)))
 *
 * Row i of `logits` holds s_i and then the negatives (-1e30 at the places of the positives), so that its
 * softmax is the fraction above; rows of negative samples do not count in the loss.
 *
 * Document 003 (`info_nce`) instead averages first: logits [mean of the positives, mean of the
 * negatives], label 0, and their cross-entropy (`pairing: 'means'` here). Without a positive sample,
 * or in that form without a negative one, the loss is NaN.
 *
 * @param similarities [B, 1] or [B]; with 'means' also [B, K], as K losses side by side in one row
 * @param isPositive int32 [B]: not 0 where a sample is a positive one
 * @throws ShapeError for other shapes or types; RequestError for a temperature that is not above 0
 */
export function infoNce(
  similarities: Tensor,
  isPositive: Tensor,
  { temperature = 1, pairing = 'each' }: InfoNceOptions = {},
): InfoNceResult {
  const [batch = 0, columns = 1] = similarities.shape;
  if (
    similarities.rank > 2 ||
    isPositive.rank !== 1 ||
    isPositive.dim(0) !== batch ||
    isPositive.dtype !== 'int32' ||
    (pairing === 'each' && columns !== 1)
  ) {
    const wanted = pairing === 'each' ? '[B, 1]' : '[B, K]';
    throw shapeError(
      'infoNce',
      [similarities, isPositive],
      `Expected similarities ${wanted} and isPositive int32 [B].`,
    );
  }
  if (!(temperature > 0)) {
    throw new RequestError(`The temperature of InfoNCE is above 0, not ${temperature}.`);
  }
  const scores = similarities.reshape([batch, columns]).div(temperature);
  const isNegative = isPositive.equal(0).reshape([batch, 1]);
  if (pairing === 'means') {
    const meanWhere = (share: Tensor) =>
      scores
        .mul(share)
        .sum(0, { keepDims: true })
        .div(share.sum(0, { keepDims: true }));
    const negative = isNegative.cast('float32');
    const logits = concat([meanWhere(negative.neg().add(1)), meanWhere(negative)], 1);
    const labels = full([1], 0, 'int32');
    return { logits, labels, loss: crossEntropy(logits, labels) };
  }
  const negatives = where(isNegative, scores, NOTHING).reshape([1, batch]);
  const logits = concat([scores, negatives.expand([batch, batch])], 1);
  const labels = full([batch], 0, 'int32');
  const losses = crossEntropy(logits, labels, { reduction: 'none' }).reshape([batch, 1]);
  const positive = isNegative.cast('float32').neg().add(1);
  return { logits, labels, loss: losses.mul(positive).sum().div(positive.sum()) };
}
