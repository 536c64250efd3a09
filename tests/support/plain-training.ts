import type { TinyTraining } from './tiny-training.js';

/** A training with plain numbers, as it comes from another process or from a page. */
export interface PlainTraining {
  readonly losses: readonly number[];
  /** Of the state after the last step, by name. */
  readonly values: Readonly<Record<string, readonly number[]>>;
}

export function plain({ losses, state }: TinyTraining): PlainTraining {
  const values = Object.entries(state).map(([name, { data }]) => [name, Array.from(data, Number)]);
  return { losses, values: Object.fromEntries(values) as PlainTraining['values'] };
}
