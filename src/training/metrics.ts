/** Running figures of an epoch, and what a run of many epochs comes to. All accuracies are in percent. */

/** Sums over the images seen so far in an epoch; plain numbers, so that a checkpoint can carry them. */
export interface Tally {
  images: number;
  loss: number;
  top1: number;
  top5: number;
}

export function emptyTally(): Tally {
  return { images: 0, loss: 0, top1: 0, top5: 0 };
}

/**
 * Rank of the label's logit in its row: 0 if it is the largest. Among equal logits the lower class
 * comes first, so the answer does not depend on a sorting algorithm. `classes`, behind all of them,
 * for a label that is no class or whose logit is not a number.
 */
export function labelRank(
  logits: Float32Array,
  row: number,
  classes: number,
  label: number,
): number {
  // Another row's logits stand before and behind this one's.
  if (!Number.isInteger(label) || label < 0 || label >= classes) return classes;
  const start = row * classes;
  const own = logits[start + label] ?? NaN;
  let rank = 0;
  for (let k = 0; k < classes; k++) {
    const other = logits[start + k] ?? NaN;
    if (other > own || (other === own && k < label)) rank++;
  }
  // A comparison with NaN is never true: without this a diverged network would look perfect.
  return Number.isNaN(own) ? classes : rank;
}

/**
 * Adds a batch to a tally.
 * @param logits [B, K], row-major
 * @param labels [B]; only the first `count` rows are counted
 * @param lossSum sum of the losses of those rows
 */
export function addBatch(
  tally: Tally,
  logits: Float32Array,
  labels: Int32Array,
  count: number,
  lossSum: number,
): void {
  const classes = logits.length / labels.length;
  for (let row = 0; row < count; row++) {
    const rank = labelRank(logits, row, classes, labels[row] ?? NaN);
    if (rank === classes) continue;
    if (rank < 1) tally.top1++;
    if (rank < 5) tally.top5++;
  }
  tally.images += count;
  tally.loss += lossSum;
}

/** Mean loss, and accuracies in percent. */
export interface Means {
  readonly loss: number;
  readonly top1: number;
  readonly top5: number;
}

/** What a tally comes to; NaN where no image was counted. */
export function means(tally: Tally): Means {
  const { images, loss, top1, top5 } = tally;
  return { loss: loss / images, top1: (100 * top1) / images, top5: (100 * top5) / images };
}

/** One epoch's figures: a line of metrics.jsonl. */
export interface EpochMetrics {
  /** Counted from 1. */
  readonly epoch: number;
  /** Learning rate of the epoch's last step. */
  readonly lr: number;
  readonly train_loss: number;
  readonly train_top1: number;
  readonly val_loss: number;
  readonly val_top1: number;
  readonly val_top5: number;
  /** Wall-clock time of training and evaluation. */
  readonly seconds: number;
  /** Training only. */
  readonly images_per_second: number;
}

/** Best top-1, and the mean of the best five epochs (of all, if fewer), the seeds' figure. */
export function bestOf(metrics: readonly EpochMetrics[]): { best: number; meanBest5: number } {
  const sorted = metrics.map((m) => m.val_top1).sort((a, b) => b - a);
  const five = sorted.slice(0, 5);
  return {
    best: sorted[0] ?? NaN,
    meanBest5: five.reduce((total, v) => total + v, 0) / five.length,
  };
}
