import { RequestError } from '../errors.js';
import { constant, shapeError, where } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions {
  /** Share of the target that is spread evenly over all classes, in [0, 1]. Default 0. */
  readonly labelSmoothing?: number;
  /** The mean over all labels [], or one loss per label [B, ..S]. Default 'mean'. */
  readonly reduction?: 'mean' | 'none';
  /** Weight of each class, K numbers of at least 0: the mean is weighted with that of each label. Default: all 1. */
  readonly classWeights?: readonly number[];
  /** A label that does not count: its loss is 0, and it has no part in the mean. Default: none. */
  readonly ignoreIndex?: number;
}

/** Losses of single labels, and how much each counts in their mean. */
export interface WeightedLosses {
  /** [B, ..S], times the weight of the label's class; 0 where the label is ignored. */
  readonly losses: Tensor;
  /** [B, ..S]: the weight of the label's class; 0 where the label is ignored. */
  readonly weights: Tensor;
}

/**
 * Cross-entropy between the softmax of `logits` and the class that each label names, as
 * torch.nn.functional.cross_entropy. With smoothing e the target is 1 - e + e/K on the labelled
 * class and e/K on the others (Szegedy et al. 2016, arXiv 1512.00567).
 *
 * With class weights w the loss of a label y is w_y times as large (of the smoothed part, w_c for every
 * class c), and the mean is sum of losses / sum of w_y. If no label counts it is 0, with a gradient of 0; PyTorch gives NaN.
 *
 * A label outside of 0 .. K-1 that is not ignored cannot be seen while the graph is built. It has loss
 * NaN (PyTorch throws); `train` and `evaluate` name it before they begin.
 *
 * @param logits [B, K] or [B, K, ..S], for one label per image or per place
 * @param labels int32 [B] or [B, ..S]
 * @returns [] or [B, ..S]
 * @throws ShapeError for other shapes or types; RequestError for a smoothing outside [0, 1], or for class
 *   weights that are not K finite numbers of at least 0
 */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  options: CrossEntropyOptions = {},
): Tensor {
  const { reduction = 'mean', classWeights, ignoreIndex } = options;
  if (classWeights === undefined && ignoreIndex === undefined) {
    const { losses } = labelLosses(logits, labels, options);
    return reduction === 'mean' ? losses.mean() : losses;
  }
  const { losses, weights } = weightedLosses(logits, labels, options);
  if (reduction === 'none') return losses;
  const total = weights.sum();
  return losses.sum().div(where(total.equal(0), 1, total));
}

/**
 * The losses of {@link crossEntropy} and their weights, for a mean over more than one batch: sum the
 * losses, sum the weights, and divide.
 * @throws as {@link crossEntropy}
 */
export function weightedLosses(
  logits: Tensor,
  labels: Tensor,
  options: Omit<CrossEntropyOptions, 'reduction'> = {},
): WeightedLosses {
  const { losses, weights } = labelLosses(logits, labels, options);
  if (options.ignoreIndex === undefined) return { losses, weights };
  const ignored = labels.equal(options.ignoreIndex);
  return { losses: where(ignored, 0, losses), weights: where(ignored, 0, weights) };
}

/**
 * Cross-entropy per pixel: {@link crossEntropy} where a label of 255, what segmentation data sets paint
 * borders and unlabelled pixels with, does not count.
 *
 * @param logits [B, K, H, W]
 * @param masks the class of every pixel, int32 [B, H, W]
 * @param options as of crossEntropy, with `ignoreIndex` 255 by default
 * @returns []
 * @throws as {@link crossEntropy}
 */
export function pixelCrossEntropy(
  logits: Tensor,
  masks: Tensor,
  options: Omit<CrossEntropyOptions, 'reduction'> = {},
): Tensor {
  return crossEntropy(logits, masks, { ignoreIndex: 255, ...options });
}

/** Options of {@link mixedCrossEntropy}. */
export type MixedCrossEntropyOptions = Pick<CrossEntropyOptions, 'labelSmoothing' | 'reduction'>;

/**
 * Cross-entropy for images that are mixed of two, as by mixup and cutmix (Zhang et al. 2018, arXiv
 * 1710.09412; Yun et al. 2019, arXiv 1905.04899): share * loss of the label + (1 - share) * loss of the
 * partner's label. It is the cross-entropy for the target in which both have their shares.
 *
 * @param logits [B, K]
 * @param labels int32 [B]
 * @param partners labels of what was mixed in, int32 [B]
 * @param share of the label in its image, from 0 to 1, float32 [B]
 * @returns [] or, without reduction, [B]
 * @throws ShapeError and RequestError as {@link crossEntropy}
 */
