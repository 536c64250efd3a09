/** Evaluation of weights that lie in a file, as `fovea eval` does it. */
import { datasetInfo } from '../../data/catalog.js';
import { size } from '../../data/dataset.js';
import { FileError, FoveaError } from '../../errors.js';
import type { StateDict } from '../../nn/module.js';
import { createRuntime } from '../../runtime/node/create.js';
import { renameState, type NameMap } from '../../weights/names.js';
import { readTensors } from '../../weights/node/files.js';
import { Evaluator, type EvaluateOptions } from '../evaluator.js';
import type { Means } from '../metrics.js';
import type { Recipe } from '../recipe.js';
import { modelValues, OPTIMIZER } from '../step.js';
import { buildModel, loadSplit } from './run.js';

/** A recipe of which only the model, the validation data and the device matter. */
export interface EvaluationRequest {
  readonly recipe: Recipe;
  /** A safetensors file: a checkpoint of a run, or weights by state_dict name. */
  readonly weights: string;
  /** From the file's names to the model's. Default: they are the same. */
  readonly names?: NameMap;
}

/** Mean loss, accuracies in percent, and the number of images that they are of. */
export interface Evaluation extends Means {
  readonly images: number;
}

/**
 * Evaluates weights on the validation images of a recipe.
 * @throws RequestError, FileError, DeviceError for what cannot be had or does not fit
 */
export async function evaluateWeights(
  { recipe, weights, names = {} }: EvaluationRequest,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const model = buildModel(recipe, datasetInfo(recipe.dataset).classes);
  const state = renameState(await readWeights(weights), names);
  try {
    model.loadStateDict(state);
  } catch (error) {
    if (!(error instanceof FoveaError)) throw error;
    throw new FileError(`${weights}: ${error.message}`, { cause: error });
  }
  const data = await loadSplit(recipe, 'val');

  const runtime = await createRuntime(recipe.device);
  try {
    const evaluator = new Evaluator(runtime, model, data);
    const means = await evaluator.evaluate(await runtime.createState(modelValues(model)), options);
    if (means === undefined) throw new FoveaError('The evaluation was stopped.');
    return { ...means, images: size(data) };
  } finally {
    await runtime.close();
  }
}

/** The weights in a file, without the optimiser's slots of a checkpoint. */
async function readWeights(file: string): Promise<StateDict> {
  const { tensors } = await readTensors(file);
  const state: StateDict = new Map();
  for (const [name, { shape, data }] of tensors) {
    if (name.startsWith(OPTIMIZER)) continue;
    const known = data instanceof Float32Array || data instanceof BigInt64Array;
    state.set(name, { shape, data: known ? data : Float32Array.from(data) });
  }
  return state;
}
