/** Values and gradients of the ops against PyTorch's, which tests/fixtures/ops/generate.py wrote down. */
import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/gradients.js';
import { compare } from '../testing/check-gradient.js';
import { checkLowering } from '../testing/check-lowering.node.js';
import { torchCases, type TorchCase } from '../testing/torch-cases.node.js';
import { evaluate } from '../tensor/evaluate.js';
import { formatShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  batchNorm,
  groupNorm,
  input,
  layerNorm,
  normalizeBy,
  type AvgPoolOptions,
  type ConvTransposeOptions,
  type MaxPoolOptions,
  type PerAxis,
} from './index.js';

/** The options of all cases, merged: each op reads its own. */
interface Options extends ConvTransposeOptions, MaxPoolOptions, AvgPoolOptions {
  readonly stride: PerAxis;
  readonly padding: NonNullable<MaxPoolOptions['padding']>;
  readonly dilation: PerAxis;
  readonly countIncludePad: boolean;
  readonly kernel: PerAxis;
  readonly size: PerAxis;
  readonly epsilon: number;
  readonly shape: readonly number[];
  readonly groups: number;
  readonly axes: readonly number[];
  readonly axis: number;
  readonly keepDims: boolean;
  readonly reverse: boolean;
  readonly slope: number;
}

type Methods = Record<string, (this: Tensor, ...args: unknown[]) => Tensor>;

/** How a case's op is called, where it is not by a method of the first input with the other inputs as arguments. */
const CALLS: Record<string, (x: Tensor, rest: readonly Tensor[], options: Options) => Tensor> = {
  conv: (x, [w = x, b], options) => x.conv(w, b, options),
  convTranspose: (x, [w = x, b], options) => x.convTranspose(w, b, options),
  maxPool: (x, _, { kernel, ...options }) => x.maxPool(kernel, options),
  avgPool: (x, _, { kernel, ...options }) => x.avgPool(kernel, options),
  adaptiveAvgPool: (x, _, { size }) => x.adaptiveAvgPool(size),
  adaptiveMaxPool: (x, _, { size }) => x.adaptiveMaxPool(size),
  interpolate: (x, _, options) => x.interpolate(options),
  batchNorm: (x, [w = x, b = x]) => batchNorm(x, w, b).output,
  normalizeBy: (x, [w = x, b = x, mean = x, variance = x], { epsilon }) =>
    normalizeBy(x, w, b, { mean, variance }, epsilon),
  layerNorm: (x, [w, b], { shape, epsilon }) => layerNorm(x, shape, w, b, epsilon),
  groupNorm: (x, [w, b], { groups, epsilon }) => groupNorm(x, groups, w, b, epsilon),
  clip: (x, _, options) => x.clip(options as { min?: number; max?: number }),
  leakyRelu: (x, _, { slope }) => x.leakyRelu(slope),
  sum: (x, _, { axes, ...options }) => x.sum(axes, options),
  mean: (x, _, { axes, ...options }) => x.mean(axes, options),
  max: (x, _, { axes, ...options }) => x.max(axes, options),
  min: (x, _, { axes, ...options }) => x.min(axes, options),
  maxFirst: (x, _, { axis, ...options }) => x.maxFirst(axis, options),
  cumsum: (x, _, { axis, reverse }) => x.cumsum(axis, { reverse }),
  softmax: (x, _, { axis }) => x.softmax(axis),
  logSoftmax: (x, _, { axis }) => x.logSoftmax(axis),
};

function build({ op, options }: TorchCase, inputs: readonly Tensor[]): Tensor {
  const [x, ...rest] = inputs;
  if (x === undefined) throw new Error(`${op} has no inputs`);
  const call = CALLS[op];
  if (call) return call(x, rest, options as unknown as Options);
  const method = (x as unknown as Methods)[op];
  if (method === undefined) throw new Error(`Tensor has no method ${op}`);
  return method.apply(x, rest);
}

const title = (c: TorchCase) =>
  `${c.op} ${c.inputs.map(({ shape }) => formatShape(shape)).join(', ')} ${JSON.stringify(c.options)}`;

const FILES = ['conv', 'pool', 'resize', 'normalization', 'elementwise', 'reduce', 'options'];

describe.each(FILES)('as PyTorch: %s', (file) => {
  const cases = torchCases(file);

  it.each(cases.map((c) => [title(c), c] as const))('%s', (_, c) => {
    const inputs = c.inputs.map(({ shape }, i) => input(`x${i}`, shape));
    const cotangent = input('g', c.output.shape);
    const y = build(c, inputs);
    expect(y.shape).toEqual(c.output.shape);
    const feeds = new Map(inputs.map((x, i) => [x, c.inputs[i] ?? c.output]));
    feeds.set(cotangent, c.cotangent);
    const [output, ...slopes] = evaluate([y, ...gradients(y, inputs, [cotangent])], feeds);
    const close = (what: string, actual: typeof output, expected: typeof output) => {
      if (actual === undefined || expected === undefined) throw new Error(`${what} is missing`);
      compare(what, actual, expected, 1e-10);
    };
    close('output', output, c.output);
    for (const [i, slope] of slopes.entries()) {
      close(`gradient of input ${i}`, slope, c.gradients[i]);
    }
  });

  it.each(cases.map((c) => [title(c), c] as const))('in ONNX Runtime: %s', async (_, c) => {
    await expect(checkLowering((...inputs) => build(c, inputs), c.inputs)).resolves.toBeUndefined();
  });
});
