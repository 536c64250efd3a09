/** What a comparison has left on disk, in one structure: the report is a function of it. */
import { z } from 'zod';
import type { Explanation } from '../explain/explanation.js';
import type { EpochMetrics } from '../training/metrics.js';
import { recipeSchema } from '../training/recipe.js';
import { measuresOf, TOP1 } from './measures.js';
import type { CompareSettings, Variant } from './settings.js';

/** JSON has no NaN and writes null. */
const figure = z.number().nullable();

/** A run's summary.json, as far as the report needs it; the figures `best_NAME` and their kin are among the rest. */
export const runSummarySchema = z
  .object({
    primary: z
      .object({
        name: z.string(),
        title: z.string(),
        unit: z.enum(['%', '']),
        better: z.enum(['higher', 'lower']),
      })
      .default(TOP1),
    params: z.int(),
    macs: z.int(),
    epochs: z.int(),
    /** Examples that it was trained on. */
    train_examples: z.int().optional(),
    versions: z.record(z.string(), z.string()),
  })
  .loose()
  .superRefine((summary, context) => {
    for (const name of measuresOf(summary.primary)) {
      const value = figure.safeParse(summary[name]);
      if (value.success) continue;
      context.addIssue({ code: 'custom', path: [name], message: 'expected a number' });
    }
  });

export type RunSummary = z.output<typeof runSummarySchema>;

/** A figure of a summary; NaN if it is none. */
export function summaryFigure(summary: RunSummary, name: string): number {
  const value = summary[name];
  return typeof value === 'number' ? value : NaN;
}

/** A run's evaluation.json: what its kept weights come to for each class. */
export const evaluationSchema = z
  .object({
    examples: z.int(),
    classes: z.array(z.string()),
    /** By name, a number for each class; null for a class that does not occur. */
    per_class: z.record(z.string(), z.array(figure)),
    /** How often each true class (a row) was taken for each class. */
    confusion: z.array(z.array(z.number().min(0))).optional(),
  })
  .superRefine(({ classes: { length }, per_class, confusion }, context) => {
    const lists = [
      ...Object.values(per_class),
      ...(confusion ?? []),
      ...(confusion ? [confusion] : []),
    ];
    if (lists.every((list) => list.length === length)) return;
    context.addIssue({ code: 'custom', message: `expected ${length} numbers, one for each class` });
  });

export type RunEvaluation = z.output<typeof evaluationSchema>;

/** A run's config.json, as far as the report needs it. */
export const runConfigSchema = z.object({ info: recipeSchema.shape.info });

/** The comparison's latency.json: by label, the median forward pass. */
export const latencySchema = z.record(
  z.string(),
  z.object({ milliseconds: z.number(), batch: z.int(), repeats: z.int() }),
);

const runState = z.enum(['waiting', 'running', 'stopped', 'failed', 'done']);

/** How a run stands. */
export type RunStateName = z.output<typeof runState>;

/** The comparison's ledger.json, as far as the report needs it. */
export const ledgerSchema = z.object({
  runs: z.array(
    z.object({ name: z.string(), state: runState.optional(), message: z.string().optional() }),
  ),
});

/** One run, as far as it has come. */
export interface RunResults {
  readonly name: string;
  readonly seed: number;
  readonly state: RunStateName;
  /** Why it failed. */
  readonly message: string | null;
  /** Its folder, relative to the comparison's: `runs/se-seed1`. */
  readonly folder: string;
  /** What its images are like; null where that is not written down. */
  readonly info: z.output<typeof runConfigSchema>['info'] | null;
  /** A line for every epoch so far. */
  readonly metrics: readonly EpochMetrics[];
  /** Only of a run that is done. */
  readonly summary: RunSummary | null;
  /** Only of a run that is done, and not of one of before version 0.2. */
  readonly evaluation: RunEvaluation | null;
  /** What was seen in the trained network, if `fovea explain` has been there. */
  readonly explanation: Explanation | null;
}

/** One variant's runs, in the order of the seeds. */
export interface VariantResults {
  readonly variant: Variant;
  readonly latency: z.output<typeof latencySchema>[string] | null;
  readonly runs: readonly RunResults[];
}

/** A comparison as it stands; variants in the order of the command. */
export interface Results {
  readonly settings: CompareSettings;
  readonly variants: readonly VariantResults[];
}
