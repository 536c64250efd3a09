/** What the kept weights of the runs come to for each class, over the seeds. */
import type { RunEvaluation, RunResults, VariantResults } from '../results.js';
import { spreadOf } from '../statistics.js';

/** Up to so many classes, every pair is shown; of more, the most confused ones. */
export const MOST_CLASSES = 20;

/** So many pairs of classes are told where there are too many to show all. */
const MOST_PAIRS = 10;

/** A class's figure over the seeds. */
export interface ClassFigure {
  /** Null where no run has one. */
  readonly mean: number | null;
  /** Mean over the seeds that both have of this figure less the baseline's; null for the baseline itself. */
  readonly difference: number | null;
  /** Of each seed; null where the class did not occur. */
  readonly values: readonly (number | null)[];
}

/** How often one class was taken for another. */
export interface ConfusedPair {
  /** Places among the report's classes. */
  readonly true: number;
  readonly predicted: number;
  /** Of what is of the true class; the mean over the seeds. */
  readonly share: number;
}

/** Every true class (a row) and what it was taken for; means over the seeds. */
export interface Confusion {
  readonly counts: readonly (readonly number[])[];
  /** Of each row's sum; null in a row of a class that does not occur. */
  readonly shares: readonly (readonly (number | null)[])[];
}

/** One variant's figures of every class. */
export interface ClassReport {
  /** Seeds whose runs are in it, and their files. */
  readonly seeds: readonly number[];
  readonly sources: readonly string[];
  /** By the figure's name, `accuracy` or `iou`, then by class. */
  readonly figures: Readonly<Record<string, readonly ClassFigure[]>>;
  /** Null where nothing was counted, or there are more than {@link MOST_CLASSES} classes. */
  readonly confusion: Confusion | null;
  /** The pairs that are most often confused, where there are more classes than that. */
  readonly confused: readonly ConfusedPair[];
}

interface EvaluatedRun {
  readonly seed: number;
  readonly folder: string;
  readonly evaluation: RunEvaluation;
}

/** Names of the classes, as the first run that was evaluated has written them down. */
export function classNames(variants: readonly VariantResults[]): readonly string[] {
  const all = variants.flatMap(({ runs }) => runs);
  return all.flatMap(({ evaluation }) => (evaluation ? [evaluation.classes] : []))[0] ?? [];
}

/** Each variant's figures, in their order; null for one of which no run was evaluated. */
export function classReports(
  variants: readonly VariantResults[],
  baseline: VariantResults | null,
): (ClassReport | null)[] {
  const names = classNames(variants);
  const reference = baseline ? evaluated(baseline.runs, names) : [];
  return variants.map((variant) => {
    const own = evaluated(variant.runs, names);
    if (own.length === 0 || names.length === 0) return null;
    const figures = Object.keys(own[0]?.evaluation.per_class ?? {});
    const confusion = confusionOf(own, names.length);
    const few = names.length <= MOST_CLASSES;
    return {
      seeds: own.map(({ seed }) => seed),
      sources: own.map(({ folder }) => `${folder}/evaluation.json`),
      figures: Object.fromEntries(
        figures.map((name) => [
          name,
          names.map((_, k) => classFigure(name, k, own, variant === baseline ? null : reference)),
        ]),
      ),
      confusion: few ? confusion : null,
      confused: few || confusion === null ? [] : mostConfused(confusion),
    };
  });
}

/** Runs that were evaluated, of these classes. */
function evaluated(runs: readonly RunResults[], names: readonly string[]): EvaluatedRun[] {
  const expected = JSON.stringify(names);
  return runs.flatMap(({ seed, folder, evaluation }) =>
    evaluation && JSON.stringify(evaluation.classes) === expected
      ? [{ seed, folder, evaluation }]
      : [],
  );
}

function classFigure(
  name: string,
  k: number,
  own: readonly EvaluatedRun[],
  reference: readonly EvaluatedRun[] | null,
): ClassFigure {
  const valueOf = ({ evaluation }: EvaluatedRun): number | null =>
    evaluation.per_class[name]?.[k] ?? null;
  const values = own.map(valueOf);
  const differences = own.flatMap((run, i) => {
    const other = reference?.find(({ seed }) => seed === run.seed);
    const [value, against] = [values[i] ?? null, other ? valueOf(other) : null];
    return value === null || against === null ? [] : [value - against];
  });
  return {
    mean: spreadOf(values.filter((value) => value !== null)).mean,
    difference: spreadOf(differences).mean,
    values,
  };
}

/** Null where a run counted nothing. */
function confusionOf(runs: readonly EvaluatedRun[], classes: number): Confusion | null {
  const all = runs.flatMap(({ evaluation: { confusion } }) => (confusion ? [confusion] : []));
  if (all.length === 0) return null;
  const shared = all.map((rows) =>
    rows.map((row) => {
      const total = row.reduce((sum, count) => sum + count, 0);
      return row.map((count) => (total === 0 ? null : count / total));
    }),
  );
  const each = <T>(value: (row: number, column: number) => T): T[][] =>
    Array.from({ length: classes }, (_, row) =>
      Array.from({ length: classes }, (_, column) => value(row, column)),
    );
  return {
    counts: each((row, column) => spreadOf(all.map((rows) => rows[row]?.[column] ?? 0)).mean ?? 0),
    shares: each((row, column) => {
      const shares = shared.flatMap((rows) => rows[row]?.[column] ?? []);
      return spreadOf(shares).mean;
    }),
  };
}

function mostConfused({ shares }: Confusion): ConfusedPair[] {
  return shares
    .flatMap((row, truth) =>
      row.flatMap((share, predicted): ConfusedPair[] =>
        share === null || share === 0 || truth === predicted
          ? []
          : [{ true: truth, predicted, share }],
      ),
    )
    .sort((a, b) => b.share - a.share)
    .slice(0, MOST_PAIRS);
}
