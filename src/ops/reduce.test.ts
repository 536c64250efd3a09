import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/gradients.js';
import { RUNS, shapes } from '../testing/arbitraries.js';
import { checkGradient } from '../testing/check-gradient.js';
import { checkLowering } from '../testing/check-lowering.node.js';
import { spacedArray, tiedArray } from '../testing/values.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray } from '../tensor/ndarray.js';
import { withScope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import * as ops from './index.js';

/** A shape, some of its axes (negative ones among them) or none for all, and whether to keep them. */
const reductions = shapes(1, 4).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    axes: fc.option(
      fc
        .subarray(
          shape.map((_, axis) => axis),
          { minLength: 1 },
        )
        .chain((axes) =>
          fc.boolean().map((negative) => (negative ? axes.map((a) => a - shape.length) : axes)),
        ),
      { nil: undefined },
    ),
    keepDims: fc.boolean(),
  }),
);

const alongAxis = shapes(1, 4).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    axis: fc.integer({ min: -shape.length, max: shape.length - 1 }),
    flag: fc.boolean(),
  }),
);

describe.each([
  ['sum', ops.sum],
  ['mean', ops.mean],
  ['max', ops.max],
  ['min', ops.min],
])('%s', (name, op) => {
  it('has the gradient of its float64 reference over any axes', () => {
    fc.assert(
      fc.property(reductions, ({ shape, axes, keepDims }) => {
        checkGradient((x) => op(x, axes, { keepDims }), [spacedArray(shape)]);
      }),
      RUNS,
    );
  });

  it('computes the same in ONNX Runtime, also where elements are equal', async () => {
    await fc.assert(
      fc.asyncProperty(reductions, ({ shape, axes, keepDims }) =>
        checkLowering((x) => op(x, axes, { keepDims }), [tiedArray(shape)]),
      ),
      RUNS,
    );
  });

  it.each([[3], [[0, 0]], [[0, -2]], [[0.5]]])('refuses the axes %j of [2, 3]', (axes) => {
    expect(() => withScope('head', () => op(input, axes))).toThrow(
      `${name} at head: cannot take [2, 3]. The axes ${JSON.stringify(axes)} are not distinct axes of it.`,
    );
  });

  it('over no axes is the tensor itself', () => {
    expect(op(input, [])).toBe(input);
  });
});

const input = ops.input('x', [2, 3]);

function slopeOf(
  build: (x: Tensor) => Tensor,
  values: number[],
  shape = [values.length],
): number[] {
  const x = ops.input('x', shape);
  const y = build(x);
  const [slope] = evaluate(
    gradients(y, [x], [ops.full(y.shape, 1)]),
    new Map([[x, ndarray(shape, values)]]),
  );
  return Array.from(slope?.data ?? []);
}

describe('equal largest elements', () => {
  it('share the gradient of max and of min', () => {
    expect(slopeOf((x) => ops.max(x), [1, 4, 4, 0])).toEqual([0, 0.5, 0.5, 0]);
    expect(slopeOf((x) => ops.min(x, 0), [1, 0, 4, 0])).toEqual([0, 0.5, 0, 0.5]);
  });

  it('leave the gradient of maxFirst to the first', () => {
    expect(slopeOf((x) => ops.maxFirst(x, 0), [1, 4, 4, 4])).toEqual([0, 1, 0, 0]);
    expect(slopeOf((x) => ops.maxFirst(x, 0), [5, 1, 5, 2], [2, 2])).toEqual([1, 0, 0, 1]);
  });
});

describe.each<[string, (x: Tensor, axis: number, flag: boolean) => Tensor]>([
  ['maxFirst', (x, axis, keepDims) => ops.maxFirst(x, axis, { keepDims })],
  ['cumsum', (x, axis, reverse) => ops.cumsum(x, axis, { reverse })],
  ['softmax', (x, axis) => ops.softmax(x, axis)],
  ['logSoftmax', (x, axis) => ops.logSoftmax(x, axis)],
])('%s', (name, op) => {
  it('has the gradient of its float64 reference along any axis', () => {
    fc.assert(
      fc.property(alongAxis, ({ shape, axis, flag }) => {
        checkGradient((x) => op(x, axis, flag), [spacedArray(shape)]);
      }),
      RUNS,
    );
  });

  it('computes the same in ONNX Runtime, gradient included', async () => {
    await fc.assert(
      fc.asyncProperty(alongAxis, ({ shape, axis, flag }) =>
        checkLowering((x) => op(x, axis, flag), [tiedArray(shape)]),
      ),
      RUNS,
    );
  });

  it.each([2, -3])('refuses the axis %i of [2, 3]', (axis) => {
    expect(() => op(input, axis, false)).toThrow(`${name}: cannot take [2, 3]. It has no axis`);
  });
});

describe('softmax and logSoftmax', () => {
  it('do not overflow', () => {
    const x = ops.input('x', [3]);
    const [p, logs] = evaluate(
      [ops.softmax(x, 0), ops.logSoftmax(x, 0)],
      new Map([[x, ndarray([3], [1000, 1000, -1000])]]),
    );
    expect(Array.from(p?.data ?? [])).toEqual([0.5, 0.5, 0]);
    expect(Array.from(logs?.data ?? [])).toEqual([-Math.LN2, -Math.LN2, -2000 - Math.LN2]);
  });
});

describe('argmax', () => {
  it('finds the first of the largest along any axis, in ONNX Runtime too', async () => {
    const x = ops.input('x', [2, 3]);
    const values = ndarray([2, 3], [1, 7, 7, 9, 2, 9]);
    const y = ops.argmax(x, -1);
    expect(y.dtype).toBe('int32');
    expect(Array.from(evaluate([y], new Map([[x, values]]))[0]?.data ?? [])).toEqual([1, 0]);
    await fc.assert(
      fc.asyncProperty(alongAxis, ({ shape, axis, flag }) =>
        checkLowering((v) => ops.argmax(v, axis, { keepDims: flag }), [tiedArray(shape)]),
      ),
      { ...RUNS, numRuns: 10 },
    );
  });

  it('has no gradient', () => {
    const y = ops.argmax(input, 0);
    expect(() => gradients(y, [input], [ops.full(y.shape, 1)])).toThrow('its values are no floats');
  });

  it('refuses an axis that is not there', () => {
    expect(() => ops.argmax(input, 2)).toThrow('argmax: cannot take [2, 3]. It has no axis 2.');
  });
});
