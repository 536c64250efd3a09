/** The yardstick itself: lowerings that are wrong in small ways must fail it, right ones must not. */
import { describe, expect, it } from 'vitest';
import { batchNorm, conv, layerNorm, normalizeBy, type ConvOptions } from '../ops/index.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import type { LowerContext, Op } from '../tensor/op.js';
import { checkLowering } from './check-lowering.node.js';
import { positiveArray, randomArray } from './values.js';
import type { Build } from './check-gradient.js';

/** The last node of a graph, lowered in another way than its op says. */
function loweredAs(node: Tensor, lower: (context: LowerContext) => string): Tensor {
  const { op, inputs, attributes, shape, dtype } = node;
  return new Tensor({ ...op, lower }, inputs, attributes, shape, dtype);
}

/** The last node, lowered as another one of the same op and inputs would be: with other attributes, say. */
const loweredLike = (node: Tensor, other: Tensor) =>
  loweredAs(node, (context) =>
    node.op.lower({ ...context, attributes: other.attributes, node: other }),
  );

/** A tensor that is computed in one way and known as the value of another. */
function knownAs(actual: Tensor, wanted: Tensor): Tensor {
  const op: Op = {
    name: 'knownAs',
    sumsToZero: false,
    gradient: ({ upstream }) => [upstream, null],
    lower: ({ inputs: [value = ''] }) => value,
    reference: ({ inputs: [, value] }) => value ?? ndarray([]),
  };
  return new Tensor(op, [actual, wanted], {}, wanted.shape, wanted.dtype);
}

/** The last node, lowered with one of its inputs replaced by a function of it. */
function withInput(
  node: Tensor,
  which: number,
  change: (context: LowerContext, value: string) => string,
): Tensor {
  return loweredAs(node, (context) => {
    const inputs = context.inputs.map((value, i) => (i === which ? change(context, value) : value));
    return node.op.lower({ ...context, inputs });
  });
}

/** A product with a constant, as an ONNX node. */
function times({ emit }: LowerContext, value: string, factors: NdArray): string {
  return emit.node('Mul', [value, emit.constant(factors.data, factors.shape, 'float32')]);
}

const padded: ConvOptions = { padding: 1 };
const X: Shape = [4, 16, 6, 6];
const W: Shape = [16, 16, 3, 3];

/** Ones, with one element of another value. */
function onesBut(shape: Shape, at: number, value: number): NdArray {
  const size = shape.reduce((a, b) => a * b, 1);
  return ndarray(
    shape,
    Array.from({ length: size }, (_, i) => (i === at ? value : 1)),
  );
}

const offset = (shape: Shape, by: number) => {
  const { data } = randomArray(shape, 5);
  return ndarray(
    shape,
    data.map((v) => v + by),
  );
};

