import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/gradients.js';
import { ShapeError } from '../errors.js';
import { axesCases, geometryOf, RUNS } from '../testing/arbitraries.js';
import { checkGradient, type Build } from '../testing/check-gradient.js';
import { checkLowering } from '../testing/check-lowering.node.js';
import { spacedArray, tiedArray } from '../testing/values.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray } from '../tensor/ndarray.js';
import { withScope } from '../tensor/scope.js';
import { avgPool, constant, input, maxPool } from './index.js';

const channels = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  channels: fc.integer({ min: 1, max: 2 }),
});

/** Windows side by side are common and take a way of their own. */
const strides = fc.constantFrom('any', 'kernel');

const maxCase = fc.tuple(axesCases, channels, strides).map(([axes, { batch, channels }, kind]) => {
  const { kernel, stride, ...rest } = geometryOf(axes);
  const options = { ...rest, stride: kind === 'kernel' ? kernel : stride };
  const build: Build = (x) => maxPool(x, kernel, options);
  return { build, shape: [batch, channels, ...axes.map(({ size }) => size)] };
});

const avgCase = fc
  .tuple(axesCases, channels, fc.boolean())
  .map(([axes, { batch, channels }, countIncludePad]) => {
    const { kernel, stride, padding } = geometryOf(axes);
    const options = { stride, padding, countIncludePad };
    const build: Build = (x) => avgPool(x, kernel, options);
    return { build, shape: [batch, channels, ...axes.map(({ size }) => size)] };
  });

describe('maxPool', () => {
  it('has the gradient of its float64 reference, whatever the geometry', () => {
    fc.assert(
      fc.property(maxCase, ({ build, shape }) => {
        checkGradient(build, [spacedArray(shape)]);
      }),
      RUNS,
    );
  });

  it('computes the same in ONNX Runtime, also where elements are equal', async () => {
    await fc.assert(
      fc.asyncProperty(maxCase, async ({ build, shape }) => {
        await checkLowering(build, [tiedArray(shape)]);
      }),
      { ...RUNS, numRuns: 50 },
    );
  });

  it('sends the gradient of overlapping windows to the first of equal elements', () => {
    const x = input('x', [1, 1, 2, 3]);
    const y = maxPool(x, 2, { stride: 1 });
    const [slope] = evaluate(
      gradients(y, [x], [constant([10, 1], [1, 1, 1, 2])]),
      new Map([[x, ndarray(x.shape, [0, 5, 0, 5, 5, 5])]]),
    );
    // Both windows have their first 5 in the upper row.
    expect(Array.from(slope?.data ?? [])).toEqual([0, 11, 0, 0, 0, 0]);
  });

  it('gives elements that no window reaches no gradient', () => {
    const x = input('x', [1, 1, 5]);
    const [slope] = evaluate(
      gradients(maxPool(x, 2), [x], [constant([1, 1], [1, 1, 2])]),
      new Map([[x, ndarray(x.shape, [1, 2, 4, 3, 9])]]),
    );
    expect(Array.from(slope?.data ?? [])).toEqual([0, 1, 1, 0, 0]);
  });

  const x = input('x', [1, 2, 5, 5]);

  it.each([
    ['a kernel larger than the input', 6, {}, 'larger than the padded input'],
    ['padding as wide as the kernel', 2, { padding: 2 }, 'must be less than the kernel [2, 2]'],
    ['a kernel of 0', 0, {}, 'kernel [0, 0] must be 2 integers of at least 1'],
    ['a kernel for three axes', [2, 2, 2], {}, 'kernel [2, 2, 2] must be 2 integers'],
    ['a fractional stride', 2, { stride: 1.5 }, 'strides [1.5, 1.5] must be'],
  ])('refuses %s', (_, kernel, options, message) => {
    const refused = () => maxPool(x, kernel, options);
    expect(refused).toThrow(ShapeError);
    expect(refused).toThrow(message);
  });

  it('refuses a dilation with which a window falls between the elements', () => {
    const narrow = input('x', [1, 1, 2]);
    expect(() => maxPool(narrow, 2, { padding: 1, dilation: 3 })).toThrow('nothing but padding');
  });

  it('names the op, the shape and the module path when it refuses', () => {
    expect(() => withScope('stem.pool', () => maxPool(input('x', [4, 8]), 2))).toThrow(
      'maxPool at stem.pool: cannot take [4, 8]. Expected an input [B, C, ..S]',
    );
  });
});

describe('avgPool', () => {
  it('has the gradient of its float64 reference, whatever the geometry', () => {
    fc.assert(
      fc.property(avgCase, ({ build, shape }) => {
        checkGradient(build, [shape]);
      }),
      RUNS,
    );
  });

  it('computes the same in ONNX Runtime, gradient included', async () => {
    await fc.assert(
      fc.asyncProperty(avgCase, async ({ build, shape }) => {
        await checkLowering(build, [shape]);
      }),
      { ...RUNS, numRuns: 50 },
    );
  });

  it.each([
    [true, [1 / 3, 4 / 3]],
    [false, [1, 4 / 3]],
  ])('counts the padding: %s', (countIncludePad, expected) => {
    const x = input('x', [1, 1, 3]);
    const y = avgPool(x, 3, { stride: 2, padding: [[2, 0]], countIncludePad });
    const [result] = evaluate([y], new Map([[x, ndarray(x.shape, [1, 3, 0])]]));
    expect(Array.from(result?.data ?? [])).toEqual(expected);
  });

  it('refuses what maxPool refuses, by its own name', () => {
    expect(() => avgPool(input('x', [1, 1, 3]), 4)).toThrow(/^avgPool: cannot take \[1, 1, 3\]/);
  });
});
