import { RequestError } from '../errors.js';
import { constant, shapeError, where } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

export interface CrossEntropyOptions {
  /** Share of the target that is spread evenly over all classes, in [0, 1]. Default 0. */
  readonly labelSmoothing?: number;
  /** The mean over the batch [], or one loss per sample [B]. Default 'mean'. */
  readonly reduction?: 'mean' | 'none';
}

/**
 * Cross-entropy between the softmax of `logits` and the class that each label names, as
 * torch.nn.functional.cross_entropy. With smoothing e the target is 1 - e + e/K on the labelled
 * class and e/K on the others (Szegedy et al. 2016, arXiv 1512.00567).
 *
 * A label outside of 0 .. K-1 cannot be seen while the graph is built. Such a sample has loss NaN
 * (PyTorch throws); `train` and `evaluate` name it before they begin.
 *
 * @param logits [B, K]
 * @param labels int32 [B]
 * @returns [] or [B]
 * @throws ShapeError for other shapes or types; RequestError for a smoothing outside [0, 1]
 */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  { labelSmoothing = 0, reduction = 'mean' }: CrossEntropyOptions = {},
): Tensor {
  const [batch, classes] = logits.shape;
  if (classes === undefined || logits.rank !== 2 || labels.rank !== 1 || labels.dim(0) !== batch) {
    throw shapeError('crossEntropy', [logits, labels], 'Expected logits [B, K] and labels [B].');
  }
  if (labels.dtype !== 'int32') {
    throw shapeError(
      'crossEntropy',
      [logits, labels],
      `The labels must be int32, not ${labels.dtype}.`,
    );
  }
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new RequestError(`Label smoothing lies in [0, 1], not ${labelSmoothing}.`);
  }
  const logProbabilities = logits.logSoftmax(1);
  const classNumbers = constant(
    Int32Array.from({ length: classes }, (_, k) => k),
    [1, classes],
    'int32',
  );
  const isLabel = labels.reshape([batch, 1]).equal(classNumbers);
  // 1, or 0 for a label that is no class: a quotient by it is what it was, or NaN.
  const found = isLabel.cast('float32').sum(1);
  // Selected, not multiplied by 0 and 1: a class of probability 0 must not turn into 0 * -Infinity.
  const ofLabel = where(isLabel, logProbabilities, 0).sum(1).neg().div(found);
  const losses =
    labelSmoothing === 0
      ? ofLabel
      : ofLabel.mul(1 - labelSmoothing).sub(logProbabilities.mean(1).mul(labelSmoothing));
  return reduction === 'mean' ? losses.mean() : losses;
}
