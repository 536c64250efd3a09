import { describe, expect, it } from 'vitest';
import { constant, input } from '../ops/index.js';
import { ndarray } from './ndarray.js';
import { float32Spread } from './rounding.js';
import type { Tensor } from './tensor.js';

/** The spread of one element that is computed from inputs x and y. */
function spreadOf(build: (x: Tensor, y: Tensor) => Tensor, x: readonly number[], y = x) {
  const [a, b] = [input('x', [x.length]), input('y', [y.length])];
  const feeds = new Map([
    [a, ndarray(a.shape, x)],
    [b, ndarray(b.shape, y)],
  ]);
  const { values, spread } = float32Spread([build(a, b)], feeds, { samples: 64 });
  return { value: values[0]?.data[0] ?? NaN, spread: spread[0]?.data[0] ?? NaN };
}

/** A unit in the last place of 1. */
const ULP = 2 ** -23;

describe('what float32 may lose', () => {
  it('is nothing where values are only moved, chosen or compared', () => {
    expect(spreadOf((x) => x.reshape([3, 1]).max(0), [1, 1.1, 0.3]).spread).toBe(0);
    expect(spreadOf((x, y) => x.greater(y).cast('float32'), [1], [1 + 1e-12]).spread).toBe(0);
    expect(
      spreadOf(
        (x) =>
          x
            .relu()
            .neg()
            .add(constant([0], [])),
        [-3],
      ).spread,
    ).toBe(0);
  });

  it('is about a unit in the last place of a product', () => {
    const { value, spread } = spreadOf((x, y) => x.mul(y), [3], [100]);
    expect(value).toBe(300);
    expect(spread / (300 * ULP)).toBeGreaterThan(0.5);
    expect(spread / (300 * ULP)).toBeLessThan(2);
  });

  it('is that of the terms of a sum, not of what is left of them', () => {
    const { value, spread } = spreadOf((x) => x.sum(), [1000, 0.25, -1000]);
    expect(value).toBe(0.25);
    expect(spread / (1000 * ULP)).toBeGreaterThan(0.5);
    expect(spread / (1000 * ULP)).toBeLessThan(2);
  });

  it('goes on through the ops that follow', () => {
    const far = spreadOf((x, y) => x.sub(y).mul(1000), [1], [1 - 2 ** -10]);
    expect(far.spread / (1000 * ULP)).toBeGreaterThan(0.5);
    const flat = spreadOf((x) => x.mul(2).tanh(), [20]);
    expect(flat.spread).toBeLessThan(2 * ULP);
  });

  it('grows with the mean of what is normalised', () => {
    const centred = (x: Tensor) => x.sub(x.mean()).square().mean();
    const near = spreadOf(centred, [1, 2, 3, 4]);
    const away = spreadOf(centred, [1001, 1002, 1003, 1004]);
    expect(away.spread / near.spread).toBeGreaterThan(50);
  });

  it('leaves integers as they are', () => {
    const count = input('count', [], 'int32');
    const feeds = new Map([[count, ndarray([], [7])]]);
    expect(float32Spread([count.add(1)], feeds).spread[0]?.data[0]).toBe(0);
  });

  it('is the same for the same seed', () => {
    const x = input('x', [1]);
    const feeds = new Map([[x, ndarray([1], [0.7])]]);
    const [a, b, c] = [1, 1, 2].map((seed) => float32Spread([x.exp()], feeds, { seed }).spread[0]);
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
  });
});
