import { describe, expect, test } from 'vitest';
import { RequestError } from '../errors.js';
import { holm, judge, pairedDifference, spreadOf, type SeedValue } from './statistics.js';
import { criticalT, twoSidedP } from './student.js';

/** Values of seeds 1, 2, 3, ... */
const seeded = (values: readonly number[]): SeedValue[] =>
  values.map((value, i) => ({ seed: i + 1, value }));

// Student's own example (Biometrika 6, 1908): hours of sleep gained by ten patients with two drugs;
// the data set `sleep` of R.
const SLEEP_1 = seeded([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2]);
const SLEEP_2 = seeded([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]);

describe("Student's t", () => {
  // scipy 1.17.1: stats.t.ppf((1 + level) / 2, df)
  test.each([
    [0.95, 1, 12.706204736174694],
    [0.95, 2, 4.302652729749462],
    [0.95, 4, 2.7764451051977934],
    [0.95, 9, 2.262157162798205],
    [0.9, 7, 1.8945786050900062],
    [0.99, 30, 2.7499956535672254],
  ])('the critical value at %f and %i degrees is %f', (level, degrees, expected) => {
    expect(Math.abs(criticalT(level, degrees) / expected - 1)).toBeLessThan(1e-12);
  });

  // scipy 1.17.1: 2 * stats.t.sf(abs(t), df)
  test.each([
    [2.5, 1, 0.24223788318168682],
    [2.5, 2, 0.12961172022151082],
    [-1.3, 5, 0.2503006341706771],
    [4.5, 8, 0.0020020922755185975],
    [12, 4, 0.000276428548502973],
    [0, 3, 1],
    [2, 100, 0.04821217873113365],
  ])('the p-value of t = %f with %i degrees is %f', (t, degrees, expected) => {
    expect(Math.abs(twoSidedP(t, degrees) - expected)).toBeLessThan(1e-14);
  });

  test('the tails of an infinite t are empty', () => {
    expect(twoSidedP(-Infinity, 3)).toBe(0);
  });

  test.each([0, 1.5, NaN])('%f degrees of freedom are refused', (degrees) => {
    expect(() => criticalT(0.95, degrees)).toThrow(RequestError);
    expect(() => twoSidedP(1, degrees)).toThrow(RequestError);
  });

  test.each([0, 1, 95])('a level of %f is refused', (level) => {
    expect(() => criticalT(level, 2)).toThrow(`it is ${level}`);
  });
});

describe('mean and standard deviation', () => {
  test("of Student's sleep data are R's mean() and sd()", () => {
    const { n, mean, sd } = spreadOf(SLEEP_2.map(({ value }) => value));
    expect(n).toBe(10);
    expect(mean).toBeCloseTo(2.33, 12);
    expect(sd).toBeCloseTo(2.002249, 6);
  });

  test('of one value: no deviation, no interval', () => {
    expect(spreadOf([52.5])).toEqual({ n: 1, mean: 52.5, sd: null, interval: null });
  });

  test('of nothing: nothing', () => {
    expect(spreadOf([])).toEqual({ n: 0, mean: null, sd: null, interval: null });
  });
});

describe('the paired difference', () => {
  test("of Student's sleep data is what R's t.test(paired = TRUE) prints", () => {
    const { n, mean, interval, t, p } = pairedDifference(SLEEP_1, SLEEP_2);
    // t = -4.0621, df = 9, p-value = 0.002833; 95 percent interval -2.4598858 -0.7001142; mean -1.58
    expect(n).toBe(10);
    expect(mean).toBeCloseTo(-1.58, 12);
    expect(t).toBeCloseTo(-4.0621, 4);
    expect(p).toBeCloseTo(0.002833, 6);
    expect(interval?.[0]).toBeCloseTo(-2.4598858, 7);
    expect(interval?.[1]).toBeCloseTo(-0.7001142, 7);
  });

  test('pairs by seed, whatever the order, and leaves out seeds that only one side has', () => {
    const mechanism = [
      { seed: 3, value: 30 },
      { seed: 1, value: 12 },
      { seed: 4, value: 99 },
    ];
    const baseline = [
      { seed: 1, value: 10 },
      { seed: 2, value: 0 },
      { seed: 3, value: 20 },
    ];
    const { seeds, differences } = pairedDifference(mechanism, baseline);
    expect(seeds).toEqual([3, 1]);
    expect(differences).toEqual([10, 2]);
  });

  test('without a common seed has no figures', () => {
    const { n, mean, t, p } = pairedDifference([{ seed: 1, value: 1 }], [{ seed: 2, value: 1 }]);
    expect({ n, mean, t, p }).toEqual({ n: 0, mean: null, t: null, p: null });
  });
});

