import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors.js';
import { RUNS, shapes } from '../testing/arbitraries.js';
import { checkGradient, type Build } from '../testing/check-gradient.js';
import { checkLowering } from '../testing/check-lowering.node.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import { withScope } from '../tensor/scope.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  concat,
  gather,
  input,
  pad,
  reshape,
  slice,
  split,
  stack,
  transpose,
  dilate,
} from './index.js';

interface Case {
  readonly build: Build;
  readonly inputs: Shape[];
}
const withAxis = shapes(1, 4).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    axis: fc.integer({ min: -shape.length, max: shape.length - 1 }),
  }),
);

const CASES: Record<string, fc.Arbitrary<Case>> = {
  reshape: shapes(1, 4).map((shape) => ({
    build: (x: Tensor) => reshape(x, [shape[0] ?? 1, -1]),
    inputs: [shape],
  })),
  transpose: shapes(1, 4).chain((shape) =>
    fc
      .shuffledSubarray(
        shape.map((_, axis) => axis),
        { minLength: shape.length },
      )
      .map((order) => ({ build: (x: Tensor) => transpose(x, order), inputs: [shape] })),
  ),
  concat: fc
    .tuple(withAxis, fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }))
    .map(([{ shape, axis }, sizes]) => ({
      build: (...xs: Tensor[]) => concat(xs, axis),
      inputs: sizes.map((size) => shape.with(axis, size)),
    })),
  stack: fc.tuple(shapes(0, 3), fc.nat(3)).map(([shape, at]) => ({
    build: (...xs: Tensor[]) => stack(xs, Math.min(at, shape.length) - shape.length - 1),
    inputs: [shape, shape],
  })),
  slice: withAxis
    .chain(({ shape, axis }) => {
      const size = shape.at(axis) ?? 1;
      return fc
        .record({
          start: fc.nat(size - 1),
          length: fc.nat(size),
          step: fc.integer({ min: 1, max: 3 }),
        })
        .map(({ start, length, step }) => ({
          shape,
          range: [axis, start, Math.min(start + length + 1, size), step] as const,
        }));
    })
    .map(({ shape, range }) => ({ build: (x: Tensor) => slice(x, ...range), inputs: [shape] })),
  split: withAxis.map(({ shape, axis }) => ({
    build: (x: Tensor) => split(x, axis, 2),
    inputs: [shape],
  })),
  pad: fc.tuple(withAxis, fc.nat(2), fc.nat(2)).map(([{ shape, axis }, before, after]) => ({
    build: (x: Tensor) => pad(x, axis, before, after, -1.5),
    inputs: [shape],
  })),
  dilate: fc.tuple(withAxis, fc.integer({ min: 1, max: 3 })).map(([{ shape, axis }, step]) => ({
    build: (x: Tensor) => dilate(x, axis, step),
    inputs: [shape],
  })),
  gather: withAxis
    .chain(({ shape, axis }) =>
      fc
        .array(fc.nat((shape.at(axis) ?? 1) - 1), { minLength: 1, maxLength: 5 })
        .map((indices) => ({ shape, axis, indices })),
    )
    .map(({ shape, axis, indices }) => ({
      build: (x: Tensor) => gather(x, axis, indices),
      inputs: [shape],
    })),
};

describe.each(Object.entries(CASES))('%s', (_, cases) => {
  it('has the gradient of its float64 reference', () => {
    fc.assert(
      fc.property(cases, ({ build, inputs }) => {
        checkGradient(build, inputs);
      }),
      RUNS,
    );
  });

  it('computes the same in ONNX Runtime, gradient included', async () => {
    await fc.assert(
      fc.asyncProperty(cases, ({ build, inputs }) => checkLowering(build, inputs)),
      { ...RUNS, numRuns: 15 },
    );
  });
});

/** 0, 1, 2, ... in the given shape, put through what is built. */
function moved(shape: Shape, build: (x: Tensor) => Tensor): NdArray {
  const x = input('x', shape);
  const counting = ndarray(
    shape,
    Array.from({ length: x.size }, (_, i) => i),
  );
  return evaluate([build(x)], new Map([[x, counting]]))[0] ?? ndarray([]);
}

