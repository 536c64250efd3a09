/** Evaluation of weights that lie in a file, as `fovea eval` does it. */
import { datasetInfo } from '../../data/catalog.js';
import { size } from '../../data/dataset.js';
import { FileError, FoveaError } from '../../errors.js';
import type { ResNet } from '../../models/index.js';
import type { StateDict } from '../../nn/module.js';
import { createRuntime } from '../../runtime/node/create.js';
import { renameState, type NameMap } from '../../weights/names.js';
import { readFileChecked } from '../../weights/node/files.js';
import { readWeightsFile } from '../../weights/read.js';
import { checkSeal } from '../checkpoint.js';
import { Evaluator, type EvaluateOptions } from '../evaluator.js';
import type { Means } from '../metrics.js';
import type { Recipe } from '../recipe.js';
import { modelValues, OPTIMIZER } from '../step.js';
import { buildModel, loadSplit } from './run.js';

/** A recipe of which only the model, the validation data and the device matter. */
export interface EvaluationRequest {
  readonly recipe: Recipe;
  /** A checkpoint of a run, or any safetensors or PyTorch file of weights by state_dict name. */
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
  request: EvaluationRequest,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { recipe } = request;
  const model = await trainedModel(request);
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

/**
 * The model of a recipe with the weights of a file.
 * @throws RequestError, FileError for what cannot be had or does not fit
 */
export async function trainedModel({
  recipe,
  weights,
  names = {},
}: EvaluationRequest): Promise<ResNet> {
  const model = buildModel(recipe, datasetInfo(recipe.dataset).classes);
  const state = renameState(await readWeights(weights), names);
  try {
    return model.loadStateDict(state);
  } catch (error) {
    if (!(error instanceof FoveaError)) throw error;
    throw new FileError(`${weights}: ${error.message}`, { cause: error });
  }
}

/** The weights in a file, without the optimiser's slots of a checkpoint. */
async function readWeights(file: string): Promise<StateDict> {
  const bytes = await readFileChecked(file);
  const { tensors, metadata } = readWeightsFile(bytes, file);
  await checkSeal(bytes, metadata, file);
  const state: StateDict = new Map();
  for (const [name, { shape, data }] of tensors) {
    if (name.startsWith(OPTIMIZER)) continue;
    const known = data instanceof Float32Array || data instanceof BigInt64Array;
    state.set(name, { shape, data: known ? data : Float32Array.from(data) });
  }
  return state;
}