describe("Holm's adjustment", () => {
  test("is R's p.adjust(c(.01, .02, .03, .04, .05), 'holm')", () => {
    expect(rounded(holm([0.01, 0.02, 0.03, 0.04, 0.05]))).toEqual([0.05, 0.08, 0.09, 0.09, 0.09]);
  });

  test('keeps the order of its input and rejects what the worked example of Wikipedia rejects', () => {
    // "Holm-Bonferroni method": of 0.01, 0.04, 0.03, 0.005 at 5 %, the fourth and the first are rejected.
    const adjusted = rounded(holm([0.01, 0.04, 0.03, 0.005]));
    expect(adjusted).toEqual([0.03, 0.06, 0.06, 0.02]);
    expect(adjusted.map((p) => p < 0.05)).toEqual([true, false, false, true]);
  });

  test('never exceeds 1, and leaves a single p-value alone', () => {
    expect(holm([0.9, 0.8])).toEqual([1, 1]);
    expect(holm([0.04])).toEqual([0.04]);
    expect(holm([])).toEqual([]);
  });
});

describe('the verdict', () => {
  const baseline = seeded([50, 51, 52, 53]);
  const shifted = (...by: number[]): SeedValue[] =>
    baseline.map(({ seed, value }, i) => ({ seed, value: value + (by[i] ?? 0) }));
  const verdicts = (...mechanisms: SeedValue[][]): string[] =>
    judge(mechanisms.map((values) => pairedDifference(values, baseline))).map(
      ({ verdict }) => verdict,
    );

  test('follows the sign of a clear difference, and says so of noise that it is noise', () => {
    expect(
      verdicts(shifted(2, 2.1, 1.9, 2), shifted(-2, -2.1, -1.9, -2), shifted(1, -1, 0.4, -0.3)),
    ).toEqual(['better', 'worse', 'no significant difference']);
  });

  test('is better for a lower value where lower is better, with the same numbers', () => {
    const differences = [shifted(2, 2.1, 1.9, 2), shifted(-2, -2.1, -1.9, -2)].map((values) =>
      pairedDifference(values, baseline),
    );
    const lower = judge(differences, 'lower');
    expect(lower.map(({ verdict }) => verdict)).toEqual(['worse', 'better']);
    expect(lower.map(({ p, adjustedP }) => [p, adjustedP])).toEqual(
      judge(differences).map(({ p, adjustedP }) => [p, adjustedP]),
    );
  });

  test('is that of the adjusted p-value: what passes alone may not pass among several', () => {
    // Differences 1, 2, 3, 4: t = 3.873 with 3 degrees, p = 0.0305; times two it is above 0.05.
    const lucky = shifted(1, 2, 3, 4);
    const noise = shifted(1, -1, 0.4, -0.3);
    expect(verdicts(lucky)).toEqual(['better']);
    expect(verdicts(lucky, noise)[0]).toBe('no significant difference');
  });

  test('of one seed makes no statement, and does not weigh on the others', () => {
    const one = [{ seed: 1, value: 90 }];
    const [first, second] = judge([
      pairedDifference(one, baseline),
      pairedDifference(shifted(1, 2, 3, 4), baseline),
    ]);
    expect(first).toMatchObject({
      verdict: 'one seed: no statement',
      interval: null,
      adjustedP: null,
    });
    expect(second?.adjustedP).toBe(second?.p);
  });

  test('of differences that are all equal is none: there is no noise to measure against', () => {
    const [same] = judge([pairedDifference(shifted(2, 2, 2, 2), baseline)]);
    expect(same).toMatchObject({
      mean: 2,
      interval: null,
      t: null,
      p: null,
      verdict: 'no significant difference',
    });
  });

  test('without a common run says that there is nothing to compare', () => {
    expect(verdicts([])).toEqual(['no runs to compare']);
  });
});

function rounded(values: readonly number[]): number[] {
  return values.map((value) => Number(value.toFixed(12)));
}
