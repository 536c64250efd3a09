import { describe, expect, test } from 'vitest';
import type { Explanation } from '../../explain/explanation.js';
import type { Primary } from '../../tasks/task.js';
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
    expect(none?.accuracy.best_top1?.difference).toBeNull();
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
    expect(eca?.accuracy.mean_best5_top1?.difference?.mean).toBe(0);
  });

  test('says how small a difference the widest interval leaves open', () => {
    // se: 3.182446 (t with 3 degrees, tables) * 1.290994 / 2; eca's differences are smaller.
    expect(report.resolution).toBeCloseTo(2.05426, 5);
  });

  test('names the file of every figure', () => {
    expect(se?.params).toEqual({ value: 1100, source: 'runs/se-seed1/summary.json' });
    expect(se?.latency).toMatchObject({ value: 5, source: 'latency.json' });
    expect(eca?.latency).toBeNull();
    expect(se?.accuracy.last_top1?.values.map(({ source }) => source)).toEqual(
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
    expect(mechanisms[0]?.curve.map(({ val }) => val)).toEqual([
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
    expect(report.mechanisms[1]?.accuracy.best_top1?.difference).toMatchObject({
      seeds: [1],
      differences: [1],
      interval: null,
      verdict: 'one seed: no statement',
    });
  });

  test('of which nothing is done has no figures', () => {
    const report = reportData(resultsOf({ none: [], se: [] }, { epochs: 3, seeds: 2 }));
    expect(report.mechanisms[1]).toMatchObject({ params: null, curve: [], gates: [], maps: null });
    expect(report.mechanisms[1]?.accuracy.best_top1?.difference?.verdict).toBe(
      'no runs to compare',
    );
    expect(report.resolution).toBeNull();
  });
});

const MIOU: Primary = { name: 'miou', title: 'mean IoU', unit: '%', better: 'higher' };
const ERROR: Primary = { name: 'error', title: 'squared error', unit: '', better: 'lower' };

describe('a comparison at another task', () => {
  test('has the measures of its own figure, and the baseline of what it compares', () => {
    const report = reportData(
      resultsOf(
        { add: once(70, 71), msaa: once(72, 74), 'gated-fusion:reduction=2': once(70, 70) },
        { axis: 'fusion', figure: MIOU, recipe: { task: 'segmentation' } },
      ),
    );
    expect(report).toMatchObject({ baseline: 'add', primary: 'mean_best5_miou', figure: MIOU });
    const [add, msaa, gated] = report.mechanisms;
    expect(Object.keys(msaa?.accuracy ?? {})).toEqual([
      'mean_best5_miou',
      'best_miou',
      'last_miou',
    ]);
    expect(msaa?.accuracy.best_miou?.difference?.differences).toEqual([2, 3]);
    expect([add, msaa, gated].map((one) => one?.title)).toEqual([
      'the sum of the maps',
      'Multi-scale attention aggregation',
      'Gated fusion',
    ]);
    expect(msaa?.curve[0]?.val).toEqual({ mean: 73, min: 72, max: 74 });
    expect(report.runs[0]).toMatchObject({ name: 'add-seed1', label: 'add' });
    expect(report.runs[0]).not.toHaveProperty('attention');
  });

  test('calls a lower value better where it is', () => {
    const { mechanisms } = reportData(
      resultsOf(
        { none: once(0.5, 0.51, 0.52), se: once(0.4, 0.41, 0.421), eca: once(0.6, 0.61, 0.621) },
        { figure: ERROR },
      ),
    );
    expect(mechanisms.map(({ accuracy }) => accuracy.best_error?.difference?.verdict)).toEqual([
      undefined,
      'better',
      'worse',
    ]);
  });

  test('has no curve of the training images where their figure is not measured', () => {
    const results = resultsOf({ none: once(40, 50) });
    const [variant] = results.variants;
    const runs = variant?.runs.map((run) => ({
      ...run,
      metrics: run.metrics.map((line) => ({ ...line, train_top1: NaN })),
    }));
    const { mechanisms } = reportData({
      ...results,
      variants: variant && runs ? [{ ...variant, runs }] : [],
    });
    expect(mechanisms[0]?.curve[0]).toMatchObject({ train: null, val: { mean: 45 } });
  });

  test('leaves out a run whose figure is not a number', () => {
    const { mechanisms } = reportData(
      resultsOf({ none: once(1, 2), se: [[NaN], [3]] }, { figure: ERROR }),
    );
    expect(mechanisms[1]?.accuracy.best_error).toMatchObject({ n: 1, mean: 3 });
    expect(mechanisms[1]?.accuracy.best_error?.difference).toMatchObject({ seeds: [2] });
  });

  test('of which nothing is done is about the figure of its task, or the loss that every task has', () => {
    const figureOf = (recipe: object) =>
      reportData(resultsOf({ none: [] }, { epochs: 2, seeds: 1, recipe })).figure;
    expect(figureOf({ task: 'classification' }).name).toBe('top1');
    expect(figureOf({ task: 'of-my-own' })).toMatchObject({ name: 'loss', better: 'lower' });
  });

  test('on images of one’s own knows of them what the runs have written down', () => {
    const info = {
      name: 'mushrooms',
      classes: ['edible', 'not'],
      channels: 3,
      height: 64,
      width: 48,
      normalization: { mean: [0, 0, 0], std: [1, 1, 1] },
    };
    const { dataset } = reportData(
      resultsOf(
        { none: once(1) },
        {
          recipe: { dataset: 'folder', data: 'mushrooms' },
          info,
          evaluation: () => ({ examples: 37, classes: ['edible', 'not'], per_class: {} }),
        },
      ),
    );
    expect(dataset).toEqual({ title: 'mushrooms', train: null, val: 37, source: null });
  });
});

describe('figures of each class', () => {
  const counts: Record<string, number[][]> = {
    none1: [
      [8, 2, 0],
      [1, 9, 0],
      [0, 0, 0],
    ],
    none2: [
      [1, 1, 0],
      [0, 4, 0],
      [0, 0, 0],
    ],
    se1: [
      [10, 0, 0],
      [5, 5, 0],
      [0, 0, 0],
    ],
  };
  const evaluation = (label: string, seed: number) => {
    const confusion = counts[`${label}${seed}`];
    if (confusion === undefined) return null;
    const accuracy = confusion.map((row, k) => {
      const total = row.reduce((sum, count) => sum + count, 0);
      return total === 0 ? null : (100 * (row[k] ?? 0)) / total;
    });
    return { examples: 20, classes: ['a', 'b', 'c'], per_class: { accuracy }, confusion };
  };
  const report = reportData(
    resultsOf({ none: once(1, 2), se: once(3, 4), eca: once(5, 6) }, { evaluation }),
  );
  const [none, se, eca] = report.mechanisms.map(({ classes }) => classes);

  test('are means over the seeds, with the difference over the seeds that both have', () => {
    expect(report.classes).toEqual(['a', 'b', 'c']);
    expect(none?.figures['accuracy']).toEqual([
      { mean: 65, difference: null, values: [80, 50] },
      { mean: 95, difference: null, values: [90, 100] },
      { mean: null, difference: null, values: [null, null] },
    ]);
    // Seed 1 alone: 100 less 80, 50 less 90.
    expect(se?.figures['accuracy']?.map(({ difference }) => difference)).toEqual([20, -40, null]);
    expect(se).toMatchObject({ seeds: [1], sources: ['runs/se-seed1/evaluation.json'] });
    expect(eca).toBeNull();
  });

  test('confusion has the mean counts, and the mean of each row’s shares', () => {
    expect(none?.confusion?.counts).toEqual([
      [4.5, 1.5, 0],
      [0.5, 6.5, 0],
      [0, 0, 0],
    ]);
    expect(none?.confusion?.shares).toEqual([
      [0.65, 0.35, 0],
      [0.05, 0.95, 0],
      [null, null, null],
    ]);
    expect(none?.confused).toEqual([]);
  });

  test('of many classes the most confused pairs are kept, and not all', () => {
    const classes = Array.from({ length: 30 }, (_, k) => `class ${k}`);
    // Class k is taken for the next one k times of 100.
    const confusion = classes.map((_, k) =>
      classes.map((__, other) => (other === k ? 100 - k : other === (k + 1) % 30 ? k : 0)),
    );
    const { mechanisms } = reportData(
      resultsOf(
        { none: once(1) },
        { evaluation: () => ({ examples: 3000, classes, per_class: {}, confusion }) },
      ),
    );
    const { confusion: whole, confused } = mechanisms[0]?.classes ?? {};
    expect(whole).toBeNull();
    expect(confused).toHaveLength(10);
    expect(confused?.slice(0, 2)).toEqual([
      { true: 29, predicted: 0, share: 0.29 },
      { true: 28, predicted: 29, share: 0.28 },
    ]);
  });

  test('are not there where no run has written them down, as those of version 0.1', () => {
    const old = reportData(resultsOf({ none: once(1) }));
    expect(old.classes).toEqual([]);
    expect(old.mechanisms[0]?.classes).toBeNull();
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
    expect(se?.masks).toBeNull();
  });

  test('masks are those of the first seed that has any, beside their image', () => {
    const report = reportData(
      resultsOf(
        { none: once(1, 2) },
        {
          explanation: (_, seed) => ({
            ...seen([], 0),
            ...(seed === 2 && { masks: [{ image: 0, kind: 'predicted', file: 'p.png' }] }),
          }),
        },
      ),
    );
    expect(report.mechanisms[0]?.masks).toEqual({
      seed: 2,
      source: 'runs/none-seed2/explanation/index.json',
      images: [
        {
          file: 'runs/none-seed2/explanation/a.png',
          label: 'shapes 0',
          true: null,
          predicted: 'runs/none-seed2/explanation/p.png',
        },
      ],
    });
  });
});
