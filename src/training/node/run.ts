/** A training run as `fovea train` does it: a recipe in, a run folder out. */
import { createModel, type ResNet } from '../../models/index.js';
import { datasetInfo } from '../../data/catalog.js';
import { loadDataset } from '../../data/node/load.js';
import { size, type ImageDataset, type Split } from '../../data/dataset.js';
import { FileError, FoveaError, RequestError } from '../../errors.js';
import { cost } from '../../inspect/cost.js';
import type { OptionValue } from '../../attention/index.js';
import { createRuntime } from '../../runtime/node/create.js';
import { checkTraining } from '../check.js';
import { bestOf, type EpochMetrics } from '../metrics.js';
import { optimizerOf, scheduleOf, type Recipe } from '../recipe.js';
import { initialState } from '../step.js';
import { Diverged, Interrupted, train, type Position, type StepProgress } from '../train.js';
import {
  findCheckpoint,
  newestCheckpoint,
  saveCheckpoint,
  setDamagedAside,
} from './checkpoints.js';
import { EventWriter } from './event-writer.js';
import { freeRunFolder, RunFolder, versions, type Summary } from './run-folder.js';

export interface RunOptions {
  /** Folder of a new run; by default the next free one under runs/. */
  readonly output?: string;
  /** Folder of a run to continue; its own recipe is used, but for the path of the data if one is given. */
  readonly resume?: string;
  /** Asks the run to save and stop. */
  readonly signal?: AbortSignal;
  /** Threads within one operator. Default: one per core. */
  readonly threads?: number;
  /** Minutes after which a checkpoint is taken within an epoch too; 0: after every step. Default 10. */
  readonly checkpointMinutes?: number;
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
  /** In a run that is continued: its epochs that are done, and the steps of the next one. */
  readonly resumedAt?: { readonly epoch: number; readonly iteration: number };
  /** In a run that is continued: what a person should know, such as that a checkpoint was damaged. */
  readonly notes?: readonly string[];
}

/**
 * Trains by a recipe and keeps everything in a run folder: config.json, metrics.jsonl,
 * last.safetensors and previous.safetensors (the two latest checkpoints), best.safetensors, a
 * TensorBoard event file, summary.json.
 * @throws Interrupted after saving, when the signal asked for it
 * @throws Diverged when the loss is no longer finite; the last checkpoint stays
 * @throws RequestError, FileError, DeviceError for what cannot be had
 * @throws FoveaError when a checkpoint cannot be written; the one before it stays
 */
