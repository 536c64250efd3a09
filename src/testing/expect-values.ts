import { expect } from 'vitest';
import type { NdArray } from '../tensor/ndarray.js';

/** Expects an array to hold these values, row-major, to ten decimals. */
export function expectValues(actual: NdArray | undefined, expected: readonly number[]): void {
  expect(actual?.data.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) {
    expect(actual?.data[i], `element ${i}`).toBeCloseTo(value, 10);
  }
}
