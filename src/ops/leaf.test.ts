import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors.js';
import { evaluate } from '../tensor/evaluate.js';
import { constant, full, input } from './index.js';

describe('input', () => {
  it('has the shape and type that it was given', () => {
    const x = input('labels', [8, 1], 'int32');
    expect([x.shape, x.dtype, x.rank, x.size]).toEqual([[8, 1], 'int32', 2, 8]);
  });

  it.each([[[2, 0]], [[-1]], [[1.5]]])('refuses the shape %j', (shape) => {
    expect(() => input('x', shape)).toThrow(ShapeError);
    expect(() => input('x', shape)).toThrow("The input 'x' has the shape [");
  });

  it('cannot be evaluated without a value', () => {
    expect(() => evaluate([input('image', [1])])).toThrow(
      "No value was given for the input 'image'.",
    );
  });
});

describe('constant and full', () => {
  it('hold their values', () => {
    const [a, b] = evaluate([constant([1, 2], [2, 1]), full([2, 2], 7)]);
    expect([a?.shape, Array.from(a?.data ?? [])]).toEqual([
      [2, 1],
      [1, 2],
    ]);
    expect(Array.from(b?.data ?? [])).toEqual([7, 7, 7, 7]);
  });

  it('refuse values that do not fill the shape', () => {
    expect(() => constant([1, 2, 3], [2, 2])).toThrow('constant: 3 values were given for [2, 2].');
  });
});
