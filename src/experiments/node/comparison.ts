/** A comparison as `fovea compare` does it: settings in, a folder of finished runs out. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { datasetInfo } from '../../data/catalog.js';
import { FileError, RequestError } from '../../errors.js';
import { cost } from '../../inspect/cost.js';
import { checkTraining } from '../../training/check.js';
import type { EpochMetrics } from '../../training/metrics.js';
import { RunFolder, type Summary } from '../../training/node/run-folder.js';
import { buildModel, loadData, type RunStart } from '../../training/node/run.js';
import { makeRecipe, optimizerOf, type Recipe } from '../../training/recipe.js';
import { Interrupted, type StepProgress } from '../../training/train.js';
import { makeFolder, readJsonFile, writeJsonFile } from '../../weights/node/files.js';
import { withLock } from './lock.js';
import { trainInProcess } from './train-in-process.js';
import {
  differences,
  makeSettings,
  parseVariants,
  plannedRuns,
  type CompareSettings,
  type PlannedRun,
  type SharedRecipeInput,
  type Variant,
} from '../settings.js';

/** What a person asked for; what is missing is taken from the folder or, in a new one, from the defaults. */
export interface CompareRequest {
  readonly variants?: readonly Variant[];
  readonly seeds?: readonly number[];
  readonly recipe: SharedRecipeInput;
}

export interface CompareOptions {
  /** Runs at a time, each with its share of the cores. Default: one for each core, at most 4; 1 on a GPU. */
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
  readonly best_top1?: number;
}

const SETTINGS = 'compare.json';
const LEDGER = 'ledger.json';

/** The folder of one comparison: its settings, its ledger and its runs. */
export class Comparison {
  readonly plan: readonly PlannedRun[];
  private readonly states = new Map<string, RunState>();

  private constructor(
    readonly path: string,
    readonly settings: CompareSettings,
  ) {
    this.plan = plannedRuns(settings);
  }

