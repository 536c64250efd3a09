/** Learning curves of one mechanism over its seeds. */
import type { EpochMetrics } from '../../training/metrics.js';
import type { RunResults } from '../results.js';

/** A quantity at one epoch: its mean over the runs that have come so far, and the range of them. */
export interface Band {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
}

/** One epoch over the seeds. */
export interface CurvePoint {
  readonly epoch: number;
  /** Runs that have come so far. */
  readonly runs: number;
  /** The figure that the task is judged by, and the loss; null where they are not measured. */
  readonly train: Band | null;
  readonly val: Band | null;
  readonly train_loss: Band | null;
  readonly val_loss: Band | null;
}

/**
 * Mean and range of every epoch that all begun runs have reached, so that no curve bends where a run ends.
 * @param figure that the task is judged by: 'top1'
 */
export function learningCurve(runs: readonly RunResults[], figure: string): CurvePoint[] {
  const begun = runs.map(({ metrics }) => metrics).filter((metrics) => metrics.length > 0);
  if (begun.length === 0) return [];
  const epochs = Math.min(...begun.map((metrics) => metrics.length));
  return Array.from({ length: epochs }, (_, i) => {
    const lines = begun.flatMap((metrics) => metrics.slice(i, i + 1));
    return {
      epoch: i + 1,
      runs: lines.length,
      train: band(lines, `train_${figure}`),
      val: band(lines, `val_${figure}`),
      train_loss: band(lines, 'train_loss'),
      val_loss: band(lines, 'val_loss'),
    };
  });
}

function band(lines: readonly EpochMetrics[], name: string): Band | null {
  const values = lines.map((line) => line[name] ?? NaN);
  if (values.some(Number.isNaN)) return null;
  return {
    mean: values.reduce((total, value) => total + value, 0) / values.length,
    min: Math.min(...values),
    max: Math.max(...values),
  };
}