describe('where elements go', () => {
  it.each<[string, Shape, (x: Tensor) => Tensor, Shape, number[]]>([
    ['reshape', [2, 3], (x) => x.reshape([3, -1]), [3, 2], [0, 1, 2, 3, 4, 5]],
    ['flatten', [1, 2, 3], (x) => x.flatten(), [1, 6], [0, 1, 2, 3, 4, 5]],
    ['flatten of two axes', [2, 1, 3], (x) => x.flatten(0, 1), [2, 3], [0, 1, 2, 3, 4, 5]],
    ['transpose', [2, 3], (x) => x.transpose([1, 0]), [3, 2], [0, 3, 1, 4, 2, 5]],
    [
      'transpose of three',
      [1, 2, 3],
      (x) => x.transpose([-1, 0, 1]),
      [3, 1, 2],
      [0, 3, 1, 4, 2, 5],
    ],
    ['swapAxes', [2, 3], (x) => x.swapAxes(), [3, 2], [0, 3, 1, 4, 2, 5]],
    ['unsqueeze', [2], (x) => x.unsqueeze(-1), [2, 1], [0, 1]],
    ['squeeze', [2, 1], (x) => x.squeeze(1), [2], [0, 1]],
    ['slice', [6], (x) => x.slice(0, 1, 6, 2), [3], [1, 3, 5]],
    ['slice from the end', [2, 3], (x) => x.slice(-1, -2), [2, 2], [1, 2, 4, 5]],
    ['select', [2, 3], (x) => x.select(1, -1), [2], [2, 5]],
    ['split', [5], (x) => x.split(0, 2)[2] ?? x, [1], [4]],
    ['split by sizes', [5], (x) => x.split(0, [1, 3, 1])[1] ?? x, [3], [1, 2, 3]],
    ['pad', [2], (x) => x.pad(0, 1, 2, 9), [5], [9, 0, 1, 9, 9]],
    ['dilate', [3], (x) => dilate(x, -1, 2), [5], [0, 0, 1, 0, 2]],
    ['gather', [2, 2], (x) => x.gather(0, [1, 1, 0]), [3, 2], [2, 3, 2, 3, 0, 1]],
    ['flip', [2, 2], (x) => x.flip(1), [2, 2], [1, 0, 3, 2]],
    ['concat', [2, 1], (x) => concat([x, x.add(10)], 1), [2, 2], [0, 10, 1, 11]],
    ['stack', [2], (x) => stack([x, x.add(10)], 0), [2, 2], [0, 1, 10, 11]],
  ])('%s', (_, shape, build, expectedShape, expected) => {
    const result = moved(shape, build);
    expect(result.shape).toEqual(expectedShape);
    expect(Array.from(result.data)).toEqual(expected);
  });
});

describe('what moves nothing makes no node', () => {
  const x = input('x', [2, 3]);
  it.each([
    ['reshape', x.reshape([2, 3])],
    ['transpose', x.transpose([0, 1])],
    ['slice', x.slice(1, 0)],
    ['pad', x.pad(0, 0, 0)],
    ['concat', concat([x], 1)],
    ['dilate', dilate(x, 0, 1)],
  ])('%s', (_, y) => {
    expect(y).toBe(x);
  });
});

describe('refusals', () => {
  const x = input('x', [2, 3]);
  const other = input('i', [2, 3], 'int32');

  it.each<[string, () => unknown, string]>([
    [
      'reshape to more',
      () => x.reshape([4, 2]),
      'reshape at m: cannot take [2, 3]. Its 6 elements do not fill [4, 2].',
    ],
    ['reshape to a fraction', () => x.reshape([4, -1]), 'do not fill [4, 1.5]'],
    ['reshape to negative sizes', () => x.reshape([-2, -3]), 'do not fill [-2, -3]'],
    [
      'transpose with an axis twice',
      () => x.transpose([0, 0]),
      'does not name each of its 2 axes once',
    ],
    [
      'transpose with an axis missing',
      () => x.transpose([0]),
      'does not name each of its 2 axes once',
    ],
    [
      'concat of unequal sizes',
      () => concat([x, input('y', [2, 4])], 0),
      'All sizes but that of axis 0',
    ],
    ['concat of nothing', () => concat([], 0), 'At least one tensor is needed'],
    ['concat of two types', () => concat([x, other], 0), 'All must have one type'],
    ['concat along no axis', () => concat([x, x], 2), 'All sizes but that of axis 2'],
    [
      'slice past the end',
      () => x.slice(1, 0, 4),
      'slice at m: cannot take [2, 3]. The range 0 to 4 by 1',
    ],
    [
      'slice of nothing',
      () => x.slice(1, 2, 2),
      'The range 2 to 2 by 1 does not lie within axis 1',
    ],
    ['slice at a fraction', () => x.slice(1, 0.5), 'The range 0.5 to 3'],
    [
      'split that leaves some',
      () => x.split(1, [1, 1]),
      'split at m: cannot take [2, 3]. Pieces of [1, 1] do not add up to axis 1 of size 3.',
    ],
    ['split that wants more', () => x.split(1, [2, 2]), 'do not add up'],
    [
      'pad by less than nothing',
      () => x.pad(0, -1, 0),
      'Padding must be whole numbers of at least 0, not -1 and 0',
    ],
    ['pad of no axis', () => x.pad(2, 1, 1), 'It has no axis 2'],
    ['gather past the end', () => x.gather(1, [3]), 'The index 3 is not within axis 1 of size 3'],
    ['gather of no axis', () => x.gather(2, [0]), 'It has no axis 2'],
  ])('%s', (_, build, message) => {
    expect(() => withScope('m', build)).toThrow(ShapeError);
    expect(() => withScope('m', build)).toThrow(message);
  });
});
