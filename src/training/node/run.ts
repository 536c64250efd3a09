/** A training run as `fovea train` does it: a recipe in, a run folder out. */
import { availableParallelism } from 'node:os';
import { createModel, type ResNet } from '../../models/index.js';
import { datasetInfo } from '../../data/catalog.js';
import { loadDataset } from '../../data/node/load.js';
import { size, type ImageDataset, type Split } from '../../data/dataset.js';
import { RequestError } from '../../errors.js';
import { cost } from '../../inspect/cost.js';
import type { OptionValue } from '../../attention/index.js';
import type { Optimizer } from '../../optim/index.js';
import { createRuntime } from '../../runtime/node/create.js';
import type { Runtime } from '../../runtime/runtime.js';
import { makeFolder } from '../../formats/node/files.js';
import { withChange, type RateChange } from '../changes.js';
import { checkTraining } from '../check.js';
import { bestOf, type EpochMetrics } from '../metrics.js';
import { optimizerOf, scheduleOf, type Recipe } from '../recipe.js';
import { initialState } from '../step.js';
import { train, type StepProgress, type TrainOptions } from '../train.js';
import { findCheckpoint, saveCheckpoint, setDamagedAside, type Found } from './checkpoints.js';
import { EventWriter } from './event-writer.js';
import { withLock } from './lock.js';
import { refuseOccupied } from './occupied.js';
import { makeFreeRunFolder, RunFolder, versions, type Summary } from './run-folder.js';
import { withWayOn } from './way-on.js';

