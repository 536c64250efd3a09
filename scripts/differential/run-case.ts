/** One case in Fovea, and how far it and PyTorch are from PyTorch in float64. */
import { gradients } from '../../src/autodiff/gradients.js';
import { record } from '../../src/nn/context.js';
import type { StateEntry } from '../../src/nn/module.js';
import { constant, input } from '../../src/ops/index.js';
import type { Runtime } from '../../src/runtime/runtime.js';
import type { NdArray } from '../../src/tensor/ndarray.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { networkOf } from './layer.js';
import type { DrawnCase } from './stream.js';

export type Layout = 'plain' | 'blocked';

/**
 * How far one tensor is from float64, at most, as a share of its largest element there; of a gradient
 * that is zero on paper, as a share of the case's largest gradient.
 */
export interface TensorError {
  readonly tensor: string;
  /** How many terms each element adds up: batch times places for the gradient of a parameter, else 1. */
  readonly terms: number;
  readonly fovea: number;
  readonly torch: number;
  /** What half a unit in the last place of every input makes of it. */
  readonly condition: number;
}

/** A gradient is zero on paper if it is less than this share of the case's largest, in float64. */
const ZERO = 1e-9;

function largest(data: ArrayLike<number>): number {
  return Array.from(data).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
}

const NONE: NdArray = { shape: [], data: new Float64Array() };

/** Runs a case in one layout: outputs, gradients and buffers. */
export async function errorsOf(
  { about, tensors }: DrawnCase,
  runtime: Runtime,
  layout: Layout,
): Promise<TensorError[]> {
  const given = (name: string) => tensors.get(name) ?? NONE;
  const net = networkOf(about);
  const state = new Map<string, StateEntry>();
  for (const [name, { shape, data }] of tensors) {
    if (!name.startsWith('param.')) continue;
    const integers = name.endsWith('num_batches_tracked');
    const values = integers ? BigInt64Array.from(data, BigInt) : Float32Array.from(data);
    state.set(name.slice('param.'.length), { shape, data: values });
  }
  net.loadStateDict(state);
  net.assignPaths();

  const x = input('x', given('x').shape);
  const { output, record: left } = record(about.training, () => net.forward(x));
  const parameters = [...net.namedParameters()];
  const sources = [x, ...parameters.map(([, { tensor }]) => tensor)];
  const cotangent = constant(given('cotangent').data, output.shape);
  const slopes = gradients([output], sources, [cotangent]);
  const wanted = new Map<string, Tensor>([['output', output]]);
  ['input', ...parameters.map(([name]) => name)].forEach((name, i) => {
    const slope = slopes[i];
    if (slope) wanted.set(`grad.${name}`, slope);
  });
  for (const [name, buffer] of net.namedBuffers()) {
    const after = left.updates.get(buffer) ?? buffer.tensor;
    if (buffer.dtype === 'float32') wanted.set(`state.${name}`, after);
  }

  const buffers = [...net.namedBuffers()].map(([name, part]) => [name, part] as const);
  const ends = [...parameters, ...buffers];
  const executable = await runtime.compile(
    {
      inputs: { x, ...Object.fromEntries(ends.map(([name, { tensor }]) => [name, tensor])) },
      outputs: Object.fromEntries(wanted),
    },
    { layout },
  );
  const results = await executable.run({
    x: Float32Array.from(given('x').data),
    ...Object.fromEntries(ends.map(([name, { data }]) => [name, data])),
  });
  await executable.dispose();
  const names = [...tensors.keys()]
    .filter((name) => name.startsWith('f64.'))
    .map((name) => name.slice('f64.'.length));
  const largestOf = (tensor: string) => largest(given(`f64.${tensor}`).data);
  const largestGradient = Math.max(
    ...names.filter((name) => name.startsWith('grad.')).map(largestOf),
  );
  return names.map((tensor) => {
    const exact = given(`f64.${tensor}`);
    const ours = results[tensor];
    const alike = ours?.shape.join() === exact.shape.join();
    const own = largestOf(tensor);
    const zero = tensor.startsWith('grad.') && own < ZERO * largestGradient;
    const scale = (zero ? largestGradient : own) || 1;
    const summed = tensor.startsWith('grad.') && tensor !== 'grad.input';
    const error = (data: ArrayLike<number | bigint> | undefined) =>
      Array.from(exact.data, (v, i) => Math.abs(Number(data?.[i]) - v)).reduce(
        (most, v) => (Number.isNaN(v) ? Infinity : Math.max(most, v)),
        0,
      ) / scale;
    return {
      tensor,
      terms: summed ? output.size / output.dim(1) : 1,
      fovea: alike ? error(ours.data) : Infinity,
      torch: (about.torch_error[tensor] ?? NaN) / scale,
      condition: (about.condition[tensor] ?? NaN) / scale,
    };
  });
}
