import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors.js';
import { RUNS } from '../testing/arbitraries.js';
import { checkGradient, type Build } from '../testing/check-gradient.js';
import { checkLowering } from '../testing/check-lowering.node.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray } from '../tensor/ndarray.js';
import { input, interpolate, type InterpolateOptions, type InterpolationMode } from './index.js';

function resized(values: readonly number[], options: InterpolateOptions): number[] {
  const x = input('x', [1, 1, values.length]);
  const [y] = evaluate([interpolate(x, options)], new Map([[x, ndarray(x.shape, values)]]));
  return Array.from(y?.data ?? []);
}

const axesOf: Record<InterpolationMode, readonly number[]> = {
  nearest: [1, 2, 3],
  'nearest-exact': [1, 2, 3],
  area: [1, 2, 3],
  linear: [1],
  bilinear: [2],
  trilinear: [3],
  bicubic: [2],
};

const resizing = fc
  .constantFrom(...(Object.keys(axesOf) as InterpolationMode[]))
  .chain((mode) =>
    fc.constantFrom(...axesOf[mode]).chain((axes) => {
      const sizes = () =>
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: axes, maxLength: axes });
      return fc.record({
        mode: fc.constant(mode),
        from: sizes(),
        size: sizes(),
        alignCorners: /nearest|area/.test(mode) ? fc.constant(false) : fc.boolean(),
      });
    }),
  )
  .map(({ from, ...options }) => {
    const build: Build = (x) => interpolate(x, options);
    return { build, shape: [1, 2, ...from] };
  });

describe('interpolate', () => {
  it('has the gradient of its float64 reference in every mode', () => {
    fc.assert(
      fc.property(resizing, ({ build, shape }) => {
        checkGradient(build, [shape]);
      }),
      RUNS,
    );
  });

  it('steps by a given scale where the size stays, as PyTorch does', () => {
    expect(resized([5, 7], { scale: 1.3 })).toEqual([5, 5]);
    expect(resized([5, 7], { scale: 1.3, mode: 'linear' })).toEqual([5, 7]);
  });

  it('computes the same in ONNX Runtime, gradient included', async () => {
    await fc.assert(
      fc.asyncProperty(resizing, ({ build, shape }) => checkLowering(build, [shape])),
      { ...RUNS, numRuns: 40 },
    );
  });

  it('repeats the nearest element', () => {
    expect(resized([1, 2, 3], { size: 6 })).toEqual([1, 1, 2, 2, 3, 3]);
    expect(resized([1, 2, 3, 4, 5], { size: 2 })).toEqual([1, 3]);
  });

  it.each([
    [14, 46, 23, 6],
    [26, 44, 22, 12],
    [28, 46, 23, 13],
    [30, 58, 29, 14],
  ])('from %i to %i takes the nearest index in float32: element %i is %i', (from, to, o, index) => {
    const values = Array.from({ length: from }, (_, i) => i);
    expect(resized(values, { size: to })[o]).toBe(index);
  });

  it('keeps the outer edges in place without alignCorners, and the corner elements with it', () => {
    expect(resized([0, 4], { size: 4, mode: 'linear' })).toEqual([0, 1, 3, 4]);
    expect(resized([0, 3], { size: 4, mode: 'linear', alignCorners: true })).toEqual([0, 1, 2, 3]);
  });

  it('steps by the scale that was given, not by the ratio of the sizes', () => {
    // 3 * 1.5 = 4.5 is cut to 4; positions are (o + 0.5) / 1.5 - 0.5.
    const y = resized([0, 6, 12], { scale: 1.5, mode: 'linear' });
    expect(y).toHaveLength(4);
    expect(y[3]).toBeCloseTo((3.5 / 1.5 - 0.5) * 6, 12);
  });

  it('weighs four elements when bicubic, and stops at the borders', () => {
    // Halfway between two elements the weights are -3/32, 19/32, 19/32, -3/32.
    const x = input('x', [1, 1, 1, 4]);
    const y = interpolate(x, { size: [1, 2], mode: 'bicubic' });
    const [result] = evaluate([y], new Map([[x, ndarray(x.shape, [16, 32, 0, 0])]]));
    expect(Array.from(result?.data ?? [])).toEqual([(16 * (19 - 3) + 32 * 19) / 32, -3]);
  });

  it('returns its input where no size changes', () => {
    const x = input('x', [1, 1, 3, 4]);
    expect(interpolate(x, { size: [3, 4], mode: 'bicubic' })).toBe(x);
  });

  const x = input('x', [1, 2, 4, 4]);

  it.each<[string, InterpolateOptions, string]>([
    ['neither size nor scale', {}, 'Give either size or scale'],
    ['both size and scale', { size: 2, scale: 2 }, 'Give either size or scale'],
    [
      'a mode for other ranks',
      { size: 2, mode: 'linear' },
      'The mode linear takes 1 spatial axes, not 2',
    ],
    ['alignCorners with nearest', { size: 2, alignCorners: true }, 'have no alignCorners'],
    ['a negative scale', { scale: -1 }, 'scale [-1, -1] must be 2 positive numbers'],
    ['a scale that leaves nothing', { scale: 0.1 }, 'size [0, 0] must be 2 integers of at least 1'],
    ['a size for one axis', { size: [2] }, 'size [2] must be 2 integers'],
  ])('refuses %s', (_, options, message) => {
    expect(() => interpolate(x, options)).toThrow(ShapeError);
    expect(() => interpolate(x, options)).toThrow(message);
  });
});
