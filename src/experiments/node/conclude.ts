/** What follows the runs of a comparison: looking into every network, timing them, and the report. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FileError, RequestError } from '../../errors.js';
import { runtimeOf } from '../../training/node/from-recipe.js';
import { Interrupted } from '../../training/fit.js';
import { RunFolder } from '../../training/node/run-folder.js';
import { listed } from '../report/format.js';
import type { PlannedRun } from '../settings.js';
import type { Comparison } from './comparison.js';
import { explainRun } from '../../explain/node/explain.js';
import { LATENCY, measureLatency, writeLatency } from './latency.js';
import { writeReport, type WrittenReport } from './report.js';

export interface ConcludeOptions {
  /** Asks to stop after what is under way; what is there stays, and the rest is done the next time. */
  readonly signal?: AbortSignal;
  /** Where the data lie now, if not where the settings say. */
  readonly data?: string;
  /** Told before each run is looked into, and before the timing. */
  readonly onStage?: (stage: PlannedRun | 'latency', done: number, total: number) => void;
}

/** The report, and what could not be had for it, a sentence each. */
export interface Conclusion extends WrittenReport {
  readonly notes: readonly string[];
}

/** So many images, the same for every run, so that their pictures stand side by side. */
const IMAGES = 6;

/** Validation images that localisation is scored on, where the data set knows its objects. */
const SCORED = 200;

/**
 * Brings a comparison to its end: an explanation in the folder of every run that is done and has
 * none, the latency of every network, and the report. What is there already is not done again. A network
 * that cannot be looked into, as one of a task of one's own, is left out with a note.
 * @throws Interrupted when the signal asked for it
 */
export async function conclude(
  comparison: Comparison,
  { signal, data, onStage }: ConcludeOptions = {},
): Promise<Conclusion> {
  const stop = (): void => {
    if (signal?.aborted) {
      throw new Interrupted(
        'Stopped before the report. All runs are done; go on with the same command.',
      );
    }
  };
  const { plan, path, settings } = comparison;
  const missing = new Map<string, string[]>();
  const whereItCan = async <T>(what: string, body: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await body();
    } catch (error) {
      if (!(error instanceof RequestError) || error instanceof FileError) throw error;
      missing.set(error.message, [...(missing.get(error.message) ?? []), what]);
      return undefined;
    }
  };
  const done = plan.filter((run) => comparison.isDone(run));
  const explanationOf = (run: PlannedRun): string =>
    join(comparison.folderOf(run), 'explanation', 'index.json');
  const unseen = done.filter((run) => !existsSync(explanationOf(run)));

  if (unseen.length > 0) {
    const runtime = await runtimeOf(settings.recipe);
    try {
      for (const [i, run] of unseen.entries()) {
        stop();
        onStage?.(run, i, unseen.length);
        const { recipe } = await RunFolder.open(comparison.folderOf(run));
        const knowsObjects = recipe.info?.pixelClasses !== undefined;
        await whereItCan(`what ${run.name} looks at`, () =>
          explainRun(comparison.folderOf(run), {
            count: IMAGES,
            runtime,
            ...(knowsObjects && { localise: SCORED }),
            ...(data !== undefined && { data }),
          }),
        );
      }
    } finally {
      await runtime.close();
    }
  }
  if (!existsSync(join(path, LATENCY))) {
    stop();
    onStage?.('latency', 0, 1);
    const oneOfEach = plan.filter(({ seed }) => seed === plan[0]?.seed);
    const info = done[0] && (await RunFolder.open(comparison.folderOf(done[0]))).recipe.info;
    const networks = oneOfEach.map(({ variant: { label }, recipe }) => ({
      label,
      recipe: { ...recipe, ...(data !== undefined && { data }), ...(info && { info }) },
    }));
    const latency = await whereItCan('how long a forward pass takes', () =>
      measureLatency(networks),
    );
    if (latency) await writeLatency(path, latency);
  }
  const notes = [...missing].map(
    ([reason, what]) => `The report does not show ${listed(what)}. ${reason}`,
  );
  return { ...(await writeReport(path)), notes };
}
