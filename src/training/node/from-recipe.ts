/** The door: here the names of a recipe become values, and nowhere else. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { attention, Mechanism } from '../../attention/index.js';
import type { Augmentation } from '../../data/augmentation.js';
import { augmentationOf } from '../../data/augmentations/registry.js';
import { DATASETS } from '../../data/catalog.js';
import {
  infoOf,
  type DataInfo,
  type Dataset,
  type Split,
  type Splits,
} from '../../data/dataset.js';
import { datasets, type DataOptions, type DatasetDefinition } from '../../data/node/registry.js';
import { resized } from '../../data/resized.js';
import { makeShapes } from '../../data/shapes.js';
import { FileError, RequestError } from '../../errors.js';
import {
  Model,
  models,
  ProjectedEncoder,
  segmentationNet,
  type FeatureEncoder,
  type ModelOptions,
  type VectorEncoder,
} from '../../models/index.js';
import type { Module } from '../../nn/module.js';
import { createRuntime } from '../../runtime/node/create.js';
import type { Runtime } from '../../runtime/runtime.js';
import { asEntry, tasks, type TaskEntry } from '../../tasks/registry.js';
import type { Task } from '../../tasks/task.js';
import type { FitSettings } from '../fit.js';
import { optimizerOf, scheduleOf, type Recipe } from '../recipe.js';

/** Everything that a recipe asks for but the data. */
export interface Subject {
  readonly task: Task;
  readonly model: Module;
}

/** Both splits of a data set. */
export interface Data {
  readonly train: Dataset;
  readonly val: Dataset;
}

/** What a module of one's own may export to be asked for by name. */
type Registrable = Task | TaskEntry | Mechanism | Model | DatasetDefinition;

/**
 * Imports modules of one's own and registers the models, mechanisms, data sets and tasks among what they
 * export, under their ids.
 * @param paths of JavaScript modules, or names of packages
 * @throws FileError if a module cannot be imported, RequestError if it exports nothing of the kind
 */
export async function importModules(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    let exported: Readonly<Record<string, unknown>>;
    try {
      exported = (await import(
        /^[./]|^[A-Za-z]:\\/.test(path) ? pathToFileURL(resolve(path)).href : path
      )) as Readonly<Record<string, unknown>>;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new FileError(`${path} cannot be imported: ${reason}`, { cause: error });
    }
    const found = Object.values(exported).filter(isRegistrable);
    for (const one of found) register(one);
    if (found.length > 0) continue;
    throw new RequestError(
      `${path} exports nothing that could be asked for by name. Export what task(), defineMechanism(), defineModel() or defineDataset() return.`,
    );
  }
}

function isRegistrable(value: unknown): value is Registrable {
  if (value instanceof Mechanism || value instanceof Model) return true;
  if (typeof value !== 'object' || value === null) return false;
  if ('load' in value && 'id' in value) return typeof value.load === 'function';
  return 'kind' in value && (value.kind === 'task' || value.kind === 'task-entry');
}

const entryOf = new WeakMap<Task, TaskEntry>();

function register(one: Registrable): void {
  if (one instanceof Mechanism) return attention.register(one);
  if (one instanceof Model) return models.register(one);
  if ('load' in one) return datasets.add(one);
  if (one.kind === 'task-entry') return tasks.add(one);
  const entry = entryOf.get(one) ?? asEntry(one);
  entryOf.set(one, entry);
  tasks.add(entry);
}

/**
 * The task of a recipe.
 * @throws RequestError for one that is not known, options that it has not, or augmentations that it cannot take
 */
export function taskOf(recipe: Recipe): Task {
  const mixed = augmentOf(recipe).some((one) => one.mix !== undefined);
  const { labelSmoothing } = recipe;
  const made = tasks.get(recipe.task).create(recipe.taskOptions, { labelSmoothing, mixed });
  if (mixed && !Object.values(made.inputs).some(({ from }) => from === 'share')) {
    throw new RequestError(
      `The task '${recipe.task}' does not take mixed images. Leave mixup and cutmix out of --augment.`,
    );
  }
  return made;
}

/** The augmentations of a recipe. */
export function augmentOf({ augment }: Recipe): readonly Augmentation[] {
  return augment.map(({ name, options }) => augmentationOf(name, options));
}

/**
 * Both splits of a recipe's data set, limited and brought to size as the recipe says, with what a person
 * should know of how they were read.
 */
export async function dataOf(recipe: Recipe): Promise<Splits> {
  const splits = await datasets.get(recipe.dataset).load(optionsOf(recipe));
  return resized(splits, frameOf(recipe));
}

/** The size and the channels that a recipe brings images to, where it does. */
export function frameOf({
  size,
  channels,
}: Recipe): Partial<Pick<DataInfo, 'channels' | 'height' | 'width'>> {
  return {
    ...(size && { height: size[0], width: size[1] }),
    ...(channels !== undefined && { channels }),
  };
}

/** One split of a recipe's data set, likewise. */
export async function splitOf(recipe: Recipe, split: Split): Promise<Dataset> {
  const { dataset, size, channels } = recipe;
  const definition = datasets.get(dataset);
  // Statistics of another size or kind are those of the training images.
  const asItIs = size === undefined && channels === undefined;
  const alone = asItIs ? await definition.loadSplit?.(split, optionsOf(recipe)) : undefined;
  return alone ?? (await dataOf(recipe))[split];
}

