/** A comparison as `fovea compare` does it: settings in, a folder of finished runs out. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { FileError, FoveaError, RequestError } from '../../errors.js';
import { cost } from '../../inspect/cost.js';
import { checkTraining } from '../../training/check.js';
import type { EpochMetrics } from '../../training/metrics.js';
import { lockFolder, type FolderLock } from '../../training/node/lock.js';
import { refuseOccupied } from '../../training/node/occupied.js';
import { bestFigure, RunFolder } from '../../training/node/run-folder.js';
import {
  dataOf,
  fitOptionsOf,
  importModules,
  modelOf,
  taskOf,
} from '../../training/node/from-recipe.js';
import type { RunStart } from '../../training/node/run.js';
import { Interrupted, type StepProgress } from '../../training/fit.js';
import { makeRecipe, type Recipe } from '../../training/recipe.js';
import {
  makeFolder,
  readJsonFile,
  removeTemporaryFiles,
  writeJsonFile,
} from '../../formats/node/files.js';
import { trainInProcess } from './train-in-process.js';
import { runSummarySchema, summaryFigure } from '../results.js';
import {
  AXES,
  differences,
  makeSettings,
  parseVariants,
  plannedRuns,
  type Axis,
  type CompareSettings,
  type PlannedRun,
  type SharedRecipeInput,
  type Variant,
} from '../settings.js';

/** What a person asked for; what is missing is taken from the folder or, in a new one, from the defaults. */
export interface CompareRequest {
  /** Which part of the network is compared. Default 'attention'. */
  readonly axis?: Axis;
  /** Of that part. Default a few of them. */
  readonly variants?: readonly Variant[];
  readonly seeds?: readonly number[];
  readonly recipe: SharedRecipeInput;
}

export interface CompareOptions {
  /**
   * Runs at a time, which may change from one part of a comparison to the next: results do not
   * depend on it. Default: as many as the cores have room for, with the threads of each, at most 4;
   * 1 on a GPU.
   */
  readonly jobs?: number;
  /** Asks all runs to save and stop. */
  readonly signal?: AbortSignal;
  /** Where the data lie now, if not where the settings say. */
  readonly data?: string;
  readonly onPlan?: (plan: readonly PlannedRun[], finished: ReadonlySet<string>) => void;
  readonly onRunStart?: (run: PlannedRun, start: RunStart) => void;
  readonly onStep?: (run: PlannedRun, progress: StepProgress) => void;
  readonly onEpoch?: (run: PlannedRun, metrics: EpochMetrics) => void;
  readonly onRunEnd?: (run: PlannedRun, state: RunState) => void;
}

/** How a run of a comparison stands. */
export interface RunState {
  readonly state: 'waiting' | 'running' | 'stopped' | 'failed' | 'done';
  /** Why it failed. */
  readonly message?: string;
  /** The best value of the task's figure. */
  readonly best?: number;
}

const SETTINGS = 'compare.json';
const LEDGER = 'ledger.json';

/** More runs at a time than this are made only if they are asked for. */
const MOST_JOBS = 4;

/** The folder of one comparison: its settings, its ledger and its runs. */
export class Comparison {
  readonly plan: readonly PlannedRun[];
  private readonly states = new Map<string, RunState>();

  private constructor(
    readonly path: string,
    readonly settings: CompareSettings,
    private readonly lock?: FolderLock,
  ) {
    this.plan = plannedRuns(settings);
  }

