import { expect } from 'vitest';
import type { PlainTraining } from './plain-training.js';

/** Ten losses within 1e-4, and every value of the final state too. */
export function expectSameTraining(actual: PlainTraining, expected: PlainTraining): void {
  expect(expected.losses).toHaveLength(10);
  expect(largestDifference(actual.losses, expected.losses)).toBeLessThan(1e-4);
  expect(Object.keys(actual.values).sort()).toEqual(Object.keys(expected.values).sort());
  for (const [name, values] of Object.entries(expected.values)) {
    const difference = largestDifference(actual.values[name] ?? [], values);
    expect(difference, name).toBeLessThan(1e-4);
  }
}

/** Infinite, if the lists have not the same length or something is not a number. */
function largestDifference(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Infinity;
  const differences = a.map((value, i) => Math.abs(value - (b[i] ?? NaN)));
  return differences.some(Number.isNaN) ? Infinity : Math.max(0, ...differences);
}
