/** Evaluation of weights that lie in a file, as `fovea eval` does it. */
import { datasetInfo } from '../../data/catalog.js';
import { size, type Normalization } from '../../data/dataset.js';
import { checkNormalization } from '../../data/normalization.js';
import { FoveaError } from '../../errors.js';
import type { ResNet } from '../../models/index.js';
import { createRuntime } from '../../runtime/node/create.js';
import { loadWeights, type WeightsChoice } from '../../weights/load.js';
import { readFileChecked } from '../../formats/node/files.js';
import { readWeightsFile, type ReadOptions, type WeightsFile } from '../../weights/read.js';
import { checkSeal, isCheckpoint } from '../checkpoint.js';
import { Evaluator, type EvaluateOptions } from '../evaluator.js';
import type { Means } from '../metrics.js';
import type { Recipe } from '../recipe.js';
import { modelValues, OPTIMIZER } from '../step.js';
import { buildModel, loadSplit } from './run.js';

/** A recipe of which only the model, the validation data and the device matter. */
export interface EvaluationRequest extends WeightsChoice {
  readonly recipe: Recipe;
  /** A checkpoint of a run, or any safetensors or PyTorch file of weights by state_dict name. */
  readonly weights: string;
  /** Is told what was taken away from the names in the file to make them the model's. */
  readonly note?: (text: string) => void;
  /**
   * The statistics that the weights were trained with. Default: those of the data set, which is right for
   * weights of a run of Fovea; nobody knows whether it is for others.
   */
  readonly normalization?: Normalization;
}

/** A model, and what is known of the images that it wants. */
export interface Trained {
  readonly model: ResNet;
  /** By which they are to be normalised; undefined where neither the request nor the file tells. */
  readonly normalization: Normalization | undefined;
}

/** Mean loss, accuracies in percent, and the number of images that they are of. */
export interface Evaluation extends Means {
  readonly images: number;
  /** By which they were normalised. */
  readonly normalization: Normalization;
  /** True where nothing told what the weights want, and the data set's own statistics were used. */
  readonly normalizationAssumed: boolean;
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
  const { model, normalization } = await trainedModel(request);
  const data = await loadSplit(recipe, 'val');
  const images = { ...data, normalization: normalization ?? data.normalization };

  // A run's own number of threads gives its own figures, bit for bit.
  const { device, threads } = recipe;
  const runtime = await createRuntime(device, { ...(threads !== undefined && { threads }) });
  try {
    const evaluator = new Evaluator(runtime, model, images);
    const means = await evaluator.evaluate(await runtime.createState(modelValues(model)), options);
    if (means === undefined) throw new FoveaError('The evaluation was stopped.');
    return {
      ...means,
      images: size(images),
      normalization: images.normalization,
      normalizationAssumed: normalization === undefined,
    };
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
  normalization: given,
  note,
  ...choice
}: EvaluationRequest): Promise<Trained> {
  const { classes, channels, normalization } = datasetInfo(recipe.dataset);
  if (given) checkNormalization(given, channels);
  const model = buildModel(recipe, classes);
  const found = await readWeights(weights, choice);
  loadWeights(model, found, weights, choice, note);
  const own = isCheckpoint(found.metadata);
  return { model, normalization: given ?? (own ? normalization : undefined) };
}

/** The weights in a file, without the optimiser's slots of a checkpoint. */
async function readWeights(file: string, options: ReadOptions): Promise<WeightsFile> {
  const bytes = await readFileChecked(file);
  const found = readWeightsFile(bytes, file, options);
  await checkSeal(bytes, found.metadata, file);
  for (const name of [...found.tensors.keys()]) {
    if (name.startsWith(OPTIMIZER)) found.tensors.delete(name);
  }
  return found;
}
