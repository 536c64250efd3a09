/**
 * The report as data: what report.json holds, and the only source of every number that report.html,
 * report.csv and report.md show. Beside each figure stands the file it comes from, relative to the
 * comparison's folder. Figures are in the unit of the task's own (`figure`), differences in the same.
 */
import type { EpochMetrics } from '../../training/metrics.js';
import type { Primary } from '../../tasks/task.js';
import { expectedFigure, measuresOf, type Measure } from '../measures.js';
import {
  summaryFigure,
  type Results,
  type RunResults,
  type RunStateName,
  type VariantResults,
} from '../results.js';
import { AXES, type CompareSettings } from '../settings.js';
import {
  judge,
  LEVEL,
  pairedDifference,
  spreadOf,
  type JudgedDifference,
  type SeedValue,
  type Spread,
} from '../statistics.js';
import { classReports, classNames, type ClassReport } from './classes.js';
import { commandOf } from './command.js';
import { learningCurve, type CurvePoint } from './curves.js';
import { median } from './quantiles.js';
import { datasetOf, describeVariant, type DatasetReport } from './titles.js';
import {
  gatesOf,
  localisationOf,
  mapsOf,
  masksOf,
  type GateLayers,
  type ScoredMap,
  type ShownMaps,
  type ShownMasks,
} from './seeing.js';

/** One run's value and the file that it is in. */
export interface SourcedValue extends SeedValue {
  readonly source: string;
}

/** A figure over the seeds. */
export interface Figure extends Spread {
  readonly values: readonly SourcedValue[];
}

/** A measure of the task's figure, and how it compares with the baseline's; null for the baseline itself. */
export interface JudgedFigure extends Figure {
  readonly difference: JudgedDifference | null;
}

export interface Sourced {
  readonly value: number;
  readonly source: string;
}

/** One variant's part of the report. */
export interface MechanismReport {
  readonly label: string;
  /** Its name in full; null of one that Fovea does not have itself. */
  readonly title: string | null;
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
  /** Of every measure of the task's figure. */
  readonly accuracy: Readonly<Record<Measure, JudgedFigure>>;
  /** What the kept weights come to for each class; null where no run has written that down. */
  readonly classes: ClassReport | null;
  readonly curve: readonly CurvePoint[];
  readonly gates: readonly GateLayers[];
  readonly localisation: readonly ScoredMap[];
  readonly maps: ShownMaps | null;
  readonly masks: ShownMasks | null;
}

/** How one run stands, and its epochs as they are in metrics.jsonl. */
export interface RunReport {
  readonly name: string;
  readonly label: string;
  /** The label once more, in a comparison of attention: as the first reports have it. */
  readonly attention?: string;
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
  readonly dataset: DatasetReport;
  /** Level of all intervals. */
  readonly level: number;
  /** The figure that the task is judged by. */
  readonly figure: Primary;
  readonly primary: Measure;
  readonly baseline: string | null;
  /** Names of what the task tells apart; none where no run has written them down. */
  readonly classes: readonly string[];
  readonly mechanisms: readonly MechanismReport[];
  /** Half of the widest interval of a difference: smaller ones cannot be told from chance. */
  readonly resolution: number | null;
  readonly environments: readonly Environment[];
  readonly runs: readonly RunReport[];
}

/** Works out the report of a comparison, finished or not. Statistics are over the runs that are done. */
export function reportData({ settings, variants }: Results): ReportData {
  const { axis, recipe } = settings;
  const runs = variants.flatMap(({ variant: { label }, runs: own }) =>
    own.map((run) => ({ run, label })),
  );
  const all = runs.map(({ run }) => run);
  const done = all.filter(({ state }) => state === 'done').length;
  const baseline = variants.find(({ variant }) => variant.label === AXES[axis].baseline) ?? null;
  const figure = all.flatMap(({ summary }) => summary?.primary ?? [])[0] ?? expectedFigure(recipe);
  const measures = measuresOf(figure);
  const judged = measures.map(
    (measure) => [measure, judgedFigures(variants, baseline, measure, figure)] as const,
  );
  const classes = classReports(variants, baseline);
  return {
    format: 'fovea-comparison-report-1',
    complete: done === runs.length,
    done,
    planned: runs.length,
    command: commandOf(settings),
    settings,
    dataset: datasetOf(recipe, all),
    level: LEVEL,
    figure,
    primary: measures[0],
    baseline: baseline?.variant.label ?? null,
    classes: classNames(variants),
    mechanisms: variants.map((one, place) => ({
      ...mechanismReport(one, figure),
      baseline: one === baseline,
      accuracy: Object.fromEntries(
        judged.map(([measure, figures]) => [measure, at(figures, place)]),
      ),
      classes: at(classes, place),
    })),
    resolution: resolutionOf(judged[0]?.[1] ?? []),
    environments: environmentsOf(all),
    runs: runs.map(({ run: { name, seed, state, message, folder, metrics }, label }) => ({
      name,
      label,
      ...(axis === 'attention' && { attention: label }),
      seed,
      state,
      message,
      folder,
      metrics,
    })),
  };
}

/** A variant's figure in one measure. */
export function judgedFigure({ label, accuracy }: MechanismReport, measure: Measure): JudgedFigure {
  const found = accuracy[measure];
  if (found === undefined) throw new RangeError(`There is no ${measure} of ${label}.`);
  return found;
}

/** One measure of every variant: its tests are adjusted together. */
function judgedFigures(
  variants: readonly VariantResults[],
  baseline: VariantResults | null,
  measure: Measure,
  { better }: Primary,
): JudgedFigure[] {
  const values = variants.map(({ runs }) => valuesOf(runs, measure));
  const others = variants.flatMap((one, place) =>
    baseline === null || one === baseline ? [] : [place],
  );
  const reference = baseline === null ? [] : at(values, variants.indexOf(baseline));
  const judged = judge(
    others.map((place) => pairedDifference(at(values, place), reference)),
    better,
  );
  return values.map((own, place) => ({
    ...figureOf(own),
    difference: judged[others.indexOf(place)] ?? null,
  }));
}

/** A run whose figure is no number has none. */
function valuesOf(runs: readonly RunResults[], measure: Measure): SourcedValue[] {
  return runs.flatMap(({ seed, summary, folder }) => {
    const value = summary ? summaryFigure(summary, measure) : NaN;
    return Number.isNaN(value) ? [] : [{ seed, value, source: `${folder}/summary.json` }];
  });
}

function figureOf(values: readonly SourcedValue[]): Figure {
  return { ...spreadOf(values.map(({ value }) => value)), values };
}

function mechanismReport(
  { variant, latency, runs }: VariantResults,
  figure: Primary,
): Omit<MechanismReport, 'baseline' | 'accuracy' | 'classes'> {
  const summed = runs.find(({ summary }) => summary !== null);
  const counted = (name: 'params' | 'macs'): Sourced | null =>
    summed?.summary
      ? { value: summed.summary[name], source: `${summed.folder}/summary.json` }
      : null;
  return {
    label: variant.label,
    ...describeVariant(variant),
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
    curve: learningCurve(runs, figure.name),
    gates: gatesOf(runs),
    localisation: localisationOf(runs),
    maps: mapsOf(runs),
    masks: masksOf(runs),
  };
}

function resolutionOf(figures: readonly JudgedFigure[]): number | null {
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
