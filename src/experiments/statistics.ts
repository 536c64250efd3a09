/**
 * What a few seeds say about a mechanism, and what they do not.
 *
 * Runs of one seed share their data order and the backbone's initial values, so a mechanism is
 * compared with the baseline seed by seed: Student's paired t-test (Student 1908), whose interval says
 * how large the difference may be. Several mechanisms against one baseline are several tests; Holm's
 * step-down (Holm 1979) keeps the chance of even one false "better" or "worse" below 5 %.
 */
import type { Primary } from '../tasks/task.js';
import { criticalT, twoSidedP } from './student.js';

/** Level of all intervals; a verdict needs an adjusted p-value below 1 - LEVEL. */
export const LEVEL = 0.95;

/** Some numbers in short. */
export interface Spread {
  readonly n: number;
  /** Null of no numbers. */
  readonly mean: number | null;
  /** Standard deviation with n - 1; null of fewer than two. */
  readonly sd: number | null;
  /** The mean's interval at {@link LEVEL}, by Student's t; null of fewer than two. */
  readonly interval: Interval | null;
}

export type Interval = readonly [low: number, high: number];

/** The words for what a comparison came to. */
export type Verdict =
  | 'better'
  | 'worse'
  | 'no significant difference'
  | 'one seed: no statement'
  | 'no runs to compare';

/** A mechanism against the baseline, over the seeds that both have. */
export interface PairedDifference extends Spread {
  /** The seeds compared, and the mechanism less the baseline for each. */
  readonly seeds: readonly number[];
  readonly differences: readonly number[];
  /** Student's statistic; null without a test: fewer than two seeds, or differences that are all equal. */
  readonly t: number | null;
  /** Two-sided, of this comparison alone. */
  readonly p: number | null;
}

/** A paired difference as one of several that were tested together. */
export interface JudgedDifference extends PairedDifference {
  /** Holm's p-value. */
  readonly adjustedP: number | null;
  readonly verdict: Verdict;
}

/** A figure of one run. */
export interface SeedValue {
  readonly seed: number;
  readonly value: number;
}

/** Mean, standard deviation and interval of the mean. */
export function spreadOf(values: readonly number[]): Spread {
  const n = values.length;
  if (n === 0) return { n, mean: null, sd: null, interval: null };
  const mean = values.reduce((total, value) => total + value, 0) / n;
  if (n === 1) return { n, mean, sd: null, interval: null };
  const squares = values.reduce((total, value) => total + (value - mean) ** 2, 0);
  const sd = Math.sqrt(squares / (n - 1));
  const reach = (criticalT(LEVEL, n - 1) * sd) / Math.sqrt(n);
  return { n, mean, sd, interval: [mean - reach, mean + reach] };
}

/** The paired t-test of a mechanism against the baseline, over the seeds that both have. */
export function pairedDifference(
  mechanism: readonly SeedValue[],
  baseline: readonly SeedValue[],
): PairedDifference {
  const baselineOf = new Map(baseline.map(({ seed, value }) => [seed, value]));
  const pairs = mechanism.flatMap(({ seed, value }) => {
    const other = baselineOf.get(seed);
    return other === undefined ? [] : [{ seed, difference: value - other }];
  });
  const differences = pairs.map(({ difference }) => difference);
  const spread = spreadOf(differences);
  const { n, mean, sd } = spread;
  const error = sd === null ? null : sd / Math.sqrt(n);
  // As R's t.test has it: differences that are all equal leave nothing to measure the noise by.
  const tested = mean !== null && error !== null && error > 10 * Number.EPSILON * Math.abs(mean);
  const t = tested ? mean / error : null;
  const p = t === null ? null : twoSidedP(t, n - 1);
  const interval = tested ? spread.interval : null;
  return { ...spread, interval, seeds: pairs.map(({ seed }) => seed), differences, t, p };
}

/**
 * Holm's adjusted p-values, in the order given: the i-th smallest of m is multiplied by m - i + 1, and
 * none is smaller than the one before it or larger than 1.
 */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((p, place) => ({ p, place })).sort((a, b) => a.p - b.p);
  const adjusted = new Array<number>(pValues.length).fill(NaN);
  let largest = 0;
  order.forEach(({ p, place }, rank) => {
    largest = Math.max(largest, Math.min(1, p * (order.length - rank)));
    adjusted[place] = largest;
  });
  return adjusted;
}

/**
 * Adjusts the p-values of differences that were tested together, and says what each comes to.
 * @param better whether higher or lower values of the figure are better
 */
export function judge(
  differences: readonly PairedDifference[],
  better: Primary['better'] = 'higher',
): JudgedDifference[] {
  // A comparison of two seeds or more was meant as a test even where none could be made: it counts.
  const places = differences.flatMap(({ n }, place) => (n >= 2 ? [place] : []));
  const adjusted = holm(places.map((place) => differences[place]?.p ?? 1));
  return differences.map((difference, place) => {
    const adjustedP = difference.p === null ? null : (adjusted[places.indexOf(place)] ?? null);
    return { ...difference, adjustedP, verdict: verdictOf(difference, adjustedP, better) };
  });
}

function verdictOf(
  { n, mean }: PairedDifference,
  adjustedP: number | null,
  better: Primary['better'],
): Verdict {
  if (n === 0 || mean === null) return 'no runs to compare';
  if (n === 1) return 'one seed: no statement';
  if (adjustedP === null || adjustedP >= 1 - LEVEL) return 'no significant difference';
  return mean > 0 === (better === 'higher') ? 'better' : 'worse';
}
