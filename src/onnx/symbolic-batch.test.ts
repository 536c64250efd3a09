import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { constant, full, input } from '../ops/index.js';
import { evaluate } from '../tensor/evaluate.js';
import type { Tensor } from '../tensor/tensor.js';
import { describeOnnx, faultsOf, runOnnxFile } from '../testing/onnx-file.js';
import { randomArray } from '../testing/values.js';
import { lowerToParts } from './parts.js';
import { writeModel } from './model.js';
import { withSymbolicBatch } from './symbolic-batch.js';

const IMAGE = [3, 4, 5];

/** The file of a function of images [batch, 3, 4, 5]. */
function symbolic(build: (x: Tensor) => Tensor): Uint8Array {
  const at = (batch: number) => {
    const x = input('x', [batch, ...IMAGE]);
    const parts = lowerToParts({ inputs: { x }, outputs: { y: build(x) } }, { provider: 'cpu' });
    return { batch, parts };
  };
  return writeModel(withSymbolicBatch(at(101), at(103), 'x'));
}

const batchOf = (x: Tensor) => x.dim(0);

/** Ways in which the batch gets into a graph, by what is to be found in the file. */
const GRAPHS: readonly [string, (x: Tensor) => Tensor, string[]][] = [
  ['nothing but a function of every element', (x) => x.relu(), []],
  ['a reshape that keeps the batch', (x) => x.flatten(2).swapAxes(), []],
  ['a reshape that merges the batch', (x) => x.reshape([-1, 5]).mul(2).reshape(x.shape), []],
  [
    'an expansion along the batch',
    (x) => x.mean(0, { keepDims: true }).exp().expand(x.shape),
    ['Shape', 'Mul', 'Add'],
  ],
  [
    'a reshape with two sizes that depend on it',
    (x) => {
      const rows = x.reshape([batchOf(x), 60]);
      const pairs = rows.matmul(rows.swapAxes()).reshape([1, batchOf(x), 1, batchOf(x)]);
      return pairs.mul(0.1).tanh();
    },
    ['Shape', 'Mul', 'Add'],
  ],
  ['an interpolation', (x) => x.interpolate({ size: [7, 9], mode: 'bilinear' }), []],
];

describe('withSymbolicBatch', () => {
  it.each(GRAPHS)('%s: the file gives the reference at any batch', async (_, build, added) => {
    const bytes = symbolic(build);
    expect(faultsOf(bytes)).toEqual([]);
    const { ends, ops } = describeOnnx(bytes);
    expect(ends['x']).toEqual(['batch', ...IMAGE]);
    expect(ops.filter((op) => ['Shape', 'Mul', 'Add'].includes(op))).toEqual(
      expect.arrayContaining(added),
    );
    const arrays = [1, 2, 7].map((batch) => randomArray([batch, ...IMAGE], batch));
    const results = await runOnnxFile(bytes, 'x', arrays);
    for (const [i, array] of arrays.entries()) {
      const x = input('x', array.shape);
      const [expected] = evaluate([build(x)], new Map([[x, array]]));
      expect(results[i]?.['y']?.shape).toEqual(expected?.shape);
      const error = expected?.data.map((value, j) =>
        Math.abs(value - (results[i]?.['y']?.data[j] ?? NaN)),
      );
      expect(Math.max(...(error ?? [NaN]))).toBeLessThan(1e-5);
    }
  });

  it('says how a size of an output follows from the batch', () => {
    const { ends } = describeOnnx(symbolic((x) => x.reshape([-1, 5]).relu()));
    expect(ends['y']).toEqual(['12*batch', 5]);
  });

  it.each<[string, (x: Tensor) => Tensor, RegExp]>([
    ['a factor', (x) => x.mul(1 / batchOf(x)), /the constant constant_\d+ depends on the batch/],
    ['a table', (x) => x.add(full([batchOf(x), 1, 1, 1], 1)), /the constant constant_\d+ depends/],
    [
      'another number of nodes',
      (x) => (batchOf(x) > 102 ? x.relu().exp() : x.relu()),
      /the (number of nodes|node \S+) depends on the batch/,
    ],
    [
      'an attribute',
      (x) => x.transpose(batchOf(x) > 102 ? [0, 1, 3, 2] : [0, 3, 2, 1]),
      /the node Transpose_0/,
    ],
    [
      'the square of it',
      (x) =>
        x
          .reshape([batchOf(x), -1])
          .sum(1, { keepDims: true })
          .expand([batchOf(x), batchOf(x)])
          .reshape([batchOf(x) ** 2]),
      /the constant constant_\d+ depends/,
    ],
  ])('refuses a graph in which the batch is %s', (_, build, message) => {
    expect(() => symbolic(build)).toThrow(RequestError);
    expect(() => symbolic(build)).toThrow(message);
    expect(() => symbolic(build)).toThrow(/Export it with a fixed batch \(--batch N\)/);
  });

  it('leaves constants that are the same alone', () => {
    const { initializers } = describeOnnx(symbolic((x) => x.add(constant([1, 2, 3, 4, 5], [5]))));
    expect(initializers).toHaveLength(1);
  });
});
