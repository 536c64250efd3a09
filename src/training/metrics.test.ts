import { describe, expect, it } from 'vitest';

import { jsonFixture } from '../testing/golden-files.js';
import { addBatch, bestOf, emptyTally, labelRank, means, type EpochMetrics } from './metrics.js';

interface AccuracyCase {
  output: number[][];
  target: number[];
  topk: number[];
  /** Error rates: what the seed's accuracy() gives under the name of precision. */
  seed_returns: number[];
  accuracy_percent: number[];
}

const { cases } = jsonFixture('seed-accuracy') as { cases: AccuracyCase[] };

/** Accuracy in percent over the first k, from the ranks. */
function accuracy({ output, target }: AccuracyCase, k: number): number {
  const classes = output[0]?.length ?? 0;
  const logits = Float32Array.from(output.flat());
  const right = target.filter((label, row) => labelRank(logits, row, classes, label) < k);
  return (100 * right.length) / target.length;
}

describe('accuracy', () => {
  it.each(cases)('case %#: is what PyTorch counts, and 100 less the error of the seed', (one) => {
    one.topk.forEach((k, i) => {
      expect(accuracy(one, k)).toBeCloseTo(one.accuracy_percent[i] ?? NaN, 4);
      expect(100 - accuracy(one, k)).toBeCloseTo(one.seed_returns[i] ?? NaN, 4);
    });
  });

  it('is summed over batches by images, with the rows that fill up a batch left out', () => {
    const tally = emptyTally();
    const [one] = cases;
    if (one === undefined) throw new Error('no case');
    const logits = Float32Array.from(one.output.flat());
    const labels = Int32Array.from(one.target);
    addBatch(tally, logits, labels, 8, 8 * 2);
    addBatch(tally, logits, labels, 2, 2 * 7);
    // Of the first two rows, labels 7 and 4, the first is wrong at once, the second is too.
    const [first, second] = [0, 1].map((row) => labelRank(logits, row, 10, labels[row] ?? 0));
    const right = Number(first === 0) + Number(second === 0);
    expect(tally.images).toBe(10);
    expect(means(tally).loss).toBe(3);
    expect(means(tally).top1).toBe(10 * (2 + right));
  });

  it('takes the lower class first among equal logits', () => {
    const logits = Float32Array.of(1, 1, 1);
    expect([0, 1, 2].map((label) => labelRank(logits, 0, 3, label))).toEqual([0, 1, 2]);
  });

  it('never counts a NaN as right', () => {
    expect(labelRank(Float32Array.of(NaN, NaN), 0, 2, 0)).toBe(2);
    const tally = emptyTally();
    addBatch(tally, Float32Array.of(NaN, NaN), Int32Array.of(0), 1, 0);
    expect(tally).toMatchObject({ images: 1, top1: 0, top5: 0 });
  });

  it('never counts a label that is no class as right, nor looks into another row for it', () => {
    const tally = emptyTally();
    const logits = Float32Array.of(9, 0, 0, 0, 0, 0, 0, 0, 9);
    addBatch(tally, logits, Int32Array.of(3, -1, 7), 3, 0);
    expect(tally).toMatchObject({ images: 3, top1: 0, top5: 0 });
  });
});

describe('bestOf', () => {
  const run = (...top1: number[]) => top1.map((val_top1) => ({ val_top1 }) as EpochMetrics);

  it('is the best epoch and the mean of the best five', () => {
    expect(bestOf(run(10, 60, 20, 50, 30, 40))).toEqual({ best: 60, meanBest5: 40 });
  });

  it('takes all epochs where there are fewer than five', () => {
    expect(bestOf(run(10, 20))).toEqual({ best: 20, meanBest5: 15 });
  });
});
