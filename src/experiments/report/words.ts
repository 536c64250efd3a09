/** Words and sentences that the page, the charts and the tables for a README and a terminal use. */
import type { Primary } from '../../tasks/task.js';
import { EPOCHS, type Measure } from '../measures.js';
import { AXES } from '../settings.js';
import type { Verdict } from '../statistics.js';
import { judgedFigure, type MechanismReport, type ReportData } from './data.js';
import { counted, fixed, listed, signed, type Format } from './format.js';

/** The figure with its unit: `mean IoU, %`. */
export function figureTitle({ title, unit }: Primary): string {
  return unit === '' ? title : `${title}, ${unit}`;
}

/** What a difference of the figure is counted in: `points of mean IoU`. */
export function differenceTitle({ title, unit }: Primary): string {
  return unit === '%' ? `points of ${title}` : title;
}

/** ` (lower is better)`, where that is not what a reader expects. */
export function betterNote({ better }: Primary): string {
  return better === 'lower' ? ' (lower is better)' : '';
}

/** Values of the figure, and differences of them: to a hundredth of a point, or with four decimals. */
export function figureFormats({ unit }: Primary): {
  readonly value: Format;
  readonly difference: Format;
} {
  const digits = unit === '%' ? 2 : 4;
  return { value: fixed(digits), difference: signed(digits) };
}

/** `Top-1 accuracy` */
export function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What one of the compared is called, and several: `mechanism`, `mechanisms`. */
export function nounOf({ settings }: Pick<ReportData, 'settings'>): {
  readonly one: string;
  readonly many: string;
} {
  const { noun } = AXES[settings.axis];
  return { one: noun, many: `${noun}s` };
}

/** What the measures are called. */
export function measureTitle(measure: Measure): string {
  const titles = {
    mean_best5: 'mean of the best five epochs',
    best: 'best epoch',
    last: 'last epoch',
  } as const;
  return titles[EPOCHS.find((epoch) => measure.startsWith(`${epoch}_`)) ?? 'last'];
}

/** `resnet20 on CIFAR-100: 5 networks, 3 seeds each, 12 epochs` */
export function subject({ settings, dataset }: ReportData): string {
  const { recipe, variants, seeds } = settings;
  const task = recipe.task === 'classification' ? '' : `, ${recipe.task}`;
  return `${recipe.model} on ${dataset.title}${task}: ${counted(variants.length, 'network')}, ${counted(seeds.length, 'seed')} each, ${counted(recipe.epochs, 'epoch')}`;
}

/** What an unfinished comparison lacks; null of a finished one. */
export function unfinished({ complete, done, planned, runs }: ReportData): string | null {
  if (complete) return null;
  const failed = runs.filter(({ state }) => state === 'failed').length;
  const failures = failed > 0 ? `, ${failed} failed` : '';
  return `Unfinished: ${done} of ${counted(planned, 'run')} ${done === 1 ? 'is' : 'are'} done${failures}. Every figure below is of the runs that are done, and will change.`;
}

/** Mechanisms by verdict on the leading measure, in the order of the command. */
export function byVerdict(
  { mechanisms, primary }: ReportData,
  verdict: Verdict,
): MechanismReport[] {
  return mechanisms.filter(
    (mechanism) => judgedFigure(mechanism, primary).difference?.verdict === verdict,
  );
}

/** The finding in words, without figures. */
export function finding(report: ReportData): string {
  const { baseline } = report;
  if (baseline === null) return 'There is no baseline to compare with.';
  const names = (verdict: Verdict): string[] =>
    byVerdict(report, verdict).map(({ label }) => label);
  const [better, worse, same] = [
    names('better'),
    names('worse'),
    names('no significant difference'),
  ];
  const single = names('one seed: no statement');
  const sentences = [
    better.length > 0 && `Better than ${baseline}: ${listed(better)}.`,
    worse.length > 0 && `Worse than ${baseline}: ${listed(worse)}.`,
    same.length > 0 && `No significant difference to ${baseline}: ${listed(same)}.`,
    single.length > 0 && `One seed, and so no statement: ${listed(single)}.`,
  ].filter((sentence) => sentence !== false);
  return sentences.length > 0 ? sentences.join(' ') : `Nothing to compare with ${baseline} yet.`;
}

/** Who looks different until one counts how many were tried; null if nobody does. */
export function alone(report: ReportData): string | null {
  const { mechanisms, primary } = report;
  const names = byVerdict(report, 'no significant difference').flatMap((mechanism) => {
    const interval = judgedFigure(mechanism, primary).difference?.interval;
    return interval && (interval[0] > 0 || interval[1] < 0) ? [mechanism.label] : [];
  });
  if (names.length === 0) return null;
  const tried = mechanisms.filter(
    (mechanism) => (judgedFigure(mechanism, primary).difference?.n ?? 0) > 1,
  );
  const [intervals, leave] = names.length === 1 ? ['interval', 'leaves'] : ['intervals', 'leave'];
  return `Taken alone, the ${intervals} of ${listed(names)} ${leave} out 0. Among ${counted(tried.length, 'comparison')} that is not enough: the more one tries, the more looks good by chance.`;
}