  /**
   * Opens a comparison's folder to go on with it, or makes a new one.
   * @throws RequestError if the folder has other settings (with the differences) or holds something
   *   else, if a mechanism does not fit the model, or the data cannot be had
   */
  static async open(path: string, request: CompareRequest): Promise<Comparison> {
    const there = await readSettings(path);
    const settings = completeSettings(request, there);
    if (there !== undefined) {
      const changed = differences(there, settings);
      if (changed.length > 0) {
        throw new RequestError(
          `The comparison in ${path} has other settings. Continue it without these flags, or choose another --output:\n${changed.map((line) => `  ${line}`).join('\n')}`,
        );
      }
      return new Comparison(resolve(path), settings);
    }
    const inTheWay = ['runs', LEDGER].filter((name) => existsSync(join(path, name)));
    if (inTheWay.length > 0) {
      throw new RequestError(
        `${path} already has ${inTheWay.join(' and ')}, but no ${SETTINGS}: it is not a comparison's folder. Choose another --output.`,
      );
    }
    const comparison = new Comparison(resolve(path), settings);
    await comparison.check();
    await makeFolder(comparison.path);
    await writeJsonFile(join(path, SETTINGS), settings);
    return comparison;
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
   * @throws RequestError if another process is at work in the folder
   * @throws Interrupted after all runs were saved, when the signal asked for it
   */
  run(options: CompareOptions = {}): Promise<ReadonlyMap<string, RunState>> {
    return withLock(this.path, () => this.runAll(options));
  }

  private async runAll(options: CompareOptions): Promise<ReadonlyMap<string, RunState>> {
    const { signal } = options;
    const { jobs, threads } = share(options.jobs, this.settings.recipe.device);
    for (const run of this.plan) this.states.set(run.name, await this.stateOf(run));
    const isDone = ({ name }: PlannedRun): boolean => this.states.get(name)?.state === 'done';
    const waiting = this.plan.filter((run) => !isDone(run));
    options.onPlan?.(this.plan, new Set(this.plan.filter(isDone).map(({ name }) => name)));
    await this.writeLedger();

    const worker = async (): Promise<void> => {
      for (let run = waiting.shift(); run && !signal?.aborted; run = waiting.shift()) {
        const state = await this.train(run, threads, options);
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

  private async train(
    run: PlannedRun,
    threads: number,
    { signal, data, ...on }: CompareOptions,
  ): Promise<RunState> {
    await this.record(run, { state: 'running' });
    const folder = this.folderOf(run);
    const recipe: Recipe = data === undefined ? run.recipe : { ...run.recipe, data };
    const begun = existsSync(join(folder, 'config.json'));
    const outcome = await trainInProcess(
      { kind: 'train', recipe, ...(begun ? { resume: folder } : { output: folder }), threads },
      (report) => {
        if (report.kind === 'start') on.onRunStart?.(run, report.start);
        else if (report.kind === 'step') on.onStep?.(run, report.progress);
        else on.onEpoch?.(run, report.metrics);
      },
      signal,
    );
    if (outcome.kind === 'done') return { state: 'done', best_top1: outcome.summary.best_top1 };
    if (outcome.kind === 'stopped') return { state: 'stopped' };
    return { state: 'failed', message: outcome.message };
  }

  /** How a run stands before anything is done, as its folder says. */
  private async stateOf(run: PlannedRun): Promise<RunState> {
    const folder = this.folderOf(run);
    if (!existsSync(join(folder, 'config.json'))) return { state: 'waiting' };
    const { recipe } = await RunFolder.open(folder);
    const same = (one: Recipe): string => JSON.stringify(makeRecipe({ ...one, data: undefined }));
    if (same(recipe) !== same(run.recipe)) {
      throw new RequestError(
        `The run in ${folder} has other settings than the comparison asks of it. Move it away, and it is done anew.`,
      );
    }
    if (!this.isDone(run)) return { state: 'stopped' };
    const summary = (await readJsonFile(join(folder, 'summary.json'))) as Summary;
    return { state: 'done', best_top1: summary.best_top1 };
  }

  private async record(run: PlannedRun, state: RunState): Promise<void> {
    this.states.set(run.name, state);
    await this.writeLedger();
  }

  private async writeLedger(): Promise<void> {
    const runs = this.plan.map(({ name, variant, seed }) => ({
      name,
      attention: variant.label,
      seed,
      ...this.states.get(name),
    }));
    await writeJsonFile(join(this.path, LEDGER), { runs });
  }

  /** Finds what is wrong with a request before anything is written: every model is built, the data read. */
  private async check(): Promise<void> {
    const [first] = this.plan;
    if (first === undefined) return;
    const data = await loadData(first.recipe);
    const { channels, height, width } = data.train;
    for (const { recipe, variant } of this.plan.filter(({ seed }) => seed === first.seed)) {
      const model = buildModel(recipe, datasetInfo(recipe.dataset).classes);
      cost(model, [channels, height, width]);
      try {
        checkTraining(model, data, { ...recipe, optimizer: optimizerOf(recipe) });
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        throw new RequestError(`${variant.label}: ${error.message}`, { cause: error });
      }
    }
  }
}

/**
 * How many runs at a time, and the threads of each. Small networks train fastest with a thread each,
 * since threads that share one step wait for each other at every operator.
 * @throws RequestError for more runs than there are cores, or more than one on a GPU
 */
export function share(
  jobs: number | undefined,
  device: Recipe['device'],
): { readonly jobs: number; readonly threads: number } {
  const cores = availableParallelism();
  const most = device === 'cpu' ? cores : 1;
  const wanted = jobs ?? Math.min(most, 4);
  if (wanted > most) {
    throw new RequestError(
      device === 'cpu'
        ? `${wanted} runs at a time are more than this machine has cores. Choose --jobs from 1 to ${cores}.`
        : `On the device '${device}' one run is made at a time. Leave --jobs out.`,
    );
  }
  return { jobs: wanted, threads: Math.floor(cores / wanted) };
}

/** A request with what it leaves open filled in: from the settings that are there, or else the defaults. */
function completeSettings(
  { variants, seeds, recipe }: CompareRequest,
  there: CompareSettings | undefined,
): CompareSettings {
  return makeSettings({
    variants: variants ?? there?.variants ?? parseVariants('none,se,eca,cbam'),
    seeds: seeds ?? there?.seeds ?? [1, 2, 3],
    recipe: { ...there?.recipe, ...recipe },
  });
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
