/** The task of telling which class an image belongs to. */
import { RequestError } from '../errors.js';
import { exampleName, type Dataset } from '../data/dataset.js';
import { field, type Field } from '../data/fields.js';
import { crossEntropy, mixedCrossEntropy } from '../losses/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { hits } from './classification-metrics.js';
import { percentOf, squareOf, task, type Metric, type Task } from './task.js';

export interface ClassificationOptions {
  /** Share of the target that is spread evenly over all classes, 0 to 1. Default 0. */
  readonly labelSmoothing?: number;
  /** Whether images are mixed, by mixup or cutmix, so that each has two labels. Default false. */
  readonly mixed?: boolean;
}

/**
 * Classification: the model makes logits [B, K] of images; the loss is their cross-entropy. Figures: `top1`
 * and `top5`, in percent. Predictions: `probabilities` [B, K].
 */
export function classification({
  labelSmoothing = 0,
  mixed = false,
}: ClassificationOptions = {}): Task {
  const shared = {
    id: 'classification',
    metrics: {
      top1: percentOf('top1', (logits: Tensor, { labels }: { readonly labels: Tensor }) =>
        hits(logits, labels, 1),
      ),
      top5: percentOf('top5', (logits: Tensor, { labels }: { readonly labels: Tensor }) =>
        hits(logits, labels, 5),
      ),
      confusion: confusion(),
    },
    primary: { name: 'top1', title: 'top-1 accuracy', unit: '%', better: 'higher' },
    predict: (logits: Tensor) => ({ probabilities: logits.softmax(1) }),
    check: (dataset: Dataset, logits: Tensor) => checkLabels(dataset, logits.dim(1)),
  } as const;
  const inputs = { images: field.image(), labels: field.label() };
  if (!mixed) {
    return task({
      ...shared,
      inputs,
      loss: (logits: Tensor, { labels }) => crossEntropy(logits, labels, { labelSmoothing }),
    });
  }
  return task({
    ...shared,
    inputs: { ...inputs, partners: field.partner(), shares: field.share() },
    loss: (logits: Tensor, { labels, partners, shares }) =>
      mixedCrossEntropy(logits, labels, partners, shares, { labelSmoothing }),
  });
}

/** Counts which class was taken for which. */
function confusion(): Metric<Tensor, { readonly labels: Field }> {
  return {
    final: true,
    rows: (logits, { labels }) =>
      labels.mul(logits.dim(1)).add(logits.argmax(1).cast('int32')).cast('float32'),
    bins: (logits) => logits.dim(1) ** 2,
    figures: () => ({}),
    perClass: (sums) => ({
      accuracy: squareOf(sums).map(
        (row, k) => (100 * (row[k] ?? 0)) / row.reduce((total, count) => total + count, 0),
      ),
    }),
    confusion: squareOf,
  };
}

/**
 * Checks that every label of a data set that is known is one of so many classes.
 * @throws RequestError naming the first label that is not, and its image
 */
export function checkLabels(dataset: Dataset, classes: number): void {
  // A program in plain JavaScript may give any numbers.
  const labels: ArrayLike<unknown> | undefined = dataset.labels;
  if (labels === undefined) return;
  for (let image = 0; image < labels.length; image++) {
    const label = labels[image];
    if (Number.isInteger(label) && Number(label) >= 0 && Number(label) < classes) continue;
    throw new RequestError(
      `${dataset.name} (${dataset.split}): ${exampleName(dataset, image)} has the label ${String(label)}, and the model tells ${classes} classes apart. ` +
        `Expected whole numbers from 0 to ${classes - 1}: number the classes from 0, or make the model with more classes.`,
    );
  }
}
