/** What follows the runs of a comparison: looking into every network, timing them, and the report. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { datasetInfo } from '../../data/catalog.js';
import { createRuntime } from '../../runtime/node/create.js';
import { Interrupted } from '../../training/train.js';
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

/** So many images, the same for every run, so that their pictures stand side by side. */
const IMAGES = 6;

/**
 * Brings a comparison to its end: an explanation in the folder of every run that is done and has
 * none, the latency of every mechanism, and the report. What is there already is not done again.
 * @throws Interrupted when the signal asked for it
 */
export async function conclude(
  comparison: Comparison,
  { signal, data, onStage }: ConcludeOptions = {},
): Promise<WrittenReport> {
  const stop = (): void => {
    if (signal?.aborted) {
      throw new Interrupted(
        'Stopped before the report. All runs are done; go on with the same command.',
      );
    }
  };
  const { plan, path, settings } = comparison;
  const done = plan.filter((run) => comparison.isDone(run));
  const explanationOf = (run: PlannedRun): string =>
    join(comparison.folderOf(run), 'explanation', 'index.json');
  const unseen = done.filter((run) => !existsSync(explanationOf(run)));
  const { device, threads, dataset, limitVal = IMAGES } = settings.recipe;

  if (unseen.length > 0) {
    const runtime = await createRuntime(device, { ...(threads !== undefined && { threads }) });
    try {
      for (const [i, run] of unseen.entries()) {
        stop();
        onStage?.(run, i, unseen.length);
        await explainRun(comparison.folderOf(run), {
          images: Array.from({ length: Math.min(IMAGES, limitVal) }, (_, i) => i),
          runtime,
          ...(data !== undefined && { data }),
        });
      }
    } finally {
      await runtime.close();
    }
  }
  if (!existsSync(join(path, LATENCY))) {
    stop();
    onStage?.('latency', 0, 1);
    const { channels, height, width } = datasetInfo(dataset);
    const oneOfEach = plan.filter(({ seed }) => seed === plan[0]?.seed);
    await writeLatency(path, await measureLatency(oneOfEach, [channels, height, width]));
  }
  return writeReport(path);
}
