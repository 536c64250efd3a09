/** No op goes without a check: this table holds one case for each that is declared. */
import { describe, expect, it } from 'vitest';
import { checkGradient, type Build } from '../testing/check-gradient.js';
import { checkLowering } from '../testing/check-lowering.node.js';
import { positiveArray, spacedArray } from '../testing/values.js';
import type { NdArray } from '../tensor/ndarray.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { gradients } from '../autodiff/gradients.js';
import { declaredOps } from './define.js';
import * as ops from './index.js';

type Case = [Build, ...(Shape | NdArray)[]];

const spaced = spacedArray([3, 4]);
const positive = positiveArray([3, 4], 1);
const unary = (f: (x: Tensor) => Tensor): Case => [f, spaced];
const ofPositive = (f: (x: Tensor) => Tensor): Case => [f, positive];
const binary = (f: (a: Tensor, b: Tensor) => Tensor): Case => [f, positive, spacedArray([1, 4])];
const weight = (x: Tensor, w: Tensor) => {
  const y = x.conv(w, undefined, { stride: 2, padding: 1 });
  return gradients(y, [w], [y])[0] ?? y;
};
/** Batch normalisation's gradients, whose own gradients are then those of the ops that they are made of. */
const slopes = (x: Tensor, w: Tensor, b: Tensor, g: Tensor) =>
  gradients(ops.batchNorm(x, w, b).output, [x, w], [g]);

const CASES: Record<string, Case> = {
  abs: unary(ops.abs),
  add: binary(ops.add),
  argmax: unary((x) => ops.argmax(x, 1)),
  avgPool: [(x) => ops.avgPool(x, 2), [1, 2, 4, 5]],
  batchNorm: [(x, w, b) => ops.batchNorm(x, w, b).output, [4, 2, 3], [2], [2]],
  cast: unary((x) => x.greater(0).cast('float32').mul(x)),
  centredSum: [slopes, [4, 2, 3], [2], [2], [4, 2, 3]],
  channelAffine: [ops.channelAffine, [2, 3, 4], [3], [3]],
  channelShift: [(x, w, b) => ops.batchNorm(x, w, b).output, [4, 2, 3], [2], [2]],
  clip: unary((x) => ops.clip(x, { min: -0.75, max: 1.25 })),
  concat: binary((a, b) => ops.concat([a, b], 0)),
  constant: unary((x) => x.mul(ops.constant([1, 2, 3], [3, 1]))),
  conv: [(x, w) => ops.conv(x, w), [2, 3, 5], [4, 3, 2]],
  convTranspose: [(x, w) => ops.convTranspose(x, w), [2, 3, 5], [3, 4, 2]],
  convWeightGradient: [weight, [2, 2, 5, 5], [3, 2, 3, 3]],
  cos: unary(ops.cos),
  cumsum: unary((x) => ops.cumsum(x, 1)),
  detach: unary((x) => x.add(x.detach().sub(x.detach()))),
  div: binary((a, b) => ops.div(b, a)),
  equal: binary(ops.equal),
  erf: unary(ops.erf),
  exp: unary(ops.exp),
  expand: unary((x) => ops.expand(x, [2, 3, 4])),
  gather: unary((x) => ops.gather(x, 1, [3, 0, 0])),
  greater: binary(ops.greater),
  greaterEqual: binary(ops.greaterEqual),
  input: unary((x) => x),
  leakyRelu: unary((x) => ops.leakyRelu(x)),
  less: binary(ops.less),
  lessEqual: binary(ops.lessEqual),
  log: ofPositive(ops.log),
  logSoftmax: unary((x) => ops.logSoftmax(x, 1)),
  matmul: [ops.matmul, [2, 3, 4], [4, 2]],
  max: unary((x) => ops.max(x, 0)),
  maxFirst: unary((x) => ops.maxFirst(x, 0)),
  maxPool: [(x) => ops.maxPool(x, 2), spacedArray([1, 2, 4, 5])],
  maximum: binary(ops.maximum),
  mean: unary((x) => ops.mean(x, 0)),
  min: unary((x) => ops.min(x, 0)),
  minimum: binary(ops.minimum),
  mul: binary(ops.mul),
  neg: unary(ops.neg),
  normalizeBy: [
    (x, w, b, mean, variance) => ops.normalizeBy(x, w, b, { mean, variance }),
    ...[[2, 3, 4], [3], [3], [3], positiveArray([3])],
  ],
  pad: unary((x) => ops.pad(x, 0, 1, 2, 0.5)),
  pow: binary(ops.pow),
  reciprocal: ofPositive(ops.reciprocal),
  relu: unary(ops.relu),
  reluGradient: unary((x) => gradients(ops.relu(x), [x], [x.mul(x)])[0] ?? x),
  reshape: unary((x) => ops.reshape(x, [2, 6])),
  sigmoid: unary(ops.sigmoid),
  sin: unary(ops.sin),
  slice: unary((x) => ops.slice(x, 1, 0, 4, 2)),
  softmax: unary((x) => ops.softmax(x, 1)),
  softplus: unary(ops.softplus),
  sqrt: ofPositive(ops.sqrt),
  square: unary(ops.square),
  sub: binary(ops.sub),
  sum: unary((x) => ops.sum(x, 1)),
  tanh: unary(ops.tanh),
  transpose: unary((x) => ops.transpose(x, [1, 0])),
  unslice: unary((x) => ops.dilate(x, 1, 2)),
  where: binary((a, b) => ops.where(b.greater(0), a, b)),
};

it('the table holds every op that is declared', () => {
  expect(Object.keys(CASES).sort()).toEqual(declaredOps());
});

it('two ops of one name are refused', () => {
  const again = () =>
    ops.defineOp('relu', {
      inputs: ['x'],
      shape: ({ x }) => x.shape,
      gradient: null,
      lower: ({ x }) => x,
      reference: ({ x }) => x,
    });
  expect(again).toThrow("Two ops are called 'relu'");
});

describe.each(Object.entries(CASES))('%s', (_, [build, ...inputs]) => {
  it('computes its reference in ONNX Runtime, and has the gradient of it', async () => {
    const built = build(...inputs.map((x, i) => ops.input(`x${i}`, 'data' in x ? x.shape : x)));
    if ('op' in built && built.dtype === 'float32') checkGradient(build, inputs);
    await expect(checkLowering(build, inputs)).resolves.toBeUndefined();
  });
});
