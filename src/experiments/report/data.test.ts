import { describe, expect, test } from 'vitest';
import type { Explanation } from '../../explain/explanation.js';
import { resultsOf } from '../testing/results.js';
import { reportData } from './data.js';

/** One epoch, so that every measure of a run is this one value. */
const once = (...values: number[]): number[][] => values.map((value) => [value]);

const seen = (gate: number[], pointing: number): Explanation => ({
  images: [
    { file: 'a.png', label: 'shapes 0', class: 'ring', predicted: 'star', probability: 0.7 },
  ],
  maps: [
    { image: 0, module: 'layer1.0.a', name: 's', kind: 'spatial', file: 'm0.png', scale: [0, 1] },
    { image: 0, module: 'layer1.1.a', name: 's', kind: 'spatial', file: 'm1.png', scale: [0, 1] },
    { image: 0, module: 'layer2.0.a', name: 's', kind: 'spatial', file: 'm2.png', scale: [0, 1] },
    {
      image: 0,
      module: 'grad-cam',
      name: 'grad-cam',
      kind: 'grad-cam',
      file: 'g.png',
      scale: [0, 1],
    },
  ],
  gates: [{ module: 'layer1.0.a', name: 'channel', values: gate, spread: gate.map(() => 0.1) }],
  localisation: [
    {
      module: 'grad-cam',
      name: 'grad-cam',
      kind: 'grad-cam',
      images: 5,
      pointing,
      energy: 0.5,
      share: 0.2,
    },
  ],
});

describe('the report of a comparison', () => {
  const report = reportData(
    resultsOf(
      { none: once(50, 51, 52, 53), se: once(51, 53, 55, 57), eca: once(50.5, 50.5, 52.5, 52.5) },
      { latency: { none: 4, se: 5 } },
    ),
  );
  const [none, se, eca] = report.mechanisms;

  test('keeps the order of the command, whoever is best', () => {
    expect(report.mechanisms.map(({ label }) => label)).toEqual(['none', 'se', 'eca']);
    expect(report.baseline).toBe('none');
  });

  test('has mean and standard deviation over the seeds', () => {
    // 50, 51, 52, 53: mean 51.5, variance (2.25 + 0.25 + 0.25 + 2.25) / 3.
    expect(none?.accuracy.best_top1).toMatchObject({ n: 4, mean: 51.5, sd: Math.sqrt(5 / 3) });
    expect(none?.accuracy.best_top1.difference).toBeNull();
  });

  test('has the paired difference, adjusted for the number of mechanisms', () => {
    // Differences 1, 2, 3, 4: mean 2.5, t = 2.5 / (1.29099 / 2) = 3.87298, and with 3 degrees of freedom
    // p = 0.030466 (scipy 1.17.1, ttest_rel); the smaller of two, so Holm doubles it.
    const { difference } = se?.accuracy.mean_best5_top1 ?? {};
    expect(difference?.differences).toEqual([1, 2, 3, 4]);
    expect(difference?.t).toBeCloseTo(3.872983, 6);
    expect(difference?.p).toBeCloseTo(0.0304663, 6);
    expect(difference?.adjustedP).toBeCloseTo(0.0609326, 6);
    expect(difference?.verdict).toBe('no significant difference');
    expect(eca?.accuracy.mean_best5_top1.difference?.mean).toBe(0);
  });

  test('says how small a difference the widest interval leaves open', () => {
    // se: 3.182446 (t with 3 degrees, tables) * 1.290994 / 2; eca's differences are smaller.
    expect(report.resolution).toBeCloseTo(2.05426, 5);
  });

  test('names the file of every figure', () => {
    expect(se?.params).toEqual({ value: 1100, source: 'runs/se-seed1/summary.json' });
    expect(se?.latency).toMatchObject({ value: 5, source: 'latency.json' });
    expect(eca?.latency).toBeNull();
    expect(se?.accuracy.last_top1.values.map(({ source }) => source)).toEqual(
      [1, 2, 3, 4].map((seed) => `runs/se-seed${seed}/summary.json`),
    );
  });

  test('is complete when all runs are done', () => {
    expect(report).toMatchObject({ complete: true, done: 12, planned: 12 });
  });
});