function optionsOf({
  data,
  limitTrain,
  limitVal,
  size,
  channels,
  validation,
  skipBroken,
}: Recipe): DataOptions {
  return {
    skipBroken,
    ...(data !== undefined && { data }),
    ...(limitTrain !== undefined && { limitTrain }),
    ...(limitVal !== undefined && { limitVal }),
    ...(size && { size }),
    ...(channels !== undefined && { channels }),
    ...(validation !== undefined && { validation }),
  };
}

/**
 * What a recipe's images are like, as its run has written it down or as is known of a data set by its name.
 * @returns undefined where only the data can tell
 */
export function knownInfo(recipe: Recipe): DataInfo | undefined {
  const { dataset, info } = recipe;
  if (info) return info;
  const known = dataset === 'shapes' ? infoOf(makeShapes({ size: 1 })) : describedInfo(dataset);
  const wanted = known && { ...known, ...frameOf(recipe) };
  return wanted?.channels === known?.channels ? wanted : undefined;
}

/** Of a data set that is known by name but not at hand, whose classes have no names then. */
function describedInfo(dataset: string): DataInfo | undefined {
  const known = Object.values(DATASETS).find(({ id }) => id === dataset);
  if (known === undefined) return undefined;
  const { channels, height, width, normalization, classes } = known;
  return {
    ...{ name: dataset, channels, height, width, normalization },
    classes: Array.from({ length: classes }, (_, k) => `class ${k}`),
  };
}

/** What a data set's images are like, as config.json has it. */
export function writtenInfo(info: DataInfo): NonNullable<Recipe['info']> {
  const { classes, pixelClasses, normalization, ...rest } = infoOf(info);
  return {
    ...rest,
    classes: [...classes],
    ...(pixelClasses && { pixelClasses: [...pixelClasses] }),
    normalization: { mean: [...normalization.mean], std: [...normalization.std] },
  };
}

/**
 * The model of a recipe, initialised by its seed, for a task and images of a kind.
 * @throws RequestError for names, options and combinations that there are not
 */
export function modelOf(recipe: Recipe, task: Task, info: DataInfo): Module {
  return networkOf(recipe, task, info).initialize(recipe.seed);
}

/** The same before its values are drawn, which takes most of the time. */
export function networkOf(recipe: Recipe, task: Task, info: DataInfo): Module {
  const { model, modelOptions, fusion, head } = recipe;
  if (task.network !== 'segmentation' && (fusion ?? head) !== undefined) {
    throw new RequestError(
      `The task '${recipe.task}' has no use for ${fusion === undefined ? 'a head' : 'a fusion'}: it belongs to segmentation.`,
    );
  }
  const network = (classes: number): Module =>
    models.get(model).create({
      ...modelOptions,
      classes,
      channels: info.channels,
      imageSize: [info.height, info.width],
      ...attentionOf(recipe),
    });
  const outputs = task.outputs(info);
  const made =
    task.network === 'classifier'
      ? network(outputs)
      : task.network === 'segmentation'
        ? segmentationNet({
            encoder: requireEncoder(model, network(0)),
            classes: outputs,
            ...(fusion !== undefined && { fusion }),
            ...(head !== undefined && { head }),
          })
        : new ProjectedEncoder(network(0) as VectorEncoder, { embedding: outputs });
  made.assignPaths();
  return made;
}

/** The runtime of a recipe. A run's own number of threads gives its own figures, bit for bit. */
export function runtimeOf({
  device,
  threads,
}: Pick<Recipe, 'device' | 'threads'>): Promise<Runtime> {
  return createRuntime(device, { ...(threads !== undefined && { threads }) });
}

/** What fills the slots of a recipe's network. */
function attentionOf({
  attention: id,
  attentionOptions: options,
  placement,
  stages,
}: Recipe): Partial<ModelOptions> {
  if (id === 'none' && Object.keys(options).length > 0) {
    throw new RequestError('Options were given for the attention, but the attention is none.');
  }
  if (id === 'none' && stages !== undefined) {
    throw new RequestError('Stages were given for the attention, but the attention is none.');
  }
  if (id === 'none') return {};
  const choice = attention.get(id).with(options);
  return { placement, attention: stages ? choice.inStages(...stages) : choice };
}

function requireEncoder(id: string, network: Module): FeatureEncoder {
  if ('features' in network && typeof network.features === 'function') {
    return network as FeatureEncoder;
  }
  throw new RequestError(
    `The model '${id}' does not give maps of several scales, so it cannot be the encoder of a segmentation network. Any ResNet can.`,
  );
}

/** What a recipe says to the training loop. */
export function fitOptionsOf(recipe: Recipe, task: Task): FitSettings {
  const { epochs } = recipe.changes?.findLast((one) => one.epochs !== undefined) ?? {};
  const { batchSize, seed, dropLast, clipNorm, clipValue, ema, patience } = recipe;
  return {
    task,
    epochs: epochs ?? recipe.epochs,
    batchSize,
    optimizer: optimizerOf(recipe),
    schedule: scheduleOf(recipe),
    seed,
    augment: augmentOf(recipe),
    dropLast,
    ...(clipNorm !== undefined && { clipNorm }),
    ...(clipValue !== undefined && { clipValue }),
    ...(ema !== undefined && { ema }),
    ...(patience !== undefined && { patience }),
  };
}
