import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/gradients.js';
import { ShapeError } from '../errors.js';
import { RUNS, shapes } from '../testing/arbitraries.js';
import { checkGradient, type Build } from '../testing/check-gradient.js';
import { checkLowering } from '../testing/check-lowering.node.js';
import { positiveArray, randomArray } from '../testing/values.js';
import { evaluate } from '../tensor/evaluate.js';
import { withScope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { batchNorm, channelAffine, groupNorm, input, layerNorm, normalizeBy } from './index.js';

/**
 * [B, C, ..S] with something to normalise over: with two or three elements in a channel what is
 * left of the gradient is mostly cancelled, and float32 says little about the formula.
 */
const maps = shapes(2, 4).filter(
  ([batch = 1, , ...space]) => space.reduce((a, b) => a * b, batch) >= 6,
);
const channelsOf = (shape: readonly number[]) => [shape[1] ?? 1];

const trained: Build = (x, w, b) => batchNorm(x, w, b).output;
const fixed: Build = (x, w, b, mean, variance) => normalizeBy(x, w, b, { mean, variance }, 1e-3);
const affine: Build = (x, scale, shift) => channelAffine(x, scale, shift);

describe('batchNorm', () => {
  it('has the gradient of its float64 reference, through the statistics too', () => {
    fc.assert(
      fc.property(maps, (shape) => {
        checkGradient(trained, [shape, channelsOf(shape), channelsOf(shape)]);
      }),
      RUNS,
    );
  });

  it('computes the same in ONNX Runtime, gradients included', async () => {
    await fc.assert(
      fc.asyncProperty(maps, (shape) =>
        checkLowering(trained, [shape, channelsOf(shape), channelsOf(shape)]),
      ),
      RUNS,
    );
  });

  it('has a second derivative', () => {
    const slopes: Build = (x, w, b, g) => gradients(batchNorm(x, w, b).output, [x, w], [g]);
    expect(() => {
      checkGradient(slopes, [[3, 2, 4], [2], [2], [3, 2, 4]]);
    }).not.toThrow();
  });

  it('leaves no gradient for a bias before it, not even rounding errors', async () => {
    const build: Build = (x, k, bias, w, b) => {
      return batchNorm(x.conv(k, bias), w, b).output;
    };
    const inputs = [[3, 2, 5], [2, 2, 2], [2], [2], [2]];
    const tensors = inputs.map((shape, i) => input(`x${i}`, shape));
    const [x, k, bias, w, b] = tensors;
    if (!x || !k || !bias || !w || !b) throw new Error('five inputs expected');
    const y = build(x, k, bias, w, b) as Tensor;
    const [slope] = gradients(y, [bias], [y]);
    const feeds = new Map([[y, randomArray(y.shape)]]);
    expect(slope && [...(evaluate([slope], feeds)[0]?.data ?? [])]).toEqual([0, 0]);
    await expect(checkLowering(build, inputs)).resolves.toBeUndefined();
  });

  it('normalises by the biased variance', () => {
    const shape = [4, 1, 3];
    const x = input('x', shape);
    const { mean, variance } = batchNorm(x, input('w', [1]), input('b', [1]));
    const values = randomArray(shape);
    const [m, v] = evaluate([mean, variance], new Map([[x, values]]));
    const average = values.data.reduce((a, b) => a + b, 0) / 12;
    const squares = values.data.reduce((a, b) => a + (b - average) ** 2, 0);
    expect(m?.data[0]).toBeCloseTo(average, 12);
    expect(v?.data[0]).toBeCloseTo(squares / 12, 12);
  });
});

describe('normalizeBy', () => {
  it('has the gradient of its float64 reference in all five inputs', () => {
    fc.assert(
      fc.property(maps, (shape) => {
        const c = channelsOf(shape);
        checkGradient(fixed, [shape, c, c, c, positiveArray(c, 5)]);
      }),
      { ...RUNS, numRuns: 10 },
    );
  });

  it('computes the same in ONNX Runtime, gradients included', async () => {
    await fc.assert(
      fc.asyncProperty(maps, async (shape) => {
        const c = channelsOf(shape);
        await checkLowering(fixed, [shape, c, c, c, positiveArray(c, 5)]);
      }),
      { ...RUNS, numRuns: 15 },
    );
  });
});

describe('channelAffine', () => {
  it('has the gradient of its float64 reference and computes the same in ONNX Runtime', async () => {
    for (const shape of [
      [2, 3],
      [2, 3, 4],
      [1, 2, 3, 2],
      [1, 2, 2, 2, 2],
    ]) {
      const inputs = [shape, channelsOf(shape), channelsOf(shape)];
      checkGradient(affine, inputs);
      await checkLowering(affine, inputs);
    }
    const x = input('x', [2, 3]);
    expect(x.channelAffine(input('s', [3]), input('t', [3])).shape).toEqual([2, 3]);
  });
});

describe('layerNorm', () => {
  const whole: Build = (x, w, b) => layerNorm(x, w.shape, w, b);
  const plain: Build = (x) => layerNorm(x, x.shape.slice(-1));

  it.each([
    [[3, 5], [5]],
    [[2, 3, 4], [4]],
    [
      [2, 3, 4],
      [3, 4],
    ],
    [
      [2, 2, 3, 2],
      [2, 3, 2],
    ],
  ])('of %j over %j has its gradient and computes the same in ONNX Runtime', async (x, w) => {
    checkGradient(whole, [x, w, w]);
    checkGradient(plain, [x]);
    await expect(checkLowering(whole, [x, w, w])).resolves.toBeUndefined();
  });
});

describe('groupNorm', () => {
  it.each([
    [[3, 8], 2],
    [[2, 4, 3], 4],
    [[2, 6, 2, 2], 3],
    [[1, 2, 2, 2, 3], 1],
  ])(
    'of %j in %i groups has its gradient and computes the same in ONNX Runtime',
    async (x, groups) => {
      const build: Build = (v, w, b) => groupNorm(v, groups, w, b);
      const inputs = [x, channelsOf(x), channelsOf(x)];
      checkGradient(build, inputs);
      await expect(checkLowering(build, inputs)).resolves.toBeUndefined();
    },
  );
});

describe('refusals', () => {
  const x = input('x', [2, 6, 4]);
  const three = input('w', [3]);
  const six = input('w', [6]);

  it.each<[string, () => unknown, string]>([
    [
      'batchNorm of other channels',
      () => batchNorm(x, three, six),
      'must be [6], its number of channels',
    ],
    [
      'normalizeBy of other channels',
      () => normalizeBy(x, six, six, { mean: three, variance: six }),
      'must be [6]',
    ],
    [
      'channelAffine without channels',
      () => channelAffine(three, three, three),
      'Expected an input [B, C, ..S]',
    ],
    [
      'layerNorm over other sizes',
      () => layerNorm(x, [6]),
      'layerNorm at block: cannot take [2, 6, 4]. Its last axes, the weight and the bias must be [6].',
    ],
    ['layerNorm with another weight', () => layerNorm(x, [4], six), 'must be [4]'],
    [
      'groupNorm in groups that do not divide',
      () => groupNorm(x, 4),
      'groupNorm at block: cannot take [2, 6, 4]. Its channels do not fall into 4 equal groups.',
    ],
    ['groupNorm with another weight', () => groupNorm(x, 2, three), 'must be [6]'],
  ])('%s', (_, build, message) => {
    expect(() => withScope('block', build)).toThrow(ShapeError);
    expect(() => withScope('block', build)).toThrow(message);
  });
});
