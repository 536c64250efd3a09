/** What a comparison has left on disk, in one structure: the report is a function of it. */
import { z } from 'zod';
import type { EpochMetrics } from '../training/metrics.js';
import type { Explanation } from '../explain/explanation.js';
import type { CompareSettings, Variant } from './settings.js';

const percent = z.number().min(0).max(100);

/** A line of metrics.jsonl. */
export const epochMetricsSchema = z.object({
  epoch: z.int().min(1),
  lr: z.number(),
  train_loss: z.number(),
  train_top1: percent,
  val_loss: z.number(),
  val_top1: percent,
  val_top5: percent,
  seconds: z.number(),
  images_per_second: z.number(),
}) satisfies z.ZodType<EpochMetrics>;

/** A run's summary.json, as far as the report needs it. */
export const runSummarySchema = z.object({
  best_top1: percent,
  mean_best5_top1: percent,
  last_top1: percent,
  params: z.int(),
  macs: z.int(),
  epochs: z.int(),
  versions: z.record(z.string(), z.string()),
});

export type RunSummary = z.output<typeof runSummarySchema>;

/** The comparison's latency.json: by label, the median forward pass. */
export const latencySchema = z.record(
  z.string(),
  z.object({ milliseconds: z.number(), batch: z.int(), repeats: z.int() }),
);

/** The comparison's ledger.json, as far as the report needs it. */
export const ledgerSchema = z.object({
  runs: z.array(
    z.object({
      name: z.string(),
      state: z.enum(['waiting', 'running', 'stopped', 'failed', 'done']).optional(),
      message: z.string().optional(),
    }),
  ),
});

/** How a run stands. */
export type RunStateName = 'waiting' | 'running' | 'stopped' | 'failed' | 'done';

/** One run, as far as it has come. */
export interface RunResults {
  readonly name: string;
  readonly seed: number;
  readonly state: RunStateName;
  /** Why it failed. */
  readonly message: string | null;
  /** Its folder, relative to the comparison's: `runs/se-seed1`. */
  readonly folder: string;
  /** A line for every epoch so far. */
  readonly metrics: readonly EpochMetrics[];
  /** Only of a run that is done. */
  readonly summary: RunSummary | null;
  /** What was seen in the trained network, if `fovea explain` has been there. */
  readonly explanation: Explanation | null;
}

/** One mechanism's runs, in the order of the seeds. */
export interface VariantResults {
  readonly variant: Variant;
  readonly latency: z.output<typeof latencySchema>[string] | null;
  readonly runs: readonly RunResults[];
}

/** A comparison as it stands; mechanisms in the order of the command. */
export interface Results {
  readonly settings: CompareSettings;
  readonly variants: readonly VariantResults[];
}
