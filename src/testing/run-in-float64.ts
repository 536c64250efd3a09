import { record } from '../nn/context.js';
import type { Module } from '../nn/module.js';
import { input } from '../ops/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Tensor } from '../tensor/tensor.js';

/** A module of one output, whatever its number of inputs. */
interface Runnable extends Module {
  forward(...inputs: Tensor[]): Tensor;
}

/** Values of a parameter, by state_dict name, for an oracle. */
export function parameterValues(module: Module, name: string): Float32Array {
  const parameter = new Map([...module.namedParameters()]).get(name);
  if (parameter === undefined) throw new Error(`The module has no parameter ${name}.`);
  return parameter.data;
}

/** Runs a module in float64: its output, and what it exposed. */
export function runModule(
  module: Runnable,
  inputs: readonly NdArray[],
  training = false,
): { output: NdArray; exposed: Map<string, NdArray> } {
  const symbols = inputs.map(({ shape }, i) => input(`x${i}`, shape));
  const { output, record: left } = record(training, () => module.forward(...symbols));
  const feeds = new Map(symbols.map((symbol, i) => [symbol, inputs[i] ?? ndarray([])]));
  for (const [, part] of [...module.namedParameters(), ...module.namedBuffers()]) {
    feeds.set(part.tensor, ndarray(part.shape, Float64Array.from(part.data)));
  }
  const names = [...left.exposed.keys()];
  const values = evaluate([output, ...left.exposed.values()], feeds);
  return {
    output: values[0] ?? ndarray([]),
    exposed: new Map(names.map((name, i) => [name, values[i + 1] ?? ndarray([])])),
  };
}
