/** Trained models from files: a run's, or weights from anywhere. */
import type { DataInfo, Dataset, Normalization } from '../../data/dataset.js';
import { checkNormalization } from '../../data/normalization.js';
import { readFileChecked } from '../../formats/node/files.js';
import type { Module } from '../../nn/module.js';
import type { Task } from '../../tasks/task.js';
import { RequestError } from '../../errors.js';
import { loadWeights, type WeightsChoice } from '../../weights/load.js';
import { readWeightsFile, type ReadOptions, type WeightsFile } from '../../weights/read.js';
import { checkSeal, isCheckpoint } from '../checkpoint.js';
import { evaluate, type EvaluateOptions, type Evaluation } from '../evaluate.js';
import type { Recipe } from '../recipe.js';
import { AVERAGE, OPTIMIZER } from '../step.js';
import {
  frameOf,
  importModules,
  knownInfo,
  modelOf,
  runtimeOf,
  splitOf,
  taskOf,
} from './from-recipe.js';

/** A recipe of which only the task, the model, the validation data and the device matter. */
export interface WeightsRequest extends WeightsChoice {
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
  /**
   * Names of the classes that the weights tell apart, for weights that are of no run. With the recipe's size
   * (and channels) nothing has to be known of a data set. Default: those of the data set.
   */
  readonly classes?: readonly string[];
}

/** A model, what it was trained at, and what its images are like. */
export interface Trained {
  readonly recipe: Recipe;
  readonly task: Task;
  readonly model: Module;
  /** With the normalisation that the model wants, or where nobody knows it, the data set's. */
  readonly info: DataInfo;
  /** True where nothing told what normalisation the weights want. */
  readonly normalizationAssumed: boolean;
  /** True where classes are only numbered, because nobody knows their names. */
  readonly classesNumbered: boolean;
}

/**
 * The model of a recipe with the weights of a file.
 * @throws RequestError, FileError for what cannot be had or does not fit
 */
export async function trainedModel(request: WeightsRequest): Promise<Trained> {
  const { recipe, weights, normalization, note } = request;
  await importModules(recipe.imports);
  const task = taskOf(recipe);
  const { info, ...known } = await imagesOf(request, task);
  const model = modelOf(recipe, task, info);
  const found = await readWeights(weights, request);
  loadWeights(model, found, weights, request, note);
  return {
    recipe,
    task,
    model,
    info,
    normalizationAssumed:
      normalization === undefined && !(isCheckpoint(found.metadata) && known.statisticsKnown),
    classesNumbered: known.classesNumbered,
  };
}

/** What the images of a request's model are like: as its run wrote down, as it is said, or as the data tell. */
async function imagesOf(
  { recipe, normalization, classes }: WeightsRequest,
  task: Task,
): Promise<Pick<Trained, 'info' | 'classesNumbered'> & { readonly statisticsKnown: boolean }> {
  const { info: written, size, channels } = recipe;
  if (written) {
    const own = checkNormalization(normalization ?? written.normalization, written.channels);
    return {
      info: { ...written, normalization: own },
      classesNumbered: false,
      statisticsKnown: true,
    };
  }
  // Which pixels there are to tell apart only the data say, or whoever asks.
  const byName = classes || task.network !== 'segmentation' ? knownInfo(recipe) : undefined;
  const base: DataInfo =
    byName ??
    (classes && size
      ? { ...UNKNOWN, name: recipe.dataset, classes, height: size[0], width: size[1] }
      : await splitOf(recipe, 'val'));
  const info = {
    ...base,
    ...frameOf(recipe),
    ...(classes && { classes }),
    ...(classes && task.network === 'segmentation' && { pixelClasses: classes }),
  };
  const statistics = normalization ?? base.normalization;
  if (normalization === undefined && statistics.mean.length !== info.channels) {
    throw new RequestError(
      `Nothing tells how images of ${info.channels} ${info.channels === 1 ? 'channel' : 'channels'} are to be normalised for these weights: say so with --mean and --std.`,
    );
  }
  return {
    info: { ...info, normalization: checkNormalization(statistics, info.channels) },
    classesNumbered: classes === undefined && byName !== undefined,
    // Those of a data set by its name are of its images as they are.
    statisticsKnown: byName === undefined || (classes ?? size ?? channels) === undefined,
  };
}

/** Images in colour, of which nobody knows the statistics. */
const UNKNOWN = { channels: 3, normalization: { mean: [], std: [] } } as const;

/**
 * Evaluates weights on the validation images of a recipe.
 * @throws RequestError, FileError, DeviceError for what cannot be had or does not fit
 */
export async function evaluateWeights(
  request: WeightsRequest,
  options: Pick<EvaluateOptions, 'signal' | 'onBatch'> = {},
): Promise<Evaluation & Trained & { readonly data: Dataset }> {
  const trained = await trainedModel(request);
  const data = await validationOf(trained);
  const runtime = await runtimeOf(request.recipe);
  try {
    const { task, model } = trained;
    const evaluation = await evaluate(model, data, { task, runtime, ...options });
    return { ...evaluation, ...trained, data };
  } finally {
    await runtime.close();
  }
}

/** The validation images of a recipe, normalised as its model wants them. */
export async function validationOf({
  recipe,
  info: { normalization },
}: Pick<Trained, 'recipe' | 'info'>): Promise<Dataset> {
  return { ...(await splitOf(recipe, 'val')), normalization };
}

/** The weights in a file: of a checkpoint the averages, where it has any, and without the optimiser's slots. */
async function readWeights(file: string, options: ReadOptions): Promise<WeightsFile> {
  const bytes = await readFileChecked(file);
  const found = readWeightsFile(bytes, file, options);
  await checkSeal(bytes, found.metadata, file);
  const { tensors } = found;
  for (const [name, tensor] of [...tensors]) {
    if (name.startsWith(AVERAGE)) tensors.set(name.slice(AVERAGE.length), tensor);
    if (name.startsWith(AVERAGE) || name.startsWith(OPTIMIZER)) tensors.delete(name);
  }
  return found;
}