export interface RunOptions {
  /** Folder of a new run; by default the next free one under runs/. */
  readonly output?: string;
  /**
   * Folder of a run to continue. Its own recipe is used, but for the path of the data if one is
   * given, and for the number of threads if it has none.
   */
  readonly resume?: string;
  /** What is to change in a run that is continued, from where it goes on: only towards a lower learning rate. */
  readonly change?: RateChange;
  /** Asks the run to save and stop. */
  readonly signal?: AbortSignal;
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

/** A recipe and what it makes. */
interface Prepared {
  readonly recipe: Recipe;
  readonly model: ResNet;
  readonly optimizer: Optimizer;
  readonly data: { readonly train: ImageDataset; readonly val: ImageDataset };
  readonly parameters: number;
  readonly macs: number;
}

/** Where a run that is continued stands. */
interface Resumed {
  readonly found: Found | undefined;
  readonly notes: readonly string[];
}

/**
 * Trains by a recipe and keeps everything in a run folder: config.json, metrics.jsonl,
 * last.safetensors and previous.safetensors (the two latest checkpoints), best.safetensors, a
 * TensorBoard event file, summary.json. The folder is locked meanwhile.
 * @throws Interrupted after saving, when the signal asked for it
 * @throws Diverged when the loss is no longer finite; the last checkpoint stays
 * @throws RequestError, FileError, DeviceError for what cannot be had, and if another process is at
 *   work in the folder
 * @throws FoveaError when a checkpoint cannot be written; the one before it stays
 */
export function runTraining(
  given: Recipe,
  options: RunOptions = {},
): Promise<{ folder: string; summary: Summary }> {
  const { resume } = options;
  return resume === undefined ? begin(given, options) : goOn(resume, given, options);
}

async function begin(
  given: Recipe,
  options: RunOptions,
): Promise<{ folder: string; summary: Summary }> {
  // Everything that may be wrong with the request is found before the folder is made.
  if (options.output !== undefined) await refuseOccupied(options.output);
  const recipe = { ...given, threads: given.threads ?? defaultThreads() };
  const prepared = await prepare(recipe);
  return withRuntime(recipe, async (runtime) => {
    const path = options.output ?? (await makeFreeRunFolder(runName(recipe)));
    await makeFolder(path);
    return withLock(path, async () =>
      carryOut(runtime, prepared, await RunFolder.create(path, recipe), options),
    );
  });
}

async function goOn(
  path: string,
  given: Recipe,
  options: RunOptions,
): Promise<{ folder: string; summary: Summary }> {
  const { folder } = await RunFolder.open(path);
  return withLock(folder.path, async () => {
    // Read when nobody else can change it any more.
    const { recipe: kept } = await RunFolder.open(path);
    const threads = kept.threads ?? given.threads ?? defaultThreads();
    const prepared = await prepare({ ...kept, threads, ...(given.data && { data: given.data }) });
    const { model, optimizer } = prepared;
    const found = await findCheckpoint(folder, initialState(model, optimizer));
    const at = found?.checkpoint.position ?? { epoch: 0, iteration: 0 };
    if (folder.has('summary.json') && at.epoch >= kept.epochs) {
      throw new RequestError(
        `The run in ${path} is already complete, with ${kept.epochs} epochs. ` +
          'For more epochs, begin a new run.',
      );
    }
    const changed = withChange({ ...kept, threads }, options.change ?? {}, at);
    const notes = [
      ...(kept.threads === undefined
        ? [
            `The run was begun by a version of Fovea that did not write down its number of threads. It goes on with ${threads}, and keeps that number.`,
          ]
        : []),
      ...(found?.notes ?? []),
      ...(changed.changes === kept.changes ? [] : [lowered(changed)]),
    ];
    return withRuntime(changed, async (runtime) => {
      if (JSON.stringify(changed) !== JSON.stringify(kept)) {
        await folder.writeJson('config.json', changed);
      }
      const recipe = { ...prepared.recipe, ...(changed.changes && { changes: changed.changes }) };
      return carryOut(runtime, { ...prepared, recipe }, folder, options, { found, notes });
    });
  });
}

/**
 * Everything that a recipe asks for, checked.
 * @throws RequestError, FileError for what cannot be had or does not fit
 */
async function prepare(recipe: Recipe): Promise<Prepared> {
  const model = buildModel(recipe, datasetInfo(recipe.dataset).classes);
  const optimizer = optimizerOf(recipe);
  const data = await loadData(recipe);
  const { channels, height, width } = data.train;
  const { parameters, macs } = cost(model, [channels, height, width]);
  checkTraining(model, data, { ...recipe, optimizer });
  return { recipe, model, optimizer, data, parameters, macs };
}

async function withRuntime<T>(
  { device, threads }: Recipe,
  body: (runtime: Runtime) => Promise<T>,
): Promise<T> {
  const runtime = await createRuntime(device, { ...(threads !== undefined && { threads }) });
  try {
    return await body(runtime);
  } finally {
    await runtime.close();
  }
}

/** Does what is left of a run, in its folder. */
async function carryOut(
  runtime: Runtime,
  { recipe, model, optimizer, data, parameters, macs }: Prepared,
  folder: RunFolder,
  options: RunOptions,
  resumed?: Resumed,
): Promise<{ folder: string; summary: Summary }> {
  const resume = resumed?.found?.checkpoint;
  await folder.removeTemporaryFiles();
  if (resumed?.found?.damaged) await setDamagedAside(folder);
  const done = resume?.position.metrics ?? [];
  const begunBefore = folder.has('metrics.jsonl');
  if (resumed && (resume || begunBefore)) await folder.writeMetrics(done);
  // The last epoch is told again: the run may have been killed before it was.
  const again = done.at(-1);
  const events = await EventWriter.open(
    folder.path,
    (resume ?? begunBefore) ? { resumeStep: again?.epoch ?? 1 } : undefined,
  );
  try {
    const writeCurves = ({ epoch, lr, seconds, images_per_second, ...curves }: EpochMetrics) =>
      events.scalars(epoch, { ...curves, lr, images_per_second, seconds });
    if (again) await writeCurves(again);
    options.onStart?.({
      recipe,
      folder: folder.path,
      trainImages: size(data.train),
      valImages: size(data.val),
      parameters,
      macs,
      ...(resumed && {
        resumedAt: resume?.position ?? { epoch: 0, iteration: 0 },
        notes: resumed.notes,
      }),
    });

    let saved = resume?.position;
    let stepsSince = 0;
    const { metrics, overhead } = await train(runtime, model, data, {
      ...trainOptions(recipe, optimizer, options),
      ...(resume && { resume }),
      onStep: (progress) => {
        if (progress.phase === 'train') stepsSince++;
        options.onStep?.(progress);
      },
      onCheckpoint: async (position, state) => {
        await saveCheckpoint(folder, position, await state.read());
        saved = { ...position, metrics: [...position.metrics] };
        stepsSince = 0;
      },
      onEpoch: async (epochMetrics) => {
        await writeCurves(epochMetrics);
        options.onEpoch?.(epochMetrics);
      },
    }).catch(async (error: unknown) => {
      throw await withWayOn(error, folder, saved && { position: saved, stepsSince });
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
    await events.close();
  }
}

/** The change that a run goes on with, in a sentence. */
function lowered({ changes }: Recipe): string {
  const { epoch, step, ...rates } = changes?.at(-1) ?? {};
  const list = Object.entries(rates).map(([name, value]) => `${name} ${value}`);
  return `From epoch ${epoch}, step ${step} on: ${list.join(', ')}. This is written down in config.json.`;
}

/** What a recipe and the options of its run say to the training loop. */
function trainOptions(
  recipe: Recipe,
  optimizer: Optimizer,
  { signal, checkpointMinutes, profile }: RunOptions,
): TrainOptions {
  const { epochs, batchSize, seed, augment, labelSmoothing } = recipe;
  return {
    epochs,
    batchSize,
    optimizer,
    schedule: scheduleOf(recipe),
    seed,
    augment,
    labelSmoothing,
    ...(signal && { signal }),
    ...(checkpointMinutes !== undefined && { checkpointMinutes }),
    ...(profile !== undefined && { profile }),
  };
}

/** Threads of a run that is alone on the machine: one per core. */
export function defaultThreads(): number {
  return availableParallelism();
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

/**
 * The model of a recipe, initialised by its seed.
 * @param imageSize height and width of its images. Default: those of the recipe's data set
 */
export function buildModel(
  recipe: Recipe,
  classes: number,
  imageSize?: readonly [number, number],
): ResNet {
  const { model, attention, attentionOptions, placement, stages, seed } = recipe;
  if (attention === 'none' && Object.keys(attentionOptions).length > 0) {
    throw new RequestError('Options were given for the attention, but the attention is none.');
  }
  if (attention === 'none' && stages !== undefined) {
    throw new RequestError('Stages were given for the attention, but the attention is none.');
  }
  const { height, width } = datasetInfo(recipe.dataset);
  return createModel(model, {
    classes,
    imageSize: imageSize ?? [height, width],
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
