/** What a task's predictions are, told by their names and shapes, whatever the task. */
import type { HostTensor } from '../runtime/engine.js';

/** Predictions of one example, by name. */
export type Predictions = Readonly<Record<string, HostTensor>>;

/** A class and its probability. */
export interface RankedClass {
  readonly class: string;
  /** Its number. */
  readonly index: number;
  readonly probability: number;
}

/**
 * The most probable classes, the first of equals first; undefined if no `probabilities` [K] are predicted.
 * @param most so many
 */
export function rankedClasses(
  { probabilities }: Predictions,
  classes: readonly string[],
  most: number,
): RankedClass[] | undefined {
  if (probabilities?.shape.length !== 1) return undefined;
  return Array.from(probabilities.data, Number)
    .map((probability, index) => ({ class: nameOfClass(classes, index), index, probability }))
    .sort((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, most);
}

/** A mask: the number of a class at every place. */
export interface Mask {
  readonly height: number;
  readonly width: number;
  /** [H, W] */
  readonly data: Uint8Array;
}

/** The predicted mask; undefined if no `classes` [H, W] are predicted. */
export function predictedMask({ classes }: Predictions): Mask | undefined {
  if (classes?.shape.length !== 2) return undefined;
  const [height = 0, width = 0] = classes.shape;
  return { height, width, data: Uint8Array.from(classes.data, Number) };
}

/** A class by its name, or where it has none by its number. */
export function nameOfClass(classes: readonly string[], index: number): string {
  return classes[index] ?? `class ${index}`;
}
