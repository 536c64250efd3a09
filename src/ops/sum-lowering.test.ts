import { describe, expect, it } from 'vitest';
import { fromBinary } from '@bufbuild/protobuf';
import { lowerToOnnx } from '../onnx/lower.js';
import { ModelProtoSchema } from '../onnx/onnx_pb.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray } from '../tensor/ndarray.js';
import { runOnnx } from '../testing/check-lowering.node.js';
import { randomArray } from '../testing/values.js';
import { input } from './index.js';

/** What ONNX Runtime makes of a reduction, and the reference in float64. */
async function both(shape: Shape, reduce: (x: Tensor) => Tensor) {
  const x = input('x', shape);
  const y = reduce(x);
  const { data } = randomArray(shape, 3);
  // All positive, so that rounding errors are a share of the sum itself.
  const given = ndarray(
    shape,
    data.map((v) => Math.fround(1 + Math.abs(v))),
  );
  const model = lowerToOnnx({ inputs: { x }, outputs: { y } }, { provider: 'cpu' });
  const { y: actual } = await runOnnx(model, { x: given });
  const [expected] = evaluate([y], new Map([[x, given]]));
  return { actual: actual ?? given, expected: expected ?? given };
}

describe('sums of many terms are as close to float64 as short ones', () => {
  it.each<[string, Shape, (x: Tensor) => Tensor]>([
    ['a row', [3, 2 ** 17], (x) => x.sum(1)],
    ['the mean of a row', [3, 2 ** 17], (x) => x.mean(1, { keepDims: true })],
    ['columns', [2 ** 15, 4], (x) => x.sum(0)],
    ['channels of a map', [2, 3, 128, 96], (x) => x.mean([0, 2, 3])],
    ['trailing axes of each sample', [2, 8, 64, 64], (x) => x.sum([1, 2, 3], { keepDims: true })],
    ['everything', [2, 3, 64, 64], (x) => x.sum()],
    ['an axis in the middle', [2, 4096, 3], (x) => x.mean(1, { keepDims: true })],
    ['few places of a single channel', [3, 1, 17, 6, 17], (x) => x.sum([0, 2, 3, 4])],
    ['two runs of axes', [2048, 3, 4, 5], (x) => x.sum([0, 2])],
    ['few places of many samples', [512, 3, 6, 7], (x) => x.mean([0, 2, 3])],
  ])('%s', async (_, shape, reduce) => {
    const { actual, expected } = await both(shape, reduce);
    expect(actual.shape).toEqual(expected.shape);
    for (const [i, v] of expected.data.entries()) {
      // Six units in the last place; in one row of 2^17 it would be a hundred.
      expect(Math.abs((actual.data[i] ?? NaN) / v - 1)).toBeLessThan(6 * 2 ** -23);
    }
  });

  it('take one node where they are short, or where their number has no divisors', () => {
    const nodes = (shape: Shape, axes = [1]) => {
      const x = input('x', shape);
      const model = lowerToOnnx(
        { inputs: { x }, outputs: { y: x.sum(axes) } },
        { provider: 'cpu' },
      );
      return (fromBinary(ModelProtoSchema, model).graph?.node ?? []).map(({ opType }) => opType);
    };
    expect(nodes([2, 95])).toEqual(['ReduceSum']);
    expect(nodes([2, 4099])).toEqual(['ReduceSum']);
    expect(nodes([2, 4096])).toEqual(['Reshape', 'ReduceSum', 'ReduceSum']);
    // The places of each sample, then the samples.
    expect(nodes([16, 3, 6, 7], [0, 2, 3])).toEqual(['ReduceSum', 'ReduceSum']);
  });
});
