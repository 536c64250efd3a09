/**
 * Fovea as a contestant with one mechanism: `node mechanism-fovea.js CASE SETUP [THREADS]`. The engine
 * runs in this thread: inside a network a map does not cross from one thread to another either.
 */
import { version } from 'node:process';
import { gradients } from '../src/autodiff/gradients.js';
import { record } from '../src/nn/context.js';
import type { Module, StateEntry } from '../src/nn/module.js';
import { input } from '../src/ops/index.js';
import { createRuntime } from '../src/runtime/node/create.js';
import type { HostTensor } from '../src/runtime/engine.js';
import type { StatefulGraph } from '../src/runtime/runtime.js';
import type { Tensor } from '../src/tensor/tensor.js';
import { readTensors } from '../src/formats/node/files.js';
import type { StoredTensor } from '../src/formats/safetensors.js';
import { installedVersion } from './machine.js';
import { MECHANISM_CASES, moduleOf } from './mechanism-cases.js';
import { serve, timed } from './protocol.js';

/** The sum of the outputs, each element with its own weight. */
function lossOf(module: Module, maps: readonly Tensor[], weights: readonly Tensor[]): Tensor {
  const forward = module.forward as (...maps: readonly Tensor[]) => Tensor | readonly Tensor[];
  const output = forward(...maps);
  const parts = ('op' in output ? [output] : output).map((y, i) => {
    const weight = weights[i];
    if (weight === undefined) throw new Error(`There is no cotangent.${i}.`);
    return y.mul(weight).sum();
  });
  return parts.reduce((sum, part) => sum.add(part));
}

const [id, file, threads] = process.argv.slice(2);
const one = MECHANISM_CASES.find((known) => known.id === id);
if (one === undefined || file === undefined) throw new Error(`No case '${id ?? ''}'.`);
const { tensors } = await readTensors(file);
/** Takes the tensors of one prefix out of the file: as inputs of a graph, and their values. */
const take = (prefix: string) => {
  const taken = [...tensors].filter(([name]) => name.startsWith(prefix));
  for (const [name] of taken) tensors.delete(name);
  return {
    symbols: taken.map(([name, { shape }]) => input(name, shape)),
    feeds: taken.map(([name, { data }]: [string, StoredTensor]) => [name, data] as const),
  };
};
const [maps, weights] = [take('input.'), take('cotangent.')];
const module = moduleOf(one);
module.loadStateDict(tensors as ReadonlyMap<string, StateEntry>);
module.assignPaths();

const training = one.kind === 'backward';
const { output: loss, record: left } = record(training, () =>
  lossOf(module, maps.symbols, weights.symbols),
);
const named = [...maps.symbols, ...weights.symbols].map((symbol, i): [string, Tensor] => {
  return [[...maps.feeds, ...weights.feeds][i]?.[0] ?? '', symbol];
});
const parameters = [...module.namedParameters()].sort(([a], [b]) => (a < b ? -1 : 1));
const own = [...parameters, ...module.namedBuffers()];
const outputs: Record<string, Tensor> = { loss };
const graph: StatefulGraph = training
  ? {
      inputs: Object.fromEntries(named),
      outputs,
      state: Object.fromEntries(own.map(([name, { tensor }]) => [name, tensor])),
      next: Object.fromEntries(
        [...module.namedBuffers()].flatMap(([name, buffer]) => {
          const update = left.updates.get(buffer);
          return update ? [[name, update]] : [];
        }),
      ),
    }
  : {
      inputs: Object.fromEntries(named),
      outputs,
      constants: module.constants(),
    };
if (training) {
  // One number for each gradient, so that both sides hand out the same.
  const leaves = [...maps.symbols, ...parameters.map(([, { tensor }]) => tensor)];
  for (const [i, gradient] of gradients(loss, leaves).entries()) {
    outputs[`gradient.${i}`] = gradient.mul(gradient).sum();
  }
}

const runtime = await createRuntime('cpu', {
  worker: false,
  ...(threads !== undefined && { threads: Number(threads) }),
});
const executable = await runtime.compile(graph, { name: one.id });
const values = own.map(([name, part]): [string, HostTensor] => [
  name,
  { dtype: 'dtype' in part ? part.dtype : 'float32', shape: part.shape, data: part.data },
]);
const state = training ? await runtime.createState(Object.fromEntries(values)) : undefined;
const feeds = Object.fromEntries([...maps.feeds, ...weights.feeds]) as Record<string, Float32Array>;
let results: Awaited<ReturnType<typeof executable.run>> = {};
const step = async () => {
  results = await executable.run(feeds, state);
};
const warmUp = await timed(1, step);
const check = Object.keys(outputs).map((name) => Number(results[name]?.data[0]));
warmUp.push(...(await timed(2, step)));
const versions = { node: version, onnxruntime: installedVersion('onnxruntime-node') };
await serve({ parameters: module.parameterCount(), check, warmUp, versions }, step);
await runtime.close();