describe('learning curves', () => {
  test('have the mean and the range over the seeds', () => {
    const { mechanisms } = reportData(
      resultsOf({
        none: [
          [10, 20],
          [14, 26],
        ],
      }),
    );
    expect(mechanisms[0]?.curve.map(({ val_top1: val }) => val)).toEqual([
      { mean: 12, min: 10, max: 14 },
      { mean: 23, min: 20, max: 26 },
    ]);
  });

  test('end where the shortest run that has begun ends', () => {
    const { mechanisms } = reportData(
      resultsOf({ none: [[10, 20, 30], [14]] }, { epochs: 3, seeds: 3 }),
    );
    expect(mechanisms[0]?.curve).toHaveLength(1);
    expect(mechanisms[0]?.curve[0]?.runs).toBe(2);
  });

  test("training speed is the median of a run's epochs", () => {
    const { mechanisms } = reportData(resultsOf({ none: [[1, 2, 3, 4]] }));
    expect(mechanisms[0]?.speed).toMatchObject({ n: 1, mean: 115 });
  });
});

describe('an unfinished comparison', () => {
  test('has figures of the runs that are done, paired over the seeds that both have', () => {
    const report = reportData(
      resultsOf({ none: [[50, 51], [52, 53], [54]], se: [[51, 52], [], [58]] }, { seeds: 3 }),
    );
    expect(report).toMatchObject({ complete: false, done: 3, planned: 6 });
    expect(report.runs.map(({ state }) => state)).toEqual([
      'done',
      'done',
      'stopped',
      'done',
      'waiting',
      'stopped',
    ]);
    expect(report.mechanisms[1]?.accuracy.best_top1.difference).toMatchObject({
      seeds: [1],
      differences: [1],
      interval: null,
      verdict: 'one seed: no statement',
    });
  });

  test('of which nothing is done has no figures', () => {
    const report = reportData(resultsOf({ none: [], se: [] }, { epochs: 3, seeds: 2 }));
    expect(report.mechanisms[1]).toMatchObject({ params: null, curve: [], gates: [], maps: null });
    expect(report.mechanisms[1]?.accuracy.best_top1.difference?.verdict).toBe('no runs to compare');
    expect(report.resolution).toBeNull();
  });
});

describe('what was seen', () => {
  const { mechanisms } = reportData(
    resultsOf(
      { none: once(50, 51), se: once(51, 52) },
      {
        explanation: (label, seed) =>
          label === 'none' ? null : seed === 1 ? seen([0, 1, 2], 0.4) : seen([3, 4], 0.6),
      },
    ),
  );
  const se = mechanisms[1];

  test('gates hold the channels of all seeds', () => {
    const [layer] = se?.gates[0]?.layers ?? [];
    // Of 0, 1, 2, 3, 4 as NumPy has it: percentiles 10, 25, 50, 75, 90.
    expect(layer?.values).toEqual({ p10: 0.4, p25: 1, p50: 2, p75: 3, p90: 3.6 });
    expect(layer?.variation).toBe(0.1);
    expect(layer?.raw.map(({ seed, values }) => ({ seed, values }))).toEqual([
      { seed: 1, values: [0, 1, 2] },
      { seed: 2, values: [3, 4] },
    ]);
  });

  test('localisation is over the seeds', () => {
    expect(se?.localisation[0]).toMatchObject({ images: 5, share: 0.2 });
    expect(se?.localisation[0]?.pointing.mean).toBeCloseTo(0.5, 12);
    expect(se?.localisation[0]?.pointing.sd).toBeCloseTo(Math.SQRT2 / 10, 12);
  });

  test("maps are Grad-CAM's and those of the last block of each stage, of the first seed", () => {
    expect(se?.maps?.seed).toBe(1);
    expect(se?.maps?.rows.map(({ module, files }) => [module, files[0]])).toEqual([
      ['grad-cam', 'runs/se-seed1/explanation/g.png'],
      ['layer1.1.a', 'runs/se-seed1/explanation/m1.png'],
      ['layer2.0.a', 'runs/se-seed1/explanation/m2.png'],
    ]);
    expect(mechanisms[0]?.maps).toBeNull();
  });
});
