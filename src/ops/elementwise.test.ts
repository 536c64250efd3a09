import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/gradients.js';
import { ShapeError } from '../errors.js';
import { broadcastPair, RUNS } from '../testing/arbitraries.js';
import { checkGradient, type Build } from '../testing/check-gradient.js';
import { checkLowering } from '../testing/check-lowering.node.js';
import { positiveArray, randomArray, tiedArray } from '../testing/values.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray } from '../tensor/ndarray.js';
import { withScope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import * as ops from './index.js';

const { input, constant, where, cast } = ops;

type Pair = (a: Tensor, b: Tensor | number) => Tensor;
const pairs =
  (op: Pair): Build =>
  (a, b) =>
    op(a, b);

const SMOOTH: [string, Pair][] = [
  ['add', ops.add],
  ['sub', ops.sub],
  ['mul', ops.mul],
  ['div', ops.div],
  ['pow', ops.pow],
  ['maximum', ops.maximum],
  ['minimum', ops.minimum],
];

describe.each(SMOOTH)('%s', (_, op) => {
  it('has the gradient of its float64 reference under every broadcast', () => {
    fc.assert(
      fc.property(broadcastPair, ([a, b]) => {
        checkGradient(pairs(op), [positiveArray(a, 1), positiveArray(b, 2)]);
      }),
      RUNS,
    );
  });

  it('computes the same in ONNX Runtime, gradients included', async () => {
    await fc.assert(
      fc.asyncProperty(broadcastPair, async ([a, b]) => {
        await checkLowering(pairs(op), [positiveArray(a, 1), positiveArray(b, 2)]);
      }),
      { ...RUNS, numRuns: 15 },
    );
  });

  it('takes a number on either side', () => {
    const x = input('x', [2]);
    const values = ndarray([2], [1.5, 2]);
    const both = evaluate([op(x, constant([3], [])), op(x, 3)], new Map([[x, values]]));
    expect(both[1]).toEqual(both[0]);
  });

  it('refuses shapes that do not broadcast, by op, shapes and module path', () => {
    expect(() => withScope('a.b', () => op(input('x', [2, 3]), input('y', [2])))).toThrow(
      /^\w+ at a\.b: cannot take \[2, 3\], \[2\]\. The shapes do not broadcast/,
    );
  });

  it('refuses operands of two types', () => {
    const refused = () => op(input('x', [2]), input('i', [2], 'int32'));
    expect(refused).toThrow(ShapeError);
    expect(refused).toThrow('The types float32 and int32 differ');
  });
});

describe.each<[string, Pair, (a: number, b: number) => boolean]>([
  ['equal', ops.equal, (a, b) => a === b],
  ['less', ops.less, (a, b) => a < b],
  ['lessEqual', ops.lessEqual, (a, b) => a <= b],
  ['greater', ops.greater, (a, b) => a > b],
  ['greaterEqual', ops.greaterEqual, (a, b) => a >= b],
])('%s', (_, op, holds) => {
  it('gives booleans, in ONNX Runtime too', async () => {
    const [a, b] = [tiedArray([3, 4], 1), tiedArray([3, 4], 2)];
    const [x, y] = [input('x', [3, 4]), input('y', [3, 4])];
    expect(op(x, y).dtype).toBe('bool');
    const [found] = evaluate(
      [op(x, y)],
      new Map([
        [x, a],
        [y, b],
      ]),
    );
    expect(Array.from(found?.data ?? [])).toEqual(
      Array.from(a.data, (v, i) => Number(holds(v, b.data[i] ?? NaN))),
    );
    await checkLowering(pairs(op), [tiedArray([2, 1, 4], 3), tiedArray([3, 1], 4)]);
  });
});

describe('maximum and minimum', () => {
  it('share the gradient where both operands are equal', () => {
    const [x, y] = [input('x', [1]), input('y', [1])];
    const one = ndarray([1], [1]);
    const slopes = evaluate(
      gradients(ops.maximum(x, y), [x, y]),
      new Map([
        [x, one],
        [y, one],
      ]),
    );
    expect(slopes.map(({ data }) => data[0])).toEqual([0.5, 0.5]);
  });
});

describe('pow', () => {
  it('has a finite gradient with respect to a negative base', () => {
    checkGradient((x) => x.pow(3), [ndarray([3], [-2, -0.5, 1.5])]);
  });

  it('has gradient 0 at 0 for a square, as 2 x has', () => {
    const x = input('x', [1]);
    const [slope] = evaluate(gradients(x.pow(2), [x]), new Map([[x, ndarray([1], [0])]]));
    expect(slope?.data[0]).toBe(0);
  });
});

describe('pow at 0', () => {
  it.each([
    ['number', (x: Tensor) => x.pow(0)],
    ['constant', (x: Tensor) => x.pow(constant([0, 0], [2]))],
    ['tensor', (x: Tensor) => x.pow(x.mul(0))],
  ])('has gradient 0 to the power 0, given as a %s', (_, build) => {
    const x = input('x', [2]);
    const y = build(x);
    const feeds = new Map([[x, ndarray([2], [0, 2])]]);
    const [value, slope] = evaluate([y, ...gradients(y.sum(), [x])], feeds);
    expect([...(value?.data ?? []), ...(slope?.data ?? [])]).toEqual([1, 1, 0, 0]);
  });

  // torch.zeros(3).pow(torch.tensor([0., 1., 2.])), PyTorch's definition of both derivatives.
  it('has the gradients of 1, x and x^2 in the base, and none in the exponent', async () => {
    const values = [ndarray([3]), ndarray([3], [0, 1, 2])] as const;
    const [a, b] = [input('a', [3]), input('b', [3])];
    const feeds = new Map([
      [a, values[0]],
      [b, values[1]],
    ]);
    const slopes = evaluate(gradients(a.pow(b).sum(), [a, b]), feeds);
    expect(slopes.map(({ data }) => [...data])).toEqual([
      [0, 1, 0],
      [0, 0, 0],
    ]);
    await expect(checkLowering((x, y) => x.pow(y), [...values])).resolves.toBeUndefined();
  });
});

describe('where', () => {
  const build: Build = (c, a, b) => where(c.greater(0), a, b);

  it('chooses by the condition, broadcasting all three, and has its gradient', async () => {
    const inputs = [ndarray([3, 1], [1, -1, 2]), randomArray([2, 1, 4], 1), randomArray([4], 2)];
    checkGradient(build, inputs);
    await expect(checkLowering(build, inputs)).resolves.toBeUndefined();
  });

  it('refuses a condition that is not boolean', () => {
    expect(() => where(input('c', [2]), 1, 0)).toThrow(
      'where: cannot take [2], [], []. The condition must be boolean.',
    );
  });

  it('refuses branches of two types', () => {
    const refused = () => where(input('c', [2], 'bool'), input('a', [2]), input('b', [2], 'int32'));
    expect(refused).toThrow('The types float32 and int32 differ');
  });
});

describe('cast', () => {
  it('cuts floats towards zero and turns all but 0 into true', () => {
    const x = input('x', [4]);
    const [whole, truth] = evaluate(
      [cast(x, 'int32'), cast(x, 'bool')],
      new Map([[x, ndarray([4], [-1.7, 0, 0.2, 2.9])]]),
    );
    expect(Array.from(whole?.data ?? [], (v) => v + 0)).toEqual([-1, 0, 0, 2]);
    expect(Array.from(truth?.data ?? [])).toEqual([1, 0, 1, 1]);
  });

  it('computes the same in ONNX Runtime for every type', async () => {
    const x = ndarray([4], [-1.75, 0, 0.25, 2.5]);
    const build: Build = (v) => [
      cast(v, 'int32'),
      cast(v, 'int64'),
      cast(v, 'bool'),
      cast(cast(v, 'bool'), 'float32'),
    ];
    await expect(checkLowering(build, [x])).resolves.toBeUndefined();
  });

  it('lets no gradient through another type', () => {
    const x = input('x', [2]);
    const y = cast(cast(x, 'int32'), 'float32').mul(x).sum();
    const [slope] = evaluate(gradients(y, [x]), new Map([[x, ndarray([2], [1.5, -2.5])]]));
    expect(Array.from(slope?.data ?? [])).toEqual([1, -2]);
  });
});

describe('expand', () => {
  it('has the gradient of its float64 reference', async () => {
    const build: Build = (x) => x.expand([2, 3, 4]);
    for (const shape of [[3, 1], [2, 1, 4], [1], []]) {
      checkGradient(build, [shape]);
      await checkLowering(build, [shape]);
    }
  });

  it.each([[[3, 2]], [[2]], [[1, 3]]])('refuses to stretch [2, 3] to %j', (to) => {
    expect(() => input('x', [2, 3]).expand(to)).toThrow('does not stretch to');
  });
});
