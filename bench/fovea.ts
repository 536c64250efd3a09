/**
 * Fovea as a contestant. `node fovea.js WORKLOAD SETUP [THREADS]` answers rounds (see protocol.ts);
 * the engine runs in its worker, as in `fovea train`.
 */
import { version } from 'node:process';
import { createModel } from '../src/models/registry.js';
import type { ResNet } from '../src/models/resnet.js';
import { input } from '../src/ops/index.js';
import { sgd } from '../src/optim/index.js';
import { createRuntime } from '../src/runtime/node/create.js';
import type { Runtime } from '../src/runtime/runtime.js';
import { classification } from '../src/tasks/classification.js';
import { imagesLike } from '../src/testing/data-info.js';
import { floatOutput, initialState, trainingStep } from '../src/training/step.js';
import { readTensors } from '../src/formats/node/files.js';
import type { StateEntry } from '../src/nn/module.js';
import { installedVersion } from './machine.js';
import { serve, timed } from './protocol.js';
import { RECIPE, WORKLOADS, type Workload } from './workloads.js';

interface Setup {
  readonly model: ResNet;
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

/** What a contestant does over and over, and what it computes. */
interface Task {
  readonly step: () => Promise<unknown>;
  /** The loss of the last step, or the logits of the first image. */
  readonly result: () => readonly number[];
}

async function readSetup(workload: Workload, file: string): Promise<Setup> {
  const { tensors } = await readTensors(file);
  const take = (name: string) => {
    const data = tensors.get(name)?.data;
    tensors.delete(name);
    return data;
  };
  const [images, labels] = [take('input.images'), take('input.labels')];
  if (!(images instanceof Float32Array && labels instanceof Int32Array)) {
    throw new Error(`${file} holds no batch.`);
  }
  const model = createModel(workload.model, { classes: RECIPE.classes });
  model.loadStateDict(tensors as ReadonlyMap<string, StateEntry>);
  return { model, images, labels };
}

async function training(runtime: Runtime, { model, images, labels }: Setup): Promise<Task> {
  const { lr, momentum, weightDecay } = RECIPE;
  const optimizer = sgd({ momentum, weightDecay });
  const { graph } = trainingStep(classification(), model, optimizer, imagesLike([3, 32, 32]), {
    batchSize: labels.length,
  });
  const executable = await runtime.compile(graph, { name: 'training step' });
  const state = await runtime.createState(initialState(model, optimizer));
  const feeds = { images, labels, lr: Float32Array.of(lr) };
  let loss = NaN;
  return {
    step: async () => {
      loss = floatOutput(await executable.run(feeds, state), 'loss')[0] ?? NaN;
    },
    result: () => [loss],
  };
}

/** With the weights as constants, so that ONNX Runtime may fold and reorder them. */
async function inference(runtime: Runtime, { model, images, labels }: Setup): Promise<Task> {
  const x = input('images', [labels.length, 3, 32, 32]);
  const logits = model.forward(x);
  const graph = { inputs: { images: x }, outputs: { logits }, constants: model.constants() };
  const executable = await runtime.compile(graph, { name: 'inference' });
  let first = new Float32Array();
  return {
    step: async () => {
      first = floatOutput(await executable.run({ images }), 'logits').slice(0, RECIPE.classes);
    },
    result: () => Array.from(first),
  };
}

const [id, file, threads] = process.argv.slice(2);
const workload = WORKLOADS.find((one) => one.id === id);
if (workload === undefined || file === undefined) throw new Error(`No workload '${id ?? ''}'.`);
const runtime = await createRuntime(
  'cpu',
  threads === undefined ? {} : { threads: Number(threads) },
);
const setup = await readSetup(workload, file);
const { step, result } = await (workload.kind === 'train' ? training : inference)(runtime, setup);

const warmUp: number[] = [];
const check: number[] = [];
for (let i = 0; i < 3; i++) {
  warmUp.push(...(await timed(1, step)));
  if (workload.kind === 'train' || i === 0) check.push(...result());
}
const versions = { node: version, onnxruntime: installedVersion('onnxruntime-node') };
await serve({ parameters: setup.model.parameterCount(), check, warmUp, versions }, step);
await runtime.close();
