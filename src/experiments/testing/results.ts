import type { Primary } from '../../tasks/task.js';
import { bestOf, type EpochMetrics } from '../../training/metrics.js';
import type { Explanation } from '../../explain/explanation.js';
import { TOP1 } from '../measures.js';
import { runSummarySchema, type Results, type RunEvaluation, type RunResults } from '../results.js';
import { makeSettings, parseVariants, plannedRuns, type Axis } from '../settings.js';

/** The validation figure by epoch, of each seed from 1, by label: what is not there has not been run. */
export type Curves = Readonly<Record<string, readonly (readonly number[])[]>>;

export interface ResultsOptions {
  /** More than the epochs that a run has leave it unfinished. Default: the first run's. */
  readonly epochs?: number;
  readonly seeds?: number;
  /** Default top-1 accuracy. */
  readonly figure?: Primary;
  /** Default 'attention'. */
  readonly axis?: Axis;
  /** Settings besides those of the fixture. */
  readonly recipe?: object;
  readonly evaluation?: (label: string, seed: number) => RunEvaluation | null;
  readonly info?: RunResults['info'];
  readonly explanation?: (label: string, seed: number) => Explanation | null;
  readonly latency?: Readonly<Record<string, number>>;
}

/** Results of a comparison with exactly these figures. */
export function resultsOf(curves: Curves, options: ResultsOptions = {}): Results {
  const all = Object.values(curves);
  const { epochs = all[0]?.[0]?.length ?? 1, figure = TOP1, axis = 'attention' } = options;
  const seeds = options.seeds ?? Math.max(...all.map(({ length }) => length));
  const settings = makeSettings({
    axis,
    variants: parseVariants(Object.keys(curves).join(','), axis),
    seeds: Array.from({ length: seeds }, (_, i) => i + 1),
    recipe: { model: 'resnet20', dataset: 'shapes', epochs, batchSize: 64, ...options.recipe },
  });
  const plan = plannedRuns(settings);
  return {
    settings,
    variants: settings.variants.map((variant, place) => {
      const { label } = variant;
      const milliseconds = options.latency?.[label];
      return {
        variant,
        latency: milliseconds === undefined ? null : { milliseconds, batch: 1, repeats: 10 },
        runs: plan
          .filter((run) => run.variant.label === label)
          .map(({ name, seed }): RunResults => {
            const metrics = (curves[label]?.[seed - 1] ?? []).map((value, i) =>
              metricsLine(figure, value, i),
            );
            const done = metrics.length === epochs;
            return {
              name,
              seed,
              folder: `runs/${name}`,
              state: done ? 'done' : metrics.length > 0 ? 'stopped' : 'waiting',
              message: null,
              metrics,
              info: options.info ?? null,
              summary: done ? summaryOf(figure, metrics, place) : null,
              evaluation: (done && options.evaluation?.(label, seed)) || null,
              explanation: (done && options.explanation?.(label, seed)) || null,
            };
          }),
      };
    }),
  };
}

function metricsLine({ name }: Primary, value: number, i: number): EpochMetrics {
  return {
    epoch: i + 1,
    lr: 0.1,
    train_loss: 2,
    val_loss: 2.5,
    val_top5: Math.min(100, value + 30),
    [`train_${name}`]: value - 5,
    [`val_${name}`]: value,
    seconds: 10,
    images_per_second: 100 + 10 * i,
  };
}

function summaryOf(
  primary: Primary,
  metrics: readonly EpochMetrics[],
  place: number,
): RunResults['summary'] {
  const { best, meanBest5 } = bestOf(metrics, primary);
  const summary = {
    primary,
    [`best_${primary.name}`]: best,
    [`mean_best5_${primary.name}`]: meanBest5,
    [`last_${primary.name}`]: metrics.at(-1)?.[`val_${primary.name}`] ?? 0,
    params: 1000 + 100 * place,
    macs: 2_000_000 + 50_000 * place,
    epochs: metrics.length,
    versions: { fovea: '0.1.0', cpu: 'Fixture x 2' },
  };
  // As it is read from its file, which has no NaN.
  return runSummarySchema.parse(JSON.parse(JSON.stringify(summary)));
}
