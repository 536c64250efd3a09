import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/gradients.js';
import { checkGradient, type Build } from '../testing/check-gradient.js';
import { checkLowering } from '../testing/check-lowering.node.js';
import { positiveArray, spacedArray } from '../testing/values.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Tensor } from '../tensor/tensor.js';
import * as ops from './index.js';

const anywhere = (shape: readonly number[]) => spacedArray(shape);
const positive = (shape: readonly number[]) => positiveArray(shape, 1, 0.3);

const CASES: [string, (x: Tensor) => Tensor, (shape: readonly number[]) => NdArray][] = [
  ['neg', ops.neg, anywhere],
  ['exp', ops.exp, anywhere],
  ['log', ops.log, positive],
  ['sqrt', ops.sqrt, positive],
  ['reciprocal', ops.reciprocal, positive],
  ['abs', ops.abs, anywhere],
  ['square', ops.square, anywhere],
  ['sin', ops.sin, anywhere],
  ['cos', ops.cos, anywhere],
  ['tanh', ops.tanh, anywhere],
  ['sigmoid', ops.sigmoid, anywhere],
  ['erf', ops.erf, anywhere],
  ['relu', ops.relu, anywhere],
  ['gelu', ops.gelu, anywhere],
  ['silu', ops.silu, anywhere],
  ['leakyRelu', (x) => ops.leakyRelu(x, 0.3), anywhere],
  ['clip', (x) => ops.clip(x, { min: -0.75, max: 1.25 }), anywhere],
  ['clip from below', (x) => ops.clip(x, { min: 0.25 }), anywhere],
  ['clip from above', (x) => ops.clip(x, { max: 0.25 }), anywhere],
];

describe.each(CASES)('%s', (_, op, draw) => {
  const build: Build = (x) => op(x);

  it.each([[[]], [[7]], [[2, 3, 4]]])('has the gradient of its reference on %j', (shape) => {
    expect(() => {
      checkGradient(build, [draw(shape)]);
    }).not.toThrow();
  });

  it('has a second derivative', () => {
    const slope: Build = (x) => gradients(op(x), [x], [ops.full(x.shape, 1)]);
    expect(() => {
      checkGradient(slope, [draw([5])]);
    }).not.toThrow();
  });

  it('computes the same in ONNX Runtime, gradient included', async () => {
    await expect(checkLowering(build, [draw([3, 17])])).resolves.toBeUndefined();
  });
});

function at(op: (x: Tensor) => Tensor, values: number[]): { y: number[]; slope: number[] } {
  const x = ops.input('x', [values.length]);
  const result = op(x);
  const [y, slope] = evaluate(
    [result, ...gradients(result, [x], [ops.full(x.shape, 1)])],
    new Map([[x, ndarray(x.shape, values)]]),
  );
  return { y: Array.from(y?.data ?? []), slope: Array.from(slope?.data ?? []) };
}

describe('at their kinks, as PyTorch', () => {
  it('relu has derivative 0 at 0', () => {
    expect(at(ops.relu, [0]).slope).toEqual([0]);
  });

  it('abs has derivative 0 at 0', () => {
    expect(at(ops.abs, [0]).slope).toEqual([0]);
  });

  it('leakyRelu has its slope as derivative at 0', () => {
    expect(at((x) => ops.leakyRelu(x, 0.2), [0]).slope).toEqual([0.2]);
  });

  it('clip passes the gradient at its bounds and stops it outside', () => {
    const { slope } = at((x) => ops.clip(x, { min: -1, max: 1 }), [-1.5, -1, 0, 1, 1.5]);
    expect(slope).toEqual([0, 1, 1, 1, 0]);
  });
});

describe('far from 0', () => {
  it('sigmoid does not overflow', () => {
    expect(at(ops.sigmoid, [-800, 800]).y).toEqual([0, 1]);
  });

  // Abramowitz and Stegun, table 7.1, and erfc(4) = 1.541725790028002e-8 (their 7.1.14).
  it.each([
    [0.5, 0.5204998778],
    [1, 0.8427007929],
    [2, 0.995322265],
    [-1, -0.8427007929],
    [4, 1 - 1.541725790028002e-8],
    [9, 1],
  ])('erf(%d) is %d', (x, expected) => {
    expect(at(ops.erf, [x]).y[0]).toBeCloseTo(expected, 10);
  });
});

it('clip refuses bounds in the wrong order', () => {
  expect(() => ops.clip(ops.input('x', [2]), { min: 1, max: 0 })).toThrow(
    'clip: cannot take [2]. The lower bound 1 is above the upper bound 0.',
  );
});
