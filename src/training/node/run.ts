/** A training run as `fovea train` does it: a recipe in, a run folder out. */
import { availableParallelism } from 'node:os';
import type { Splits } from '../../data/dataset.js';
import { RequestError } from '../../errors.js';
import { makeFolder, readJsonFile } from '../../formats/node/files.js';
import { cost } from '../../inspect/cost.js';
import type { Runtime } from '../../runtime/runtime.js';
import { withChange, type RunChange } from '../changes.js';
import { checkTraining } from '../check.js';
import type { Primary } from '../../tasks/task.js';
import type { Recipe } from '../recipe.js';
import { initialState } from '../step.js';
import { findCheckpoint, type Found } from './checkpoints.js';
import {
  dataOf,
  fitOptionsOf,
  importModules,
  writtenInfo,
  modelOf,
  taskOf,
  knownInfo,
  networkOf,
  runtimeOf,
} from './from-recipe.js';
import { trainInFolder, type Listeners, type Prepared } from './in-folder.js';
import { withLock } from './lock.js';
import { refuseOccupied } from './occupied.js';
import { makeFreeRunFolder, RunFolder, type Summary } from './run-folder.js';

export interface RunOptions extends Listeners {
  /** Folder of a new run; by default the next free one under runs/. */
  readonly output?: string;
  /**
   * Folder of a run to continue. Its own recipe is used, but for the path of the data if one is
   * given, and for the number of threads if it has none.
   */
  readonly resume?: string;
  /** What is to change in a run that is continued, from where it goes on: only towards a lower learning rate, or more epochs. */
  readonly change?: RunChange;
  readonly onStart?: (start: RunStart) => void;
}

/** What is known before the first step. */
export interface RunStart {
  readonly recipe: Recipe;
  readonly folder: string;
  readonly primary: Primary;
  readonly epochs: number;
  readonly trainImages: number;
  readonly valImages: number;
  readonly parameters: number;
  readonly macs: number;
  /** In a run that is continued: its epochs that are done, and the steps of the next one. */
  readonly resumedAt?: { readonly epoch: number; readonly iteration: number };
  /** What a person should know, such as files that were passed over or a checkpoint that was damaged. */
  readonly notes?: readonly string[];
}

/**
 * Trains by a recipe and keeps everything in a run folder: config.json, metrics.jsonl,
 * last.safetensors and previous.safetensors (the two latest checkpoints), best.safetensors, a
 * TensorBoard event file, evaluation.json, summary.json. The folder is locked meanwhile.
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
  const asked = { ...given, threads: given.threads ?? defaultThreads() };
  const prepared = await prepare(asked);
  const recipe = { ...asked, info: writtenInfo(prepared.data.train) };
  return withRuntime(recipe, async (runtime) => {
    const path = options.output ?? (await makeFreeRunFolder(runName(recipe)));
    await makeFolder(path);
    return withLock(path, async () => {
      const folder = await RunFolder.create(path, recipe);
      return carryOut(runtime, recipe, prepared, folder, options);
    });
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
    const here = { ...kept, threads, ...(given.data && { data: given.data }) };
    const prepared = await prepare(here);
    const { model, options: fitOptions } = prepared;
    const initial = initialState(model, fitOptions.optimizer, fitOptions);
    const found = await findCheckpoint(folder, initial);
    const at = found?.checkpoint.position ?? { epoch: 0, iteration: 0 };
    const changed = withChange({ ...kept, threads }, options.change ?? {}, at);
    const { epochs } = fitOptionsOf(changed, fitOptions.task);
    if (epochs === fitOptions.epochs && at.epoch >= (await epochsOf(folder))) {
      throw new RequestError(
        `The run in ${path} is already complete, with ${at.epoch} epochs. ` +
          `For more, say how many there are to be: --epochs ${2 * epochs}.`,
      );
    }
    const notes = [
      ...(kept.threads === undefined
        ? [
            `The run was begun by a version of Fovea that did not write down its number of threads. It goes on with ${threads}, and keeps that number.`,
          ]
        : []),
      ...(found?.notes ?? []),
      ...(changed.changes === kept.changes ? [] : [inWords(changed)]),
    ];
    return withRuntime(changed, async (runtime) => {
      if (JSON.stringify(changed) !== JSON.stringify(kept)) {
        await folder.writeJson('config.json', changed);
      }
      const recipe = { ...here, ...(changed.changes && { changes: changed.changes }) };
      const goingOn = { ...prepared, options: fitOptionsOf(recipe, fitOptions.task) };
      return carryOut(runtime, recipe, goingOn, folder, options, { found, notes });
    });
  });
}

/**
 * Everything that a recipe asks for, checked.
 * @throws RequestError, FileError for what cannot be had or does not fit
 */