  /**
   * Opens a comparison's folder to go on with it, or makes a new one, and keeps it locked until
   * `close`.
   * @throws RequestError if the folder has other settings (with the differences) or holds something
   *   else, if a mechanism does not fit the model, the data cannot be had, or another process is at
   *   work in the folder
   */
  static async open(path: string, request: CompareRequest): Promise<Comparison> {
    const { isNew, settings } = await plannedSettings(path, request);
    if (isNew) {
      await refuseOccupied(path);
      await new Comparison(resolve(path), settings).check();
      await makeFolder(resolve(path));
    }
    const lock = await lockFolder(resolve(path));
    try {
      // Looked at again: another process may have made it in between.
      const planned = await plannedSettings(path, request);
      if (planned.isNew) await refuseOccupied(path);
      await removeTemporaryFiles(path, [SETTINGS, LEDGER]);
      if (planned.toWrite) await writeJsonFile(join(path, SETTINGS), planned.settings);
      return new Comparison(resolve(path), planned.settings, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Lets other processes into the folder. */
  async close(): Promise<void> {
    await this.lock?.release();
  }

  /** The comparison in a folder, as it stands. */
  static async read(path: string): Promise<Comparison> {
    const settings = await readSettings(path);
    if (settings === undefined) {
      throw new RequestError(
        `${path} is not the folder of a comparison: ${existsSync(path) ? `it has no ${SETTINGS}` : 'there is no such folder'}.`,
      );
    }
    return new Comparison(resolve(path), settings);
  }

  /** The folder of a run. */
  folderOf(run: PlannedRun): string {
    return join(this.path, 'runs', run.name);
  }

  /** Whether a run is complete. */
  isDone(run: PlannedRun): boolean {
    return existsSync(join(this.folderOf(run), 'summary.json'));
  }

  /**
   * Does all runs that are not done yet, each from where it was left. A run that fails does not
   * stop the others.
   * @returns how every run stands, by name
   * @throws Interrupted after all runs were saved, when the signal asked for it
   */
  async run(options: CompareOptions = {}): Promise<ReadonlyMap<string, RunState>> {
    if (this.lock === undefined) {
      throw new FoveaError(
        `The comparison in ${this.path} was only read. Open it with Comparison.open to run it.`,
      );
    }
    const { signal } = options;
    const jobs = jobsAtATime(options.jobs, this.settings.recipe);
    for (const run of this.plan) this.states.set(run.name, await this.stateOf(run));
    const isDone = ({ name }: PlannedRun): boolean => this.states.get(name)?.state === 'done';
    const waiting = this.plan.filter((run) => !isDone(run));
    options.onPlan?.(this.plan, new Set(this.plan.filter(isDone).map(({ name }) => name)));
    await this.writeLedger();

    const worker = async (): Promise<void> => {
      for (let run = waiting.shift(); run && !signal?.aborted; run = waiting.shift()) {
        const state = await this.train(run, options);
        await this.record(run, state);
        options.onRunEnd?.(run, state);
      }
    };
    await Promise.all(Array.from({ length: jobs }, worker));
    if (signal?.aborted) {
      const done = this.plan.filter(isDone).length;
      throw new Interrupted(
        `Stopped with ${done} of ${this.plan.length} runs done; those under way are saved. Continue with the same command.`,
      );
    }
    return this.states;
  }

  private async train(run: PlannedRun, { signal, data, ...on }: CompareOptions): Promise<RunState> {
    await this.record(run, { state: 'running' });
    const folder = this.folderOf(run);
    const recipe: Recipe = data === undefined ? run.recipe : { ...run.recipe, data };
    const begun = existsSync(join(folder, 'config.json'));
    const outcome = await trainInProcess(
      { kind: 'train', recipe, ...(begun ? { resume: folder } : { output: folder }) },
      (report) => {
        if (report.kind === 'start') on.onRunStart?.(run, report.start);
        else if (report.kind === 'step') on.onStep?.(run, report.progress);
        else on.onEpoch?.(run, report.metrics);
      },
      signal,
    );
    if (outcome.kind === 'done') return { state: 'done', best: bestFigure(outcome.summary) };
    if (outcome.kind === 'stopped') return { state: 'stopped' };
    return { state: 'failed', message: outcome.message };
  }

  /** How a run stands before anything is done, as its folder says. */
  private async stateOf(run: PlannedRun): Promise<RunState> {
    const folder = this.folderOf(run);
    if (!existsSync(join(folder, 'config.json'))) return { state: 'waiting' };
    const { recipe } = await RunFolder.open(folder);
    // Where the data lie may differ; a run of an older version does not say its threads.
    const { threads = run.recipe.threads } = recipe;
    const same = (one: Recipe): string =>
      JSON.stringify(
        makeRecipe({
          ...one,
          data: undefined,
          info: undefined,
          threads: one.threads ?? threads,
        }),
      );
    if (same(recipe) !== same(run.recipe)) {
      throw new RequestError(
        `The run in ${folder} has other settings than the comparison asks of it. Move it away, and it is done anew.`,
      );
    }
    if (!this.isDone(run)) return { state: 'stopped' };
    // Of an older version too, which had one task only and did not say its figure.
    const summary = runSummarySchema.parse(await readJsonFile(join(folder, 'summary.json')));
    return { state: 'done', best: summaryFigure(summary, `best_${summary.primary.name}`) };
  }

  private async record(run: PlannedRun, state: RunState): Promise<void> {
    this.states.set(run.name, state);
    await this.writeLedger();
  }

  private async writeLedger(): Promise<void> {
    const runs = this.plan.map(({ name, variant, seed }) => ({
      name,
      label: variant.label,
      seed,
      ...this.states.get(name),
    }));
    await writeJsonFile(join(this.path, LEDGER), { runs });
  }

  /** Finds what is wrong with a request before anything is written: every model is built, the data read. */
  private async check(): Promise<void> {
    const [first] = this.plan;
    if (first === undefined) return;
    await importModules(first.recipe.imports);
    const data = await dataOf(first.recipe);
    const { channels, height, width } = data.train;
    const { axis } = this.settings;
    if (axis !== 'attention' && taskOf(first.recipe).network !== 'segmentation') {
      throw new RequestError(
        `The ${axis} is a part of networks for segmentation, and the task '${first.recipe.task}' wants another kind of network. Add --task segmentation.`,
      );
    }
    for (const { recipe, variant } of this.plan.filter(({ seed }) => seed === first.seed)) {
      const task = taskOf(recipe);
      const model = modelOf(recipe, task, data.train);
      cost(model, [channels, height, width]);
      try {
        checkTraining(model, data, fitOptionsOf(recipe, task));
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        throw new RequestError(`${variant.label}: ${error.message}`, { cause: error });
      }
    }
  }
}

/**
 * Threads of each run of a new comparison: the cores, shared by as many runs as are made at a time.
 * Small networks train fastest with a thread each, since threads that share one step wait for each
 * other at every operator. It does not depend on `jobs`, so that results do not.
 */
function threadsOfEach(device: Recipe['device']): number {
  const cores = availableParallelism();
  return device === 'cpu' ? Math.floor(cores / Math.min(cores, MOST_JOBS)) : cores;
}

/**
 * How many runs are made at a time.
 * @throws RequestError for more than there are cores, or more than one on a GPU
 */
export function jobsAtATime(
  jobs: number | undefined,
  {
    device = 'cpu',
    threads = threadsOfEach(device),
  }: Pick<SharedRecipeInput, 'device' | 'threads'>,
): number {
  const cores = availableParallelism();
  const most = device === 'cpu' ? cores : 1;
  const wanted = jobs ?? Math.min(most, MOST_JOBS, Math.max(1, Math.floor(cores / threads)));
  if (wanted <= most) return wanted;
  throw new RequestError(
    device === 'cpu'
      ? `${wanted} runs at a time are more than this machine has cores. Choose --jobs from 1 to ${cores}.`
      : `On the device '${device}' one run is made at a time. Leave --jobs out.`,
  );
}

/**
 * A request with what it leaves open filled in: from the settings that are there, or else the
 * defaults.
 * @returns whether there are none yet, and whether they are to be written
 * @throws RequestError if the request differs from what is there, FileError if that cannot be read
 */
async function plannedSettings(
  path: string,
  { axis: asked, variants, seeds, recipe }: CompareRequest,
): Promise<{ isNew: boolean; toWrite: boolean; settings: CompareSettings }> {
  const there = await readSettings(path);
  const axis = asked ?? there?.axis ?? 'attention';
  const known = there?.axis === axis ? there.variants : undefined;
  const whole = makeSettings({
    axis,
    variants: variants ?? known ?? parseVariants(AXES[axis].defaults, axis),
    seeds: seeds ?? there?.seeds ?? [1, 2, 3],
    recipe: { ...there?.recipe, ...recipe },
  });
  const threads = whole.recipe.threads ?? threadsOfEach(whole.recipe.device);
  const settings = { ...whole, recipe: { ...whole.recipe, threads } };
  if (there === undefined) return { isNew: true, toWrite: true, settings };
  const changed = differences(there, settings);
  if (changed.length > 0) {
    throw new RequestError(
      `The comparison in ${path} has other settings. Continue it without these flags, or choose another --output:\n${changed.map((line) => `  ${line}`).join('\n')}`,
    );
  }
  return { isNew: false, toWrite: there.recipe.threads === undefined, settings };
}

async function readSettings(path: string): Promise<CompareSettings | undefined> {
  const file = join(path, SETTINGS);
  if (!existsSync(file)) return undefined;
  try {
    return makeSettings(await readJsonFile(file));
  } catch (error) {
    if (!(error instanceof RequestError) || error instanceof FileError) throw error;
    throw new FileError(`${file} cannot be used. ${error.message}`, { cause: error });
  }
}
