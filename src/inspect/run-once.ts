import { FoveaError } from '../errors.js';
import type { Module } from '../nn/module.js';
import type { HostTensor } from '../runtime/engine.js';
import type { Runtime } from '../runtime/runtime.js';
import type { TensorData } from '../tensor/op.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { traceForward } from './trace.js';

/** What a module made of its inputs. */
export interface Seen {
  /** One, or as many as the module's forward returns. */
  readonly outputs: readonly HostTensor[];
  /** Gates and maps by the names that they are exposed under: `channel`, `layer3.0.attention.spatial`. */
  readonly exposed: ReadonlyMap<string, HostTensor>;
}

/**
 * Runs a module once, in eval, and returns its outputs and all that it exposes: for looking at a
 * module, or at one image in a network. A program that runs a graph many times compiles it itself.
 *
 * Parameters that have no values yet are drawn with seed 0.
 *
 * @param inputs one for each argument of the module's forward
 * @throws ShapeError if the module cannot take inputs of these shapes, or the values do not fill them
 */
export async function runOnce(
  runtime: Runtime,
  module: Module,
  inputs: readonly { readonly shape: Shape; readonly data: TensorData }[],
): Promise<Seen> {
  module.ensureInitialized();
  const shapes = inputs.map(({ shape }) => shape);
  const { inputs: symbols, outputs, exposed } = traceForward(module, shapes);
  const named = (prefix: string, tensors: readonly Tensor[]) =>
    tensors.map((tensor, i): [string, Tensor] => [`${prefix}.${i}`, tensor]);
  const outputNames = named('output', outputs);
  const exposedNames = named('exposed', [...exposed.values()]);
  const executable = await runtime.compile({
    inputs: Object.fromEntries(named('input', symbols)),
    outputs: Object.fromEntries([...outputNames, ...exposedNames]),
    constants: module.constants(),
  });
  try {
    const feeds = inputs.map(({ data }, i): [string, TensorData] => [`input.${i}`, data]);
    const results = await executable.run(Object.fromEntries(feeds));
    const valueOf = ([name]: readonly [string, Tensor]): HostTensor => {
      const value = results[name];
      if (value === undefined) throw new FoveaError(`The run gave no ${name}.`);
      return value;
    };
    const names = [...exposed.keys()];
    return {
      outputs: outputNames.map(valueOf),
      exposed: new Map(exposedNames.map((entry, i) => [names[i] ?? '', valueOf(entry)])),
    };
  } finally {
    await executable.dispose();
  }
}
