import { describe, expect, it } from 'vitest';

import type { HostTensors } from '../runtime/engine.js';
import { classification } from '../tasks/classification.js';
import {
  addBatch,
  bestOf,
  classFigures,
  emptyTally,
  figuresOf,
  type EpochMetrics,
} from './metrics.js';

const task = classification();

/** The outputs of a step over so many examples, of which the first `right` are told right. */
function outputs(examples: number, right: number, loss: number): HostTensors {
  const rows = Float32Array.from({ length: examples }, (_, i) => (i < right ? 1 : 0));
  const shape = [examples, 1];
  return {
    loss: { dtype: 'float32', shape: [], data: Float32Array.of(loss) },
    'metric.top1': { dtype: 'float32', shape, data: rows },
    'metric.top5': { dtype: 'float32', shape, data: rows },
  };
}

describe('a tally', () => {
  it('is summed over batches by their examples', () => {
    const tally = emptyTally();
    addBatch(tally, task, outputs(8, 4, 2), 8, {});
    addBatch(tally, task, outputs(2, 2, 7), 2, {});
    expect(tally.examples).toBe(10);
    expect(figuresOf(tally, task)).toEqual({ loss: 3, top1: 60, top5: 60 });
  });

  it('comes to nothing where nothing was counted', () => {
    expect(figuresOf(emptyTally(), task)).toEqual({ loss: NaN });
  });

  it('counts in bins where a metric asks for it', () => {
    const tally = emptyTally();
    // Of three classes: 0 taken for 0, 0 for 2, 2 for 2.
    const data = Float32Array.of(0, 2, 8);
    const one = { 'metric.confusion': { dtype: 'float32', shape: [3, 1], data } } as const;
    addBatch(tally, task, one, 3, { confusion: 9 });
    addBatch(tally, task, one, 3, { confusion: 9 });
    const { perClass, confusion } = classFigures(tally, task);
    expect(confusion).toEqual([
      [2, 0, 2],
      [0, 0, 0],
      [0, 0, 2],
    ]);
    expect(perClass).toEqual({ accuracy: [50, NaN, 100] });
  });
});

describe('bestOf', () => {
  const run = (...top1: number[]) =>
    top1.map((val_top1) => ({ val_top1 }) as unknown as EpochMetrics);

  it('is the best epoch and the mean of the best five', () => {
    expect(bestOf(run(10, 60, 20, 50, 30, 40), task.primary)).toEqual({ best: 60, meanBest5: 40 });
  });

  it('takes all epochs where there are fewer than five', () => {
    expect(bestOf(run(10, 20), task.primary)).toEqual({ best: 20, meanBest5: 15 });
  });

  it('takes the lowest where lower is better, and passes over what is no number', () => {
    const loss = { name: 'top1', title: '', unit: '', better: 'lower' } as const;
    expect(bestOf(run(10, NaN, 4), loss)).toEqual({ best: 4, meanBest5: 7 });
  });
});