export async function prepare(recipe: Recipe): Promise<Prepared & Pick<Splits, 'notes'>> {
  await importModules(recipe.imports);
  const task = taskOf(recipe);
  const options = fitOptionsOf(recipe, task);
  // What is wrong with the network is said before the data are looked for, where that is known.
  const known = knownInfo(recipe);
  if (known) networkOf(recipe, task, known);
  const data = await dataOf(recipe);
  const model = modelOf(recipe, task, data.train);
  const { channels, height, width } = data.train;
  const { parameters, macs } = cost(model, [channels, height, width]);
  checkTraining(model, data, options);
  return { model, data, options, parameters, macs, notes: data.notes };
}

async function withRuntime<T>(recipe: Recipe, body: (runtime: Runtime) => Promise<T>): Promise<T> {
  const runtime = await runtimeOf(recipe);
  try {
    return await body(runtime);
  } finally {
    await runtime.close();
  }
}

/** Does what is left of a run, in its folder. */
async function carryOut(
  runtime: Runtime,
  recipe: Recipe,
  prepared: Awaited<ReturnType<typeof prepare>>,
  folder: RunFolder,
  options: RunOptions,
  resumed?: { readonly found: Found | undefined; readonly notes: readonly string[] },
): Promise<{ folder: string; summary: Summary }> {
  const { data, parameters, macs, options: fitOptions } = prepared;
  const { summary } = await trainInFolder(runtime, prepared, folder, options, {
    found: resumed?.found,
    onStart: () =>
      options.onStart?.({
        recipe,
        folder: folder.path,
        primary: fitOptions.task.primary,
        epochs: fitOptions.epochs,
        trainImages: data.train.size,
        valImages: data.val.size,
        parameters,
        macs,
        notes: [...prepared.notes, ...(resumed?.notes ?? [])],
        ...(resumed && {
          resumedAt: resumed.found?.checkpoint.position ?? { epoch: 0, iteration: 0 },
        }),
      }),
  });
  return { folder: folder.path, summary };
}

/** The epochs of a run that has ended, fewer than it was to have if it was stopped early; infinite for one that has not. */
async function epochsOf(folder: RunFolder): Promise<number> {
  if (!folder.has('summary.json')) return Infinity;
  const summary = await readJsonFile(folder.file('summary.json'));
  const known = typeof summary === 'object' && summary !== null && 'epochs' in summary;
  return known && typeof summary.epochs === 'number' ? summary.epochs : Infinity;
}

/** The change that a run goes on with, in a sentence. */
function inWords({ changes }: Recipe): string {
  const { epoch, step, ...settings } = changes?.at(-1) ?? {};
  const list = Object.entries(settings).map(([name, value]) => `${name} ${value}`);
  return `From epoch ${epoch}, step ${step} on: ${list.join(', ')}. This is written down in config.json.`;
}

/** Threads of a run that is alone on the machine: one per core. */
export function defaultThreads(): number {
  return availableParallelism();
}

function runName({ task, model, attention, fusion, head, dataset, seed }: Recipe): string {
  const parts = [
    ...(task === 'classification' ? [] : [task]),
    model,
    ...(attention === 'none' ? [] : [attention]),
    fusion,
    head,
    dataset,
    `seed${seed}`,
  ];
  return parts.flatMap((part) => part?.replaceAll(/[^\w.-]+/g, '-') ?? []).join('-');
}
