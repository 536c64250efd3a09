/**
 * What a test asks of WebGPU in Node, in a process of its own, since native code can abort one.
 * Prints an answer as JSON.
 */
import {
  BatchNorm2d,
  constantRate,
  Conv2d,
  createRuntime,
  DeviceError,
  Flatten,
  FoveaError,
  Linear,
  makeShapes,
  ReLU,
  Sequential,
  sgd,
  fit,
  classification,
  type Runtime,
} from '../../src/node.js';
import { plain, type PlainTraining } from './plain-training.js';
import { tinyTraining } from './tiny-training.js';

export interface GpuAnswer {
  /** Why there is no WebGPU; the rest is missing then. */
  readonly refused?: string;
  readonly training?: PlainTraining;
  /** The error that a second runtime gives while there is one. */
  readonly second?: string;
  /** The error of a training whose first weight is not a number. */
  readonly broken?: string;
}

/** The kind and message of the error that a promise ends with. */
async function errorOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    if (error instanceof FoveaError) return `${error.name}: ${error.message}`;
    throw error;
  }
}

async function trainFromNaN(runtime: Runtime): Promise<void> {
  const model = new Sequential(
    new Conv2d(3, 2, 3, { stride: 8 }),
    new BatchNorm2d(2),
    new ReLU(),
    new Flatten(),
    new Linear(32, 10),
  ).initialize(1);
  model.parameters()[0]?.data.fill(NaN);
  const data = makeShapes({ size: 4 });
  await fit(
    model,
    { train: data, val: data },
    {
      runtime,
      task: classification(),
      epochs: 1,
      batchSize: 4,
      schedule: constantRate(0.1),
      optimizer: sgd(),
      seed: 1,
    },
  );
}

async function answer(): Promise<GpuAnswer> {
  let runtime: Runtime;
  try {
    runtime = await createRuntime('webgpu', { worker: false });
  } catch (error) {
    if (error instanceof DeviceError) return { refused: error.message };
    throw error;
  }
  const training = plain(await tinyTraining(runtime));
  const second = await errorOf(createRuntime('webgpu', { worker: false }));
  const broken = await errorOf(trainFromNaN(runtime));
  await runtime.close();
  return { training, second, broken };
}

process.stdout.write(JSON.stringify(await answer()));
