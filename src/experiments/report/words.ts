/** Sentences that both the page and the table for a README use. */
import type { Verdict } from '../statistics.js';
import type { Measure, MechanismReport, ReportData } from './data.js';
import { counted, listed } from './format.js';

/** What the measures are called. */
export const MEASURE_TITLES: Readonly<Record<Measure, string>> = {
  mean_best5_top1: 'mean of the best five epochs',
  best_top1: 'best epoch',
  last_top1: 'last epoch',
};

/** `resnet20 on CIFAR-100: 5 mechanisms, 3 seeds each, 12 epochs` */
export function subject({ settings, dataset }: ReportData): string {
  const { recipe, variants, seeds } = settings;
  return `${recipe.model} on ${dataset.title}: ${counted(variants.length, 'network')}, ${counted(seeds.length, 'seed')} each, ${counted(recipe.epochs, 'epoch')}`;
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
  return mechanisms.filter(({ accuracy }) => accuracy[primary].difference?.verdict === verdict);
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
  const names = byVerdict(report, 'no significant difference').flatMap(({ label, accuracy }) => {
    const interval = accuracy[primary].difference?.interval;
    return interval && (interval[0] > 0 || interval[1] < 0) ? [label] : [];
  });
  if (names.length === 0) return null;
  const tried = mechanisms.filter(({ accuracy }) => (accuracy[primary].difference?.n ?? 0) > 1);
  const [intervals, leave] = names.length === 1 ? ['interval', 'leaves'] : ['intervals', 'leave'];
  return `Taken alone, the ${intervals} of ${listed(names)} ${leave} out 0. Among ${counted(tried.length, 'comparison')} that is not enough: the more one tries, the more looks good by chance.`;
}