const mutations: Record<string, [Build, ...(Shape | NdArray)[]]> = {
  'a tap of one kernel dropped': [
    (x, w) =>
      withInput(conv(x, w, undefined, padded), 1, (c, v) => times(c, v, onesBut(W, 700, 0))),
    ...[X, W],
  ],
  'one weight off by a thousandth': [
    (x, w) =>
      withInput(conv(x, w, undefined, padded), 1, (c, v) => times(c, v, onesBut(W, 700, 1.001))),
    ...[X, W],
  ],
  'two channels exchanged': [
    (x, w) =>
      withInput(conv(x, w, undefined, padded), 0, ({ emit }, v) => {
        const order = Array.from({ length: 16 }, (_, i) => (i === 3 ? 4 : i === 4 ? 3 : i));
        return emit.node('Gather', [v, emit.constant(order, [16], 'int64')], { axis: 1 });
      }),
    ...[X, W],
  ],
  'padding at the wrong end': [
    (x, w) =>
      loweredLike(
        conv(x, w, undefined, {
          padding: [
            [1, 1],
            [1, 1],
          ],
        }),
        conv(x, w, undefined, {
          padding: [
            [2, 0],
            [1, 1],
          ],
        }),
      ),
    ...[X, W],
  ],
  'dilation where there is none': [
    (x, w) =>
      loweredLike(
        conv(x, w, undefined, { padding: 1 }),
        conv(x, w, undefined, { padding: 2, dilation: 2 }),
      ),
    ...[X, W],
  ],
  'an epsilon of 1e-4 for 1e-5': [
    (x, w, b, mean, variance) =>
      loweredLike(
        normalizeBy(x, w, b, { mean, variance }, 1e-5),
        normalizeBy(x, w, b, { mean, variance }, 1e-4),
      ),
    ...[X, [16], [16], [16], positiveArray([16])],
  ],
  'the same in training': [
    (x, w, b) => loweredLike(batchNorm(x, w, b, 1e-5).output, batchNorm(x, w, b, 1e-4).output),
    ...[X, [16], [16]],
  ],
  'the unbiased variance for the biased one': [
    (x, w, b) => {
      const { variance } = batchNorm(x, w, b);
      return loweredAs(variance, (context) =>
        times(context, variance.op.lower(context), ndarray([], [144 / 143])),
      );
    },
    ...[X, [16], [16]],
  ],
  'a variance in one pass, of values with a mean of 1000 deviations': [
    (x) => {
      const variance = x.sub(x.mean()).square().mean();
      const meanSquare = x.square().mean();
      const onePass = meanSquare.sub(x.mean().square());
      return knownAs(onePass, variance);
    },
    offset([1, 200], 1000),
  ],
  'the error function by tanh': [
    (x) =>
      loweredAs(x.erf(), ({ emit, inputs: [v = ''] }) => {
        const number = (value: number) => emit.constant([value], [], 'float32');
        const cube = emit.node('Mul', [emit.node('Mul', [v, v]), v]);
        const inner = emit.node('Add', [v, emit.node('Mul', [cube, number(0.08943)])]);
        return emit.node('Tanh', [emit.node('Mul', [inner, number(2 / Math.sqrt(Math.PI))])]);
      }),
    [5, 20],
  ],
  'a maximum that takes the padding for 0': [
    (x) => withInput(x.maxPool(2), 0, ({ emit }, v) => emit.node('Relu', [v])),
    ndarray([1, 1, 2, 2], [-1, -2, -3, -4]),
  ],
  'an average over one element too many': [
    (x) =>
      loweredLike(
        x.avgPool(3, { padding: 1, countIncludePad: false }),
        x.avgPool(3, { padding: 1, countIncludePad: true }),
      ),
    [2, 2, 6, 6],
  ],
  'a bias left out': [
    (x, w, b) =>
      loweredAs(conv(x, w, b, padded), (context) => {
        const [v = '', kernel = ''] = context.inputs;
        return conv(x, w, b, padded).op.lower({ ...context, inputs: [v, kernel] });
      }),
    ...[X, W, [16]],
  ],
  'a softmax without the largest value subtracted': [
    (x) =>
      loweredAs(x.softmax(1), ({ emit, inputs: [v = ''] }) => {
        const powers = emit.node('Exp', [v]);
        const total = emit.node('ReduceSum', [powers, emit.constant([1], [1], 'int64')], {
          keepdims: 1,
        });
        return emit.node('Div', [powers, total]);
      }),
    offset([3, 4], 100),
  ],
  'a value that is not rounded to float32 but to half of its digits': [
    (x) =>
      loweredAs(x.mul(1.5), ({ emit, inputs: [v = '', factor = ''] }) => {
        const product = emit.node('Mul', [v, factor]);
        return emit.node('Cast', [emit.node('Cast', [product], { to: 10 })], { to: 1 });
      }),
    [3, 4],
  ],
};

describe('a wrong lowering is found', () => {
  it.each(Object.entries(mutations))('%s', async (_, [build, ...inputs]) => {
    await expect(checkLowering(build, inputs)).rejects.toThrow(/rounding explains/);
  });
});

describe('a right lowering passes, with whatever values', () => {
  const seeds = Array.from({ length: 10 }, (_, seed) => 100 * seed);
  const right: Record<string, [Build, ...Shape[]]> = {
    'a product whose terms cancel': [
      (x, w, g) => {
        const product = conv(x, w, undefined, padded).mul(g);
        return [product.sum([2, 3]), product.tanh()];
      },
      ...[
        [2, 8, 4, 4],
        [8, 8, 3, 3],
        [2, 8, 4, 4],
      ],
    ],
    normalisation: [(x, w, b) => layerNorm(x, [6], w, b), [4, 6], [6], [6]],
    'batch normalisation over two values': [
      (x, w, b) => batchNorm(x, w, b).output,
      ...[[2, 8], [8], [8]],
    ],
  };
  it.each(Object.entries(right))('%s', async (_, [build, ...shapes]) => {
    for (const seed of seeds) await checkLowering(build, shapes, { seed });
  });

  it('with a mean of 3000 deviations', async () => {
    await checkLowering(
      (x, w, b) => batchNorm(x, w, b).output,
      [offset([4, 3, 5, 5], 3000), [3], [3]],
    );
  });

  it('and what is exact is compared exactly', async () => {
    const wrong: Build = (x) =>
      withInput(x.transpose([1, 0]), 0, (c, v) => times(c, v, ndarray([], [1 + 2 ** -23])));
    await expect(checkLowering(wrong, [[3, 4]])).rejects.toThrow(/rounding explains 1.17\d*e-38/);
    await checkLowering((x) => x.transpose([1, 0]), [[3, 4]]);
  });
});