export function mixedCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  partners: Tensor,
  share: Tensor,
  { labelSmoothing = 0, reduction = 'mean' }: MixedCrossEntropyOptions = {},
): Tensor {
  if (share.dtype !== 'float32' || share.shape.join() !== labels.shape.join()) {
    throw shapeError(
      'mixedCrossEntropy',
      [labels, share],
      'Expected a share, float32, for every label.',
    );
  }
  const lossOf = (target: Tensor) =>
    crossEntropy(logits, target, { labelSmoothing, reduction: 'none' });
  const losses = share.mul(lossOf(labels)).add(share.neg().add(1).mul(lossOf(partners)));
  return reduction === 'mean' ? losses.mean() : losses;
}

/** Which class each label names: logits [B, K, ..S], labels [B, ..S] -> boolean [B, K, ..S]. */
export function isClassOf(labels: Tensor, classes: number): Tensor {
  const [batch = 1, ...places] = labels.shape;
  const classNumbers = constant(
    Int32Array.from({ length: classes }, (_, k) => k),
    [1, classes, ...places.map(() => 1)],
    'int32',
  );
  return labels.reshape([batch, 1, ...places]).equal(classNumbers);
}

/** Losses and weights before anything is ignored; an ignored label's loss is finite. */
function labelLosses(
  logits: Tensor,
  labels: Tensor,
  { labelSmoothing = 0, classWeights, ignoreIndex }: Omit<CrossEntropyOptions, 'reduction'>,
): WeightedLosses {
  const classes = requireLabels('crossEntropy', logits, labels);
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new RequestError(`Label smoothing lies in [0, 1], not ${labelSmoothing}.`);
  }
  const logProbabilities = logits.logSoftmax(1);
  const isLabel = isClassOf(labels, classes);
  // 1, or 0 for a label that is no class: a quotient by it is what it was, or NaN.
  const found = isLabel.cast('float32').sum(1);
  const divisor = ignoreIndex === undefined ? found : where(labels.equal(ignoreIndex), 1, found);
  // Selected, not multiplied by 0 and 1: a class of probability 0 must not turn into 0 * -Infinity.
  const ofLabel = where(isLabel, logProbabilities, 0).sum(1).neg().div(divisor);
  const weightOf = classWeights && weightTensor(classWeights, logits);
  const weights = weightOf ? where(isLabel, weightOf, 0).sum(1) : found;
  const weighted = weightOf ? ofLabel.mul(weights) : ofLabel;
  if (labelSmoothing === 0) return { losses: weighted, weights };
  const ofAll = (weightOf ? logProbabilities.mul(weightOf) : logProbabilities).mean(1);
  return {
    losses: weighted.mul(1 - labelSmoothing).sub(ofAll.mul(labelSmoothing)),
    weights,
  };
}

/**
 * Checks that there is a label for every place of some logits.
 * @returns K
 * @throws ShapeError otherwise
 */
export function requireLabels(op: string, logits: Tensor, labels: Tensor): number {
  const [batch, classes, ...places] = logits.shape;
  if (classes === undefined || labels.shape.join() !== [batch, ...places].join()) {
    throw shapeError(
      op,
      [logits, labels],
      'Expected logits [B, K] and labels [B], or logits [B, K, ..S] and labels [B, ..S].',
    );
  }
  if (labels.dtype !== 'int32') {
    throw shapeError(op, [logits, labels], `The labels must be int32, not ${labels.dtype}.`);
  }
  return classes;
}

/** [1, K, 1, ..], to be multiplied with logits. */
function weightTensor(classWeights: readonly number[], logits: Tensor): Tensor {
  const classes = logits.dim(1);
  const fits = classWeights.every((weight) => Number.isFinite(weight) && weight >= 0);
  if (!fits || classWeights.length !== classes) {
    throw new RequestError(
      `The class weights must be ${classes} finite numbers of at least 0, one for each class, not [${classWeights.join(', ')}].`,
    );
  }
  const shape = logits.shape.map((_, axis) => (axis === 1 ? classes : 1));
  return constant(classWeights, shape);
}
