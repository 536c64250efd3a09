/** What of a run's epochs is reported, of the figure that its task is judged by. */
import { classification } from '../tasks/classification.js';
import { tasks } from '../tasks/registry.js';
import type { Primary } from '../tasks/task.js';

/** The first is what the report leads with, as the documents do: a single best epoch is luckier. */
export const EPOCHS = ['mean_best5', 'best', 'last'] as const;

/** A figure of a run's summary: `mean_best5_top1`. */
export type Measure = `${(typeof EPOCHS)[number]}_${string}`;

/** The measures of a task's figure. */
export function measuresOf({ name }: Pick<Primary, 'name'>): readonly [Measure, ...Measure[]] {
  const [first, ...rest] = EPOCHS;
  return [`${first}_${name}`, ...rest.map((epoch): Measure => `${epoch}_${name}`)];
}

/** The figure of runs that were made when there was one task only. */
export const TOP1: Primary = classification().primary;

/** The figure that every task has. */
const LOSS: Primary = { name: 'loss', title: 'loss', unit: '', better: 'lower' };

/**
 * The figure that a recipe's task is judged by, before any run can tell: its loss, if it is a task of
 * one's own, which is not imported to report what there is of it.
 */
export function expectedFigure(recipe: {
  readonly task: string;
  readonly taskOptions: Readonly<Record<string, unknown>>;
}): Primary {
  const { task, taskOptions } = recipe;
  if (!tasks.has(task)) return LOSS;
  return tasks.get(task).create(taskOptions, { labelSmoothing: 0, mixed: false }).primary;
}
