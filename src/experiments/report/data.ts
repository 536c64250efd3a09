/**
 * The report as data: what report.json holds, and the only source of every number that report.html,
 * report.csv and report.md show. Beside each figure stands the file it comes from, relative to the
 * comparison's folder. All accuracies are in percent, differences in percentage points.
 */
import { attention } from '../../attention/registry.js';
import { datasetInfo } from '../../data/catalog.js';
import type { EpochMetrics } from '../../training/metrics.js';
import type { Results, RunResults, RunStateName, VariantResults } from '../results.js';
import { BASELINE, type CompareSettings } from '../settings.js';
import {
  judge,
  LEVEL,
  pairedDifference,
  spreadOf,
  type JudgedDifference,
  type SeedValue,
  type Spread,
} from '../statistics.js';
import { commandOf } from './command.js';
import { learningCurve, type CurvePoint } from './curves.js';
import { median } from './quantiles.js';
import {
  gatesOf,
  localisationOf,
  mapsOf,
  type GateLayers,
  type ScoredMap,
  type ShownMaps,
} from './seeing.js';

/** The three figures of a run's accuracy; the first is the one that the report leads with. */
export const MEASURES = ['mean_best5_top1', 'best_top1', 'last_top1'] as const;
export type Measure = (typeof MEASURES)[number];

/** The seeds' documents report the mean of the best five epochs; a single best epoch is luckier. */
export const PRIMARY: Measure = 'mean_best5_top1';

/** One run's value and the file that it is in. */
export interface SourcedValue extends SeedValue {
  readonly source: string;
}

/** A figure over the seeds. */
export interface Figure extends Spread {
  readonly values: readonly SourcedValue[];
}

/** A figure of accuracy, and how it compares with the baseline's; null for the baseline itself. */
export interface AccuracyFigure extends Figure {
  readonly difference: JudgedDifference | null;
}

export interface Sourced {
  readonly value: number;
  readonly source: string;
}

/** One mechanism's part of the report. */
export interface MechanismReport {
  readonly label: string;
  readonly title: string;
  readonly paper: string | null;
  readonly arxiv: string | null;
  readonly baseline: boolean;
  readonly params: Sourced | null;
  /** Multiply-accumulates for one image. */
  readonly macs: Sourced | null;
  /** Milliseconds of a forward pass. */
  readonly latency: (Sourced & { readonly batch: number; readonly repeats: number }) | null;
  /** Images a second in training: of each run, the median over its epochs. */
  readonly speed: Figure;
  readonly accuracy: Readonly<Record<Measure, AccuracyFigure>>;
  readonly curve: readonly CurvePoint[];
  readonly gates: readonly GateLayers[];
  readonly localisation: readonly ScoredMap[];
  readonly maps: ShownMaps | null;
}

/** How one run stands, and its epochs as they are in metrics.jsonl. */
export interface RunReport {
  readonly name: string;
  readonly attention: string;
  readonly seed: number;
  readonly state: RunStateName;
  readonly message: string | null;
  readonly folder: string;
  readonly metrics: readonly EpochMetrics[];
}

/** Versions and machine, and the runs that were made with them. */
export interface Environment {
  readonly versions: Readonly<Record<string, string>>;
  readonly runs: readonly string[];
}

export interface ReportData {
  readonly format: 'fovea-comparison-report-1';
  readonly complete: boolean;
  readonly done: number;
  readonly planned: number;
  readonly command: string;
  readonly settings: CompareSettings;
  readonly dataset: {
    readonly title: string;
    readonly train: number;
    readonly val: number;
    readonly source: string;
  };
  /** Level of all intervals. */
  readonly level: number;
  readonly primary: Measure;
  readonly baseline: string | null;
  readonly mechanisms: readonly MechanismReport[];
  /** Half of the widest interval of a difference: smaller ones cannot be told from chance. */
  readonly resolution: number | null;
  readonly environments: readonly Environment[];
  readonly runs: readonly RunReport[];
}