export async function runTraining(
  given: Recipe,
  options: RunOptions = {},
): Promise<{ folder: string; summary: Summary }> {
  const resumed = options.resume === undefined ? undefined : await RunFolder.open(options.resume);
  const recipe = resumed ? { ...resumed.recipe, ...(given.data && { data: given.data }) } : given;
  // Everything that may be wrong with the request is found before the folder is made.
  const model = buildModel(recipe, datasetInfo(recipe.dataset).classes);
  const optimizer = optimizerOf(recipe);
  const data = await loadData(recipe);
  const { channels, height, width } = data.train;
  const { parameters, macs } = cost(model, [channels, height, width]);
  checkTraining(model, data, { ...recipe, optimizer });
  const found = resumed && (await findCheckpoint(resumed.folder, initialState(model, optimizer)));
  const resume = found?.checkpoint;
  if (resumed?.folder.has('summary.json') && (resume?.position.epoch ?? 0) >= recipe.epochs) {
    throw new RequestError(
      `The run in ${options.resume ?? ''} is already complete, with ${recipe.epochs} epochs. ` +
        'For more epochs, begin a new run.',
    );
  }

  const runtime = await createRuntime(recipe.device, {
    ...(options.threads !== undefined && { threads: options.threads }),
  });
  let events: EventWriter | undefined;
  try {
    const folder =
      resumed?.folder ??
      (await RunFolder.create(options.output ?? freeRunFolder(runName(recipe)), recipe));
    await folder.removeTemporaryFiles();
    if (found?.damaged) await setDamagedAside(folder);
    const done = resume?.position.metrics ?? [];
    if (resume) await folder.writeMetrics(done);
    // The last epoch is told again: the run may have been killed before it was.
    const again = done.at(-1);
    events = await EventWriter.open(folder.path, resume && { resumeStep: again?.epoch ?? 1 });
    const writer = events;
    const writeCurves = ({ epoch, lr, seconds, images_per_second, ...curves }: EpochMetrics) =>
      writer.scalars(epoch, { ...curves, lr, images_per_second, seconds });
    if (again) await writeCurves(again);
    options.onStart?.({
      recipe,
      folder: folder.path,
      trainImages: size(data.train),
      valImages: size(data.val),
      parameters,
      macs,
      ...(resumed && { resumedAt: resume?.position ?? { epoch: 0, iteration: 0 } }),
      ...(found && { notes: found.notes }),
    });

    let saved = resume?.position;
    const { metrics, overhead } = await train(runtime, model, data, {
      epochs: recipe.epochs,
      batchSize: recipe.batchSize,
      optimizer,
      schedule: scheduleOf(recipe),
      seed: recipe.seed,
      augment: recipe.augment,
      labelSmoothing: recipe.labelSmoothing,
      ...(resume && { resume }),
      ...(options.signal && { signal: options.signal }),
      ...(options.checkpointMinutes !== undefined && {
        checkpointMinutes: options.checkpointMinutes,
      }),
      ...(options.profile !== undefined && { profile: options.profile }),
      ...(options.onStep && { onStep: options.onStep }),
      onCheckpoint: async (position, state) => {
        await saveCheckpoint(folder, position, await state.read());
        saved = { ...position, metrics: [...position.metrics] };
      },
      onEpoch: async (epochMetrics) => {
        await writeCurves(epochMetrics);
        options.onEpoch?.(epochMetrics);
      },
    }).catch((error: unknown) => {
      throw withWayOn(error, folder, saved);
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
      overhead: Number.isFinite(overhead) ? overhead : null,
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
  return { train: await loadSplit(recipe, 'train'), val: await loadSplit(recipe, 'val') };
}

/** One split of a recipe's data set, limited as the recipe says. */
export function loadSplit(recipe: Recipe, split: Split): Promise<ImageDataset> {
  const { dataset, data, limitTrain, limitVal } = recipe;
  const limit = split === 'train' ? limitTrain : limitVal;
  return loadDataset(dataset, {
    split,
    ...(data !== undefined && { data }),
    ...(limit !== undefined && { limit }),
  });
}

/** The model of a recipe, initialised by its seed. */
export function buildModel(recipe: Recipe, classes: number): ResNet {
  const { model, attention, attentionOptions, placement, stages, seed } = recipe;
  if (attention === 'none' && Object.keys(attentionOptions).length > 0) {
    throw new RequestError('Options were given for the attention, but the attention is none.');
  }
  if (attention === 'none' && stages !== undefined) {
    throw new RequestError('Stages were given for the attention, but the attention is none.');
  }
  return createModel(model, {
    classes,
    placement,
    seed,
    ...(stages !== undefined && { stages }),
    ...(attention !== 'none' && {
      attention: { id: attention, options: attentionOptions as Record<string, OptionValue> },
    }),
  });
}

function runName({ model, attention, dataset, seed }: Recipe): string {
  return [model, ...(attention === 'none' ? [] : [attention]), dataset, `seed${seed}`].join('-');
}

/** The error that ended a run, with what is kept of the run and how to go on. */
function withWayOn(error: unknown, folder: RunFolder, saved: Position | undefined): unknown {
  const command = `fovea train --resume ${quoted(folder.path)}`;
  if (error instanceof Interrupted) {
    return new Interrupted(`${error.message} It is saved; continue with: ${command}`);
  }
  const kept =
    saved === undefined
      ? 'The run has no checkpoint yet.'
      : `The checkpoint from after epoch ${saved.epoch}${saved.iteration > 0 ? `, step ${saved.iteration},` : ''} is kept in ${folder.file(newestCheckpoint(folder))}.`;
  if (error instanceof Diverged) return new Diverged(`${error.message} ${kept}`);
  // The request was right, the disk was not: not a FileError, which says the opposite.
  if (error instanceof FileError) {
    return new FoveaError(`${error.message} ${kept} To go on afterwards: ${command}`, {
      cause: error,
    });
  }
  return error;
}

/** A path as a shell takes it. */
function quoted(path: string): string {
  return /^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
