/** A training that keeps everything in a run folder, whatever the model, the data and the task. */
import type { Module } from '../../nn/module.js';
import type { Runtime } from '../../runtime/runtime.js';
import { readFileChecked } from '../../formats/node/files.js';
import { readCheckpoint } from '../checkpoint.js';
import { evaluate } from '../evaluate.js';
import { fit, type FitResult, type FitSettings, type StepProgress } from '../fit.js';
import { bestOf, valFigure, type EpochMetrics } from '../metrics.js';
import { saveCheckpoint, setDamagedAside, BEST, type Found } from './checkpoints.js';
import { EventWriter } from './event-writer.js';
import type { Data } from './from-recipe.js';
import { versions, type RunFolder, type Summary } from './run-folder.js';
import { withWayOn } from './way-on.js';

/** What is trained, at what, on what. */
export interface Prepared {
  readonly model: Module;
  readonly data: Data;
  readonly options: FitSettings;
  readonly parameters: number;
  readonly macs: number;
}

/** Who is told of a training as it goes on. */
export interface Listeners {
  /** Asks the run to save and stop. */
  readonly signal?: AbortSignal;
  /** Minutes after which a checkpoint is taken within an epoch too; 0: after every step. Default 10. */
  readonly checkpointMinutes?: number;
  /** Start of the name of a profile by op of the training steps. */
  readonly profile?: string;
  readonly onStep?: (progress: StepProgress) => void;
  readonly onEpoch?: FitSettings['onEpoch'];
}

/**
 * Does what is left of a training, and keeps it in its folder, which the caller has locked.
 * @param found where it goes on
 * @param onStart told when the first step is about to be done
 */
export async function trainInFolder(
  runtime: Runtime,
  { model, data, options, parameters, macs }: Prepared,
  folder: RunFolder,
  { signal, checkpointMinutes, profile, onStep, onEpoch }: Listeners,
  { found, onStart }: { readonly found?: Found | undefined; readonly onStart: () => void },
): Promise<FitResult & { readonly summary: Summary }> {
  const resume = found?.checkpoint;
  const { task } = options;
  await folder.removeTemporaryFiles();
  await folder.remove('summary.json');
  if (found?.damaged) await setDamagedAside(folder);
  const done = resume?.position.metrics ?? [];
  const begunBefore = folder.has('metrics.jsonl');
  if (resume || begunBefore) await folder.writeMetrics(done);
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
    onStart();

    let saved = resume?.position;
    let stepsSince = 0;
    const result = await fit(model, data, {
      runtime,
      ...options,
      ...(signal && { signal }),
      ...(checkpointMinutes !== undefined && { checkpointMinutes }),
      ...(profile !== undefined && { profile }),
      ...(resume && { resume }),
      onStep: (progress) => {
        if (progress.phase === 'train') stepsSince++;
        onStep?.(progress);
      },
      onCheckpoint: async (position, state) => {
        await saveCheckpoint(folder, position, await state.read(), task.primary);
        saved = { ...position, metrics: [...position.metrics] };
        stepsSince = 0;
      },
      onEpoch: async (metrics) => {
        await writeCurves(metrics);
        return onEpoch?.(metrics);
      },
    }).catch(async (error: unknown) => {
      throw await withWayOn(error, folder, saved && { position: saved, stepsSince });
    });
    await writeEvaluation(runtime, model, data, options, folder);
    const summary = summaryOf(result, options, {
      params: parameters,
      macs,
      train_examples: data.train.size,
    });
    await folder.writeJson('summary.json', summary);
    return { ...result, summary };
  } finally {
    await events.close();
  }
}

/** What the kept weights of the run come to, with each class's figures: evaluation.json. */
async function writeEvaluation(
  runtime: Runtime,
  model: Module,
  data: Data,
  { task }: FitSettings,
  folder: RunFolder,
): Promise<void> {
  if (!folder.has(BEST)) return;
  const last = model.stateValues();
  const file = folder.file(BEST);
  const { state } = await readCheckpoint(await readFileChecked(file), file);
  const { figures, perClass, confusion, examples } = await evaluate(
    model.takeStateValues(state),
    data.val,
    { task, runtime },
  );
  model.takeStateValues(last);
  const classes = task.classes(data.val);
  await folder.writeJson('evaluation.json', {
    weights: BEST,
    examples,
    figures,
    classes,
    per_class: perClass,
    ...(confusion && { confusion }),
  });
}

function summaryOf(
  { metrics, overhead, waiting }: FitResult,
  { task: { id, primary }, seed }: FitSettings,
  counts: Pick<Summary, 'params' | 'macs' | 'train_examples'>,
): Summary {
  const { best, meanBest5 } = bestOf(metrics, primary);
  const latest = metrics.at(-1);
  const share = (value: number): number | null => (Number.isFinite(value) ? value : null);
  const figures: Pick<Summary, `${'best' | 'mean_best5' | 'last'}_${string}`> = {
    [`best_${primary.name}`]: best,
    [`mean_best5_${primary.name}`]: meanBest5,
    [`last_${primary.name}`]: latest ? valFigure(latest, primary.name) : NaN,
  };
  return {
    ...figures,
    task: id,
    primary,
    ...counts,
    seed,
    epochs: metrics.length,
    overhead: share(overhead),
    waiting: share(waiting),
    versions: versions(),
  };
}
