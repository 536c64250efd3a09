/** Running figures of an epoch, and what a run of many epochs comes to. */
import { z } from 'zod';
import type { Primary, Task } from '../tasks/task.js';
import type { HostTensors } from '../runtime/engine.js';
import { floatOutput, METRIC, TERM } from './step.js';

/**
 * Sums over the examples seen so far in an epoch; plain numbers, so that a checkpoint can carry them.
 * `loss` and its terms are there beside the task's metrics.
 */
export interface Tally {
  examples: number;
  sums: Record<string, number[]>;
}

export function emptyTally(): Tally {
  return { examples: 0, sums: {} };
}

/**
 * Adds a batch to a tally.
 * @param outputs of a training or evaluation step
 * @param count of the batch's examples
 * @param bins of the metrics that count in such, by name
 */
export function addBatch(
  tally: Tally,
  { metrics }: Task,
  outputs: HostTensors,
  count: number,
  bins: Readonly<Record<string, number>>,
): void {
  for (const name of Object.keys(outputs)) {
    if (name !== 'loss' && !name.startsWith(TERM)) continue;
    add(tally.sums, name, [(floatOutput(outputs, name)[0] ?? NaN) * count]);
  }
  for (const name of Object.keys(metrics)) {
    const key = METRIC + name;
    if (!Object.hasOwn(outputs, key)) continue;
    const rows = floatOutput(outputs, key);
    const places = bins[name];
    if (places !== undefined) {
      const counts = (tally.sums[key] ??= new Array<number>(places).fill(0));
      for (const bin of rows) counts[bin] = (counts[bin] ?? 0) + 1;
    } else {
      add(tally.sums, key, columnSums(rows, rows.length / count));
    }
  }
  tally.examples += count;
}

function columnSums(rows: Float32Array, width: number): number[] {
  const sums = new Array<number>(width).fill(0);
  for (let at = 0; at < rows.length; at++)
    sums[at % width] = (sums[at % width] ?? 0) + (rows[at] ?? NaN);
  return sums;
}

function add(sums: Record<string, number[]>, name: string, values: readonly number[]): void {
  const before = sums[name];
  sums[name] = values.map((value, i) => (before?.[i] ?? 0) + value);
}

/** What a tally comes to: `loss`, its terms as `loss_NAME`, and the task's figures; NaN where no example was counted. */
export function figuresOf({ examples, sums }: Tally, task: Task): Record<string, number> {
  const losses = Object.entries(sums).flatMap(([name, [sum = NaN]]) =>
    name === 'loss' || name.startsWith(TERM)
      ? [[name.replace('.', '_'), sum / examples] as const]
      : [],
  );
  const figures: Record<string, number> = { loss: NaN, ...Object.fromEntries(losses) };
  for (const [name, metric] of Object.entries(task.metrics)) {
    const own = sums[METRIC + name];
    if (own) Object.assign(figures, metric.figures(own, examples));
  }
  return figures;
}

/** What a tally comes to for each class, and which classes were taken for which. */
export function classFigures(
  { examples, sums }: Tally,
  { metrics }: Task,
): {
  readonly perClass: Readonly<Record<string, readonly number[]>>;
  readonly confusion: readonly (readonly number[])[] | undefined;
} {
  const perClass: Record<string, readonly number[]> = {};
  let confusion: readonly (readonly number[])[] | undefined;
  for (const [name, metric] of Object.entries(metrics)) {
    const own = sums[METRIC + name];
    if (own === undefined) continue;
    Object.assign(perClass, metric.perClass?.(own, examples));
    confusion ??= metric.confusion?.(own);
  }
  return { perClass, confusion };
}

/** JSON has no NaN and writes null. */
const figure = z
  .number()
  .or(z.nan())
  .or(z.null().transform(() => NaN));

/** One epoch's figures: a line of metrics.jsonl. */
export const epochMetricsSchema = z
  .object({
    /** Counted from 1. */
    epoch: z.int().min(1),
    /** Learning rate of the epoch's last step. */
    lr: z.number(),
    /** Wall-clock time of training and evaluation. */
    seconds: z.number(),
    /** Training only. */
    images_per_second: z.number(),
  })
  // `train_NAME` and `val_NAME`, of the loss and the task's figures.
  .catchall(figure);

export type EpochMetrics = z.output<typeof epochMetricsSchema>;

/** The tally's place in a checkpoint. */
export const tallySchema = z.object({
  examples: z.int().min(0),
  sums: z.record(z.string(), z.array(figure)),
});

/** A figure of the validation images in one epoch; NaN where it has none. */
export function valFigure(metrics: EpochMetrics, name: string): number {
  return metrics[`val_${name}`] ?? NaN;
}

/** Whether one value of a task's primary figure is better than another; anything is better than NaN. */
export function isBetter({ better }: Primary, value: number, than: number): boolean {
  if (Number.isNaN(than)) return !Number.isNaN(value);
  return better === 'higher' ? value > than : value < than;
}

/** The best epoch's figure, and the mean of the best five epochs' (of all, if fewer), the documents' figure. */
export function bestOf(
  metrics: readonly EpochMetrics[],
  primary: Primary,
): { best: number; meanBest5: number } {
  const values = metrics.map((one) => valFigure(one, primary.name));
  const sorted = values
    .filter((value) => !Number.isNaN(value))
    .sort((a, b) => (primary.better === 'higher' ? b - a : a - b));
  const five = sorted.slice(0, 5);
  return {
    best: sorted[0] ?? NaN,
    meanBest5: five.reduce((total, value) => total + value, 0) / five.length,
  };
}