/** Works out the report of a comparison, finished or not. Statistics are over the runs that are done. */
export function reportData({ settings, variants }: Results): ReportData {
  const runs = variants.flatMap(({ variant, runs: own }) =>
    own.map((run) => ({ run, attention: variant.label })),
  );
  const done = runs.filter(({ run }) => run.state === 'done').length;
  const baseline = variants.find(({ variant }) => variant.label === BASELINE) ?? null;
  const accuracy = accuracyOf(variants, baseline);
  const info = datasetInfo(settings.recipe.dataset);
  return {
    format: 'fovea-comparison-report-1',
    complete: done === runs.length,
    done,
    planned: runs.length,
    command: commandOf(settings),
    settings,
    dataset: {
      title: info.title,
      train: settings.recipe.limitTrain ?? info.train,
      val: settings.recipe.limitVal ?? info.val,
      source: info.source,
    },
    level: LEVEL,
    primary: PRIMARY,
    baseline: baseline?.variant.label ?? null,
    mechanisms: variants.map((one, place) =>
      mechanismReport(one, one === baseline, {
        mean_best5_top1: at(accuracy.mean_best5_top1, place),
        best_top1: at(accuracy.best_top1, place),
        last_top1: at(accuracy.last_top1, place),
      }),
    ),
    resolution: resolutionOf(accuracy[PRIMARY]),
    environments: environmentsOf(runs.map(({ run }) => run)),
    runs: runs.map(
      ({ run: { name, seed, state, message, folder, metrics }, attention: label }) => ({
        name,
        attention: label,
        seed,
        state,
        message,
        folder,
        metrics,
      }),
    ),
  };
}

/** Every measure for every mechanism: the tests of one measure are adjusted together. */
function accuracyOf(
  variants: readonly VariantResults[],
  baseline: VariantResults | null,
): Record<Measure, AccuracyFigure[]> {
  const figures = (measure: Measure): AccuracyFigure[] => {
    const values = variants.map(({ runs }) => valuesOf(runs, measure));
    const others = variants.flatMap((one, place) =>
      baseline === null || one === baseline ? [] : [place],
    );
    const reference = baseline === null ? [] : at(values, variants.indexOf(baseline));
    const judged = judge(others.map((place) => pairedDifference(at(values, place), reference)));
    return values.map((own, place) => ({
      ...figureOf(own),
      difference: judged[others.indexOf(place)] ?? null,
    }));
  };
  return {
    mean_best5_top1: figures('mean_best5_top1'),
    best_top1: figures('best_top1'),
    last_top1: figures('last_top1'),
  };
}

function valuesOf(runs: readonly RunResults[], measure: Measure): SourcedValue[] {
  return runs.flatMap(({ seed, summary, folder }) =>
    summary ? [{ seed, value: summary[measure], source: `${folder}/summary.json` }] : [],
  );
}

function figureOf(values: readonly SourcedValue[]): Figure {
  return { ...spreadOf(values.map(({ value }) => value)), values };
}

function mechanismReport(
  { variant, latency, runs }: VariantResults,
  isBaseline: boolean,
  accuracy: Readonly<Record<Measure, AccuracyFigure>>,
): MechanismReport {
  const entry = attention.list().find(({ id }) => id === variant.attention);
  const summed = runs.find(({ summary }) => summary !== null);
  const counted = (name: 'params' | 'macs'): Sourced | null =>
    summed?.summary
      ? { value: summed.summary[name], source: `${summed.folder}/summary.json` }
      : null;
  return {
    label: variant.label,
    title: entry?.title ?? 'no attention',
    paper: entry?.paper ?? null,
    arxiv: entry?.arxiv ?? null,
    baseline: isBaseline,
    params: counted('params'),
    macs: counted('macs'),
    latency: latency && {
      value: latency.milliseconds,
      batch: latency.batch,
      repeats: latency.repeats,
      source: 'latency.json',
    },
    speed: figureOf(
      runs.flatMap(({ seed, folder, metrics, state }) =>
        state === 'done'
          ? [
              {
                seed,
                value: median(metrics.map(({ images_per_second: rate }) => rate)),
                source: `${folder}/metrics.jsonl`,
              },
            ]
          : [],
      ),
    ),
    accuracy,
    curve: learningCurve(runs),
    gates: gatesOf(runs),
    localisation: localisationOf(runs),
    maps: mapsOf(runs),
  };
}

function resolutionOf(figures: readonly AccuracyFigure[]): number | null {
  const reaches = figures.flatMap(({ difference }) =>
    difference?.interval ? [(difference.interval[1] - difference.interval[0]) / 2] : [],
  );
  return reaches.length === 0 ? null : Math.max(...reaches);
}

/** Runs of the same versions and machine stand together. */
function environmentsOf(runs: readonly RunResults[]): Environment[] {
  const found = new Map<string, { versions: Record<string, string>; runs: string[] }>();
  for (const { name, summary } of runs) {
    if (summary === null) continue;
    const key = JSON.stringify(summary.versions);
    const environment = found.get(key) ?? { versions: summary.versions, runs: [] };
    environment.runs.push(name);
    found.set(key, environment);
  }
  return [...found.values()];
}

function at<T>(values: readonly T[], place: number): T {
  const value = values[place];
  if (value === undefined) throw new RangeError(`There is no entry ${place} of ${values.length}.`);
  return value;
}
