/** A training run as `fovea train` does it: a recipe in, a run folder out. */
import { createModel } from '../../models/index.js';
import { loadDataset } from '../../data/node/load.js';
import { size, type ImageDataset } from '../../data/dataset.js';
import { RequestError } from '../../errors.js';
import { cost } from '../../inspect/cost.js';
import type { OptionValue } from '../../attention/index.js';
import type { ResNet } from '../../models/index.js';
import { createRuntime } from '../../runtime/node/create.js';
import type { State } from '../../runtime/runtime.js';
import { readFileChecked } from '../../weights/node/files.js';
import { readCheckpoint, writeCheckpoint } from '../checkpoint.js';
import { bestOf, type EpochMetrics } from '../metrics.js';
import { optimizerOf, scheduleOf, type Recipe } from '../recipe.js';
import { train, type Position, type StepProgress } from '../train.js';
import { EventWriter } from './event-writer.js';
import { freeRunFolder, RunFolder, versions, type Summary } from './run-folder.js';

export interface RunOptions {
  /** Folder of a new run; by default the next free one under runs/. */
  readonly output?: string;
  /** Folder of a run to continue; its own recipe is used. */
  readonly resume?: string;
  /** Asks the run to save and stop. */
  readonly signal?: AbortSignal;
  /** Start of the name of a profile by op of the training steps. */
  readonly profile?: string;
  readonly onStart?: (start: RunStart) => void;
  readonly onStep?: (progress: StepProgress) => void;
  readonly onEpoch?: (metrics: EpochMetrics) => void;
}

/** What is known before the first step. */
export interface RunStart {
  readonly recipe: Recipe;
  readonly folder: string;
  readonly trainImages: number;
  readonly valImages: number;
  readonly parameters: number;
  readonly macs: number;
  /** Epochs that are already done, in a run that is continued. */
  readonly epochsDone: number;
}

/**
 * Trains by a recipe and keeps everything in a run folder: config.json, metrics.jsonl,
 * last.safetensors, best.safetensors, a TensorBoard event file, summary.json.
 * @throws Interrupted after saving, when the signal asked for it
 * @throws Diverged when the loss is no longer finite; the last checkpoint stays
 * @throws RequestError, FileError, DeviceError for what cannot be had
 */
export async function runTraining(
  given: Recipe,
  options: RunOptions = {},
): Promise<{ folder: string; summary: Summary }> {
  const resumed = options.resume === undefined ? undefined : await RunFolder.open(options.resume);
  const recipe = resumed?.recipe ?? given;
  // Everything that may be wrong with the request is found before the folder is made.
  const data = await loadData(recipe);
  const model = buildModel(recipe, data.train.classes.length);
  const optimizer = optimizerOf(recipe);
  const schedule = scheduleOf(recipe);
  const { channels, height, width } = data.train;
  const { parameters, macs } = cost(model, [channels, height, width]);
  const runtime = await createRuntime(recipe.device);

  let events: EventWriter | undefined;
  try {
    const folder =
      resumed?.folder ??
      (await RunFolder.create(options.output ?? freeRunFolder(runName(recipe)), recipe));
    const resume = resumed ? await lastCheckpoint(resumed.folder) : undefined;
    if (resume && resume.position.epoch >= recipe.epochs) {
      throw new RequestError(`The run in ${folder.path} is already complete.`);
    }
    const done = resume?.position.metrics ?? [];
    if (resume) await folder.writeMetrics(done);
    events = await EventWriter.open(folder.path, resume && { resumeStep: done.length + 1 });
    const writer = events;
    options.onStart?.({
      recipe,
      folder: folder.path,
      trainImages: size(data.train),
      valImages: size(data.val),
      parameters,
      macs,
      epochsDone: done.length,
    });

    const { metrics, overhead } = await train(runtime, model, data, {
      epochs: recipe.epochs,
      batchSize: recipe.batchSize,
      optimizer,
      schedule,
      seed: recipe.seed,
      augment: recipe.augment,
      labelSmoothing: recipe.labelSmoothing,
      ...(resume && { resume }),
      ...(options.signal && { signal: options.signal }),
      ...(options.profile !== undefined && { profile: options.profile }),
      ...(options.onStep && { onStep: options.onStep }),
      onCheckpoint: async (position, state) => {
        const latest = position.iteration === 0 ? position.metrics.at(-1) : undefined;
        await save(folder, position, state);
        if (latest === undefined) return;
        const { epoch, lr, seconds, images_per_second, ...curves } = latest;
        await writer.scalars(epoch, { ...curves, lr, images_per_second, seconds });
        options.onEpoch?.(latest);
      },
    });

    const { best, meanBest5 } = bestOf(metrics);
    const summary: Summary = {
      best_top1: best,
      mean_best5_top1: meanBest5,
      last_top1: metrics.at(-1)?.val_top1 ?? NaN,
      params: parameters,
      macs,
      seed: recipe.seed,
      epochs: metrics.length,
      overhead,
      versions: versions(),
    };
    await folder.writeJson('summary.json', summary);
    return { folder: folder.path, summary };
  } finally {
    await events?.close();
    await runtime.close();
  }
}

/** Both splits of a recipe's data set. */
export async function loadData(
  recipe: Recipe,
): Promise<{ train: ImageDataset; val: ImageDataset }> {
  const { data, limitTrain, limitVal } = recipe;
  const where = data === undefined ? {} : { data };
  const load = (split: 'train' | 'val', limit: number | undefined) =>
    loadDataset(recipe.dataset, { ...where, split, ...(limit !== undefined && { limit }) });
  return { train: await load('train', limitTrain), val: await load('val', limitVal) };
}

/** The model of a recipe, initialised by its seed. */
export function buildModel(recipe: Recipe, classes: number): ResNet {
  const { model, attention, attentionOptions, placement, seed } = recipe;
  if (attention === 'none' && Object.keys(attentionOptions).length > 0) {
    throw new RequestError('Options were given for the attention, but the attention is none.');
  }
  return createModel(model, {
    classes,
    placement,
    seed,
    ...(attention !== 'none' && {
      attention: { id: attention, options: attentionOptions as Record<string, OptionValue> },
    }),
  });
}

function runName({ model, attention, dataset, seed }: Recipe): string {
  return [model, ...(attention === 'none' ? [] : [attention]), dataset, `seed${seed}`].join('-');
}

async function lastCheckpoint(folder: RunFolder): Promise<ReturnType<typeof readCheckpoint>> {
  const file = folder.file('last.safetensors');
  return readCheckpoint(await readFileChecked(file), file);
}

/** The checkpoint first: the metrics can be written again from it. */
async function save(folder: RunFolder, position: Position, state: State): Promise<void> {
  const values = await state.read();
  await folder.writeBytes('last.safetensors', writeCheckpoint(values, position));
  const { metrics, iteration } = position;
  const latest = metrics.at(-1);
  const improved =
    latest && metrics.slice(0, -1).every((earlier) => earlier.val_top1 < latest.val_top1);
  if (improved && iteration === 0) {
    await folder.writeBytes(
      'best.safetensors',
      writeCheckpoint(values, position, { optimizer: false }),
    );
  }
  await folder.writeMetrics(metrics);
}
