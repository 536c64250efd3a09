import type { EpochMetrics } from '../../training/metrics.js';
import { bestOf } from '../../training/metrics.js';
import type { Explanation } from '../../explain/explanation.js';
import type { Results, RunResults } from '../results.js';
import { makeSettings, parseVariants, plannedRuns } from '../settings.js';

/** Validation top-1 by epoch, of each seed from 1, by label: what is not there has not been run. */
export type Curves = Readonly<Record<string, readonly (readonly number[])[]>>;

export interface ResultsOptions {
  /** More than the epochs that a run has leave it unfinished. Default: the first run's. */
  readonly epochs?: number;
  readonly seeds?: number;
  readonly explanation?: (label: string, seed: number) => Explanation | null;
  readonly latency?: Readonly<Record<string, number>>;
}

/** Results of a comparison with exactly these accuracies. */
export function resultsOf(curves: Curves, options: ResultsOptions = {}): Results {
  const all = Object.values(curves);
  const { epochs = all[0]?.[0]?.length ?? 1 } = options;
  const seeds = options.seeds ?? Math.max(...all.map(({ length }) => length));
  const settings = makeSettings({
    variants: parseVariants(Object.keys(curves).join(',')),
    seeds: Array.from({ length: seeds }, (_, i) => i + 1),
    recipe: { model: 'resnet20', dataset: 'shapes', epochs, batchSize: 64 },
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
            const metrics = (curves[label]?.[seed - 1] ?? []).map(metricsLine);
            const done = metrics.length === epochs;
            return {
              name,
              seed,
              folder: `runs/${name}`,
              state: done ? 'done' : metrics.length > 0 ? 'stopped' : 'waiting',
              message: null,
              metrics,
              summary: done ? summaryOf(metrics, place) : null,
              explanation: (done && options.explanation?.(label, seed)) || null,
            };
          }),
      };
    }),
  };
}

function metricsLine(top1: number, i: number): EpochMetrics {
  return {
    epoch: i + 1,
    lr: 0.1,
    train_loss: 2,
    train_top1: top1 - 5,
    val_loss: 2.5,
    val_top1: top1,
    val_top5: Math.min(100, top1 + 30),
    seconds: 10,
    images_per_second: 100 + 10 * i,
  };
}

function summaryOf(metrics: readonly EpochMetrics[], place: number): RunResults['summary'] {
  const { best, meanBest5 } = bestOf(metrics);
  return {
    best_top1: best,
    mean_best5_top1: meanBest5,
    last_top1: metrics.at(-1)?.val_top1 ?? 0,
    params: 1000 + 100 * place,
    macs: 2_000_000 + 50_000 * place,
    epochs: metrics.length,
    versions: { fovea: '0.1.0', cpu: 'Fixture x 2' },
  };
}
