/**
 * The training loop of `fovea train` on made-up images: `node loop.js WORKLOAD STEPS [PROFILE]`
 * prints a LoopResult. With PROFILE, a file name's start, the steps are profiled by ONNX Runtime.
 */
import { imageDataset, type ImageDataset } from '../src/data/dataset.js';
import { createModel } from '../src/models/registry.js';
import { constantRate, sgd } from '../src/optim/index.js';
import { RandomStream } from '../src/random/index.js';
import { createRuntime } from '../src/runtime/node/create.js';
import type { Executable } from '../src/runtime/runtime.js';
import { standardAugmentation } from '../src/data/augmentations/index.js';
import { classification } from '../src/tasks/classification.js';
import { fit } from '../src/training/fit.js';
import { peakMemory, say } from './protocol.js';
import { RECIPE, WORKLOADS } from './workloads.js';

export interface LoopResult {
  /** Share of the steps' time outside the ONNX session, compilation and warm-up excluded. */
  readonly overhead: number;
  /** Largest resident size in bytes, an evaluation included. */
  readonly peak: number;
}

/** Steps that are not counted: they compile, and fill memory for the first time. */
const WARM_UP = 3;

function images(split: 'train' | 'val', count: number): ImageDataset {
  const random = new RandomStream(1, split);
  return imageDataset({
    name: 'noise',
    split,
    classes: Array.from({ length: RECIPE.classes }, (_, i) => `class ${i}`),
    channels: 3,
    height: 32,
    width: 32,
    images: Uint8Array.from({ length: count * 3072 }, () => random.integer(256)),
    labels: Int32Array.from({ length: count }, () => random.integer(RECIPE.classes)),
    normalization: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
  });
}

const [id, steps, profile] = process.argv.slice(2);
const workload = WORKLOADS.find((one) => one.id === id);
if (workload === undefined) throw new Error(`No workload '${id ?? ''}'.`);
const { model, batch } = workload;
const { lr, momentum, weightDecay, classes } = RECIPE;

const runtime = await createRuntime('cpu');
const executables: Executable[] = [];
const compile = runtime.compile.bind(runtime);
runtime.compile = async (graph, options) => {
  const executable = await compile(graph, options);
  executables.push(executable);
  return executable;
};
const insideOnnx = () =>
  executables.reduce((sum, { statistics }) => sum + statistics.milliseconds, 0);

const marks: { wall: number; inside: number }[] = [];
await fit(
  createModel(model, { classes, seed: 1 }),
  { train: images('train', batch * Number(steps)), val: images('val', 250) },
  {
    runtime,
    task: classification(),
    augment: standardAugmentation(),
    optimizer: sgd({ momentum, weightDecay }),
    schedule: constantRate(lr),
    epochs: 1,
    batchSize: batch,
    seed: 1,
    ...(profile !== undefined && { profile }),
    onStep: ({ phase }) => {
      if (phase === 'train') marks.push({ wall: performance.now(), inside: insideOnnx() });
    },
  },
);
await runtime.close();
const [first, last] = [marks[WARM_UP - 1], marks.at(-1)];
if (first === undefined || last === undefined) throw new Error(`${WARM_UP} steps are too few.`);
const overhead = 1 - (last.inside - first.inside) / (last.wall - first.wall);
say({ overhead, peak: peakMemory() } satisfies LoopResult);
