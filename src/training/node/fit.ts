/** Training by a program, in Node: any model, data and task, and if it is to be kept, a run folder. */
import { join } from 'node:path';
import type { Module } from '../../nn/module.js';
import { makeFolder, readFileChecked } from '../../formats/node/files.js';
import { cost } from '../../inspect/cost.js';
import { createRuntime, type NodeRuntimeOptions } from '../../runtime/node/create.js';
import type { Device, Runtime } from '../../runtime/runtime.js';
import { checkTraining } from '../check.js';
import { checkState, readCheckpoint } from '../checkpoint.js';
import { fit as fitOn, type FitResult, type FitSettings } from '../fit.js';
import { initialState, weightsOf } from '../step.js';
import { BEST, findCheckpoint, LAST } from './checkpoints.js';
import { writtenInfo, type Data } from './from-recipe.js';
import { trainInFolder } from './in-folder.js';
import { withLock } from './lock.js';
import { RunFolder, type Program, type Summary } from './run-folder.js';

export interface FitOptions extends FitSettings, NodeRuntimeOptions {
  /** Where it runs, if that is there already. Default: a new one, of `device`. */
  readonly runtime?: Runtime;
  /** Default 'cpu'. */
  readonly device?: Device;
  /**
   * A folder that keeps everything of the training: config.json, metrics.jsonl, two generations of
   * checkpoints, best.safetensors, TensorBoard events, evaluation.json, summary.json. If the training is in it
   * already, it goes on from where it was left. Default: nothing is kept.
   */
  readonly output?: string;
}

/** What a training came to. */
export interface FitOutcome extends FitResult {
  /** Of a training that was kept. */
  readonly summary?: Summary;
}

/**
 * Trains a model at a task and leaves the trained values in it.
 *
 * @example
 * const model = createModel('resnet20', { classes: 10, attention: 'cbam' });
 * const data = { train: makeShapes({ size: 2000 }), val: makeShapes({ size: 500, split: 'val' }) };
 * await fit(model, data, {
 *   task: classification(), epochs: 6, batchSize: 32, seed: 1,
 *   optimizer: adamw(), schedule: constantRate(0.003), output: 'runs/cbam',
 * });
 * @throws Interrupted, Diverged as in a browser
 * @throws RequestError if model, data and task do not fit each other, or the folder holds something else
 */
export async function fit(model: Module, data: Data, options: FitOptions): Promise<FitOutcome> {
  const { runtime: given, device = 'cpu', output, ...settings } = options;
  checkTraining(model, data, settings);
  const runtime = given ?? (await createRuntime(device, settings));
  try {
    if (output === undefined) return await fitOn(model, data, { ...settings, runtime });
    return await keep(runtime, model, data, settings, output);
  } finally {
    if (given === undefined) await runtime.close();
  }
}

/** Trains, and keeps everything in a folder. */
async function keep(
  runtime: Runtime,
  model: Module,
  data: Data,
  options: FitSettings,
  output: string,
): Promise<FitOutcome> {
  const program = describe(model, data, options);
  await makeFolder(output);
  return withLock(output, async () => {
    const folder = await RunFolder.ofProgram(output, program);
    const found = await findCheckpoint(folder, initialState(model, options.optimizer, options));
    const { channels, height, width } = data.train;
    const { parameters, macs } = cost(model, [channels, height, width]);
    const prepared = { model, data, options, parameters, macs };
    return trainInFolder(runtime, prepared, folder, options, { found, onStart: () => undefined });
  });
}

function describe(
  model: Module,
  data: Data,
  { task, epochs, batchSize, seed, optimizer }: FitSettings,
): Program {
  return {
    program: true,
    task: task.id,
    model: model.constructor.name,
    dataset: data.train.name,
    epochs,
    batchSize,
    seed,
    optimizer: optimizer.name,
    info: writtenInfo(data.train),
  };
}

/**
 * Puts the weights of a run into a model.
 * @param path the run's folder
 * @param which the best epoch's, or the last. Default 'best'
 * @throws FileError if they are not there, or do not fit
 */
export async function loadRun<M extends Module>(
  model: M,
  path: string,
  which: 'best' | 'last' = 'best',
): Promise<M> {
  const file = join(path, which === 'best' ? BEST : LAST);
  const { state } = await readCheckpoint(await readFileChecked(file), file);
  const weights = weightsOf(state);
  checkState(weights, model.stateValues(), file);
  return model.takeStateValues(weights);
}
