import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors.js';
import { RUNS } from '../testing/arbitraries.js';
import { checkGradient, type Build } from '../testing/check-gradient.js';
import { checkLowering } from '../testing/check-lowering.node.js';
import { spacedArray, tiedArray } from '../testing/values.js';
import { adaptiveAvgPool, adaptiveMaxPool, globalAvgPool, globalMaxPool, input } from './index.js';

const axis = fc.record({
  from: fc.integer({ min: 1, max: 6 }),
  to: fc.integer({ min: 1, max: 6 }),
});
const axes = fc.array(axis, { minLength: 1, maxLength: 2 }).map((list) => ({
  shape: [1, 2, ...list.map(({ from }) => from)],
  size: list.map(({ to }) => to),
}));

describe.each([
  ['adaptiveAvgPool', adaptiveAvgPool],
  ['adaptiveMaxPool', adaptiveMaxPool],
])('%s', (name, pool) => {
  it('has the gradient of its float64 reference at any size', () => {
    fc.assert(
      fc.property(axes, ({ shape, size }) => {
        checkGradient((x) => pool(x, size), [spacedArray(shape)]);
      }),
      RUNS,
    );
  });

  it('computes the same in ONNX Runtime, also where elements are equal', async () => {
    await fc.assert(
      fc.asyncProperty(axes, async ({ shape, size }) => {
        await checkLowering((x) => pool(x, size), [tiedArray(shape)]);
      }),
      RUNS,
    );
  });

  const x = input('x', [2, 3, 6, 6]);

  it('returns its input where the size is the same', () => {
    expect(pool(x, 6)).toBe(x);
  });

  it.each([
    ['a size of 0', 0, 'size [0, 0] must be 2 integers of at least 1'],
    ['a size for another number of axes', [2], 'size [2] must be 2 integers'],
  ])('refuses %s', (_, size, message) => {
    expect(() => pool(x, size)).toThrow(ShapeError);
    expect(() => pool(x, size)).toThrow(`${name}: cannot take [2, 3, 6, 6]. ${message}`);
  });
});

describe.each([
  ['globalAvgPool', globalAvgPool],
  ['globalMaxPool', globalMaxPool],
])('%s', (name, pool) => {
  const build: Build = (x) => pool(x);

  it.each([[[2, 3, 4]], [[1, 2, 3, 2]], [[1, 2, 2, 2, 2]]])(
    'keeps the spatial axes of %j with size 1, and has its gradient',
    async (shape) => {
      const y = pool(input('x', shape));
      expect(y.shape).toEqual([...shape.slice(0, 2), ...shape.slice(2).map(() => 1)]);
      checkGradient(build, [spacedArray(shape)]);
      await checkLowering(build, [tiedArray(shape)]);
    },
  );

  it('refuses an input without spatial axes', () => {
    expect(() => pool(input('x', [2, 3]))).toThrow(`${name}: cannot take [2, 3].`);
  });
});
