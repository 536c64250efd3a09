import { describe, expect, test } from 'vitest';
import type { Explanation } from '../../../explain/explanation.js';
import { resultsOf } from '../../testing/results.js';
import { reportData, type ReportData } from '../data.js';
import { accuracyChart, differenceChart } from './accuracy.js';
import { confusionChart } from './confusion.js';
import { costChart, COSTS } from './cost.js';
import { curvePanels, latePanels } from './curves.js';
import { gateChart, variationChart } from './gates.js';
import { layerNames } from './layers.js';
import { gradCamChart, layerScoresChart } from './localisation.js';

const rising = (top: number): number[] => [0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1].map((s) => s * top);

const seen = (label: string, seed: number): Explanation => ({
  images: [],
  maps: [],
  gates: ['layer1.0', 'layer2.0', 'layer3.0'].map((block, depth) => ({
    module: `${block}.attention`,
    name: 'channel',
    values: [0.5 - 0.1 * depth, 0.5, 0.5 + 0.1 * depth + 0.01 * seed],
    spread: [0.01, 0.01 + 0.02 * depth, 0.1],
  })),
  localisation: [
    { module: 'grad-cam', name: 'grad-cam', kind: 'grad-cam' as const },
    ...['layer1.0', 'layer3.0'].map((block) => ({
      module: `${block}.attention`,
      name: 'spatial',
      kind: 'spatial' as const,
    })),
  ].map((map, i) => ({
    ...map,
    images: 50,
    pointing: 0.4 + 0.1 * i + 0.02 * seed,
    energy: (label === 'none' ? 0.25 : 0.3) + 0.05 * i + 0.01 * seed,
    share: 0.15,
  })),
});

const report = reportData(
  resultsOf(
    {
      none: [rising(50), rising(51), rising(52)],
      se: [rising(50.4), rising(51.2), rising(52.6)],
      'cbam:ratio=8': [rising(48), rising(49.1), rising(49.9)],
    },
    { explanation: seen, latency: { none: 4, se: 4.4, 'cbam:ratio=8': 6 } },
  ),
);
const [, se] = report.mechanisms;
const [gate] = se?.gates ?? [];
const ownMaps = se?.localisation.filter(({ kind }) => kind === 'spatial') ?? [];

const charts: Record<string, string | null | undefined> = {
  accuracy: accuracyChart(report),
  difference: differenceChart(report),
  ...Object.fromEntries(
    COSTS.map((axis) => [`cost-${axis.title.toLowerCase()}`, costChart(report, axis)]),
  ),
  curve: curvePanels(report)[1]?.svg,
  'curve-late': latePanels(report)[1]?.svg,
  confusion: confusionChart('se', ['cat', 'dog'], {
    counts: [
      [1234.5, 20],
      [0, 0],
    ],
    shares: [
      [0.98, 0.02],
      [null, null],
    ],
  }),
  gate: gate && gateChart('se', gate),
  variation: gate && variationChart('se', gate),
  'grad-cam-pointing': gradCamChart(report, 'pointing'),
  'layers-energy': layerScoresChart('se spatial', ownMaps, 'energy'),
};

describe.each(Object.entries(charts))('the chart %s', (name, svg) => {
  test('is drawn as it was', async () => {
    await expect(svg).toMatchFileSnapshot(`snapshots/${name}.svg`);
  });

  test("has the page's colours only, so that it follows it into dark mode", () => {
    const colors = [...(svg ?? '').matchAll(/(?:fill|stroke)="([^"]*)"/g)].map(
      ([, color]) => color,
    );
    expect(colors.length).toBeGreaterThan(3);
    for (const color of colors) expect(color).toMatch(/^(var\(--\w+\)|currentColor|none)$/);
  });

  test('has no ids, dates or addresses, and says what it shows', () => {
    expect(svg).not.toMatch(/\sid="|https?:(?!\/\/www\.w3\.org)|url\(/);
    expect(svg).toMatch(/role="img"/);
    expect(svg).toMatch(/aria-label="\w[^"]{10,}"/);
  });
});

describe('what a chart shows', () => {
  test('the accuracy of every seed is a ring, at the place of its value', () => {
    const rings = circles(accuracyChart(report));
    expect(rings).toHaveLength(9);
    // In the order of the values: 3 of none, 3 of se, 3 of cbam.
    const { mechanisms } = report;
    const values = mechanisms.flatMap(({ accuracy }) =>
      (accuracy.mean_best5_top1?.values ?? []).map(({ value }) => value),
    );
    // Two values far apart fix the scale; all others must then lie on it.
    const [a, b] = [5, 6];
    const scale =
      ((rings[b] ?? NaN) - (rings[a] ?? NaN)) / ((values[b] ?? NaN) - (values[a] ?? NaN));
    values.forEach((value, i) => {
      const expected = (rings[a] ?? NaN) + scale * (value - (values[a] ?? NaN));
      expect(rings[i]).toBeCloseTo(expected, 1);
    });
  });

  test('the baseline has no difference to itself', () => {
    expect(circles(differenceChart(report))).toHaveLength(6);
    expect(differenceChart(report)).not.toContain('>none<');
  });

  test('labels of networks that cost the same do not lie on each other', () => {
    const same: ReportData = {
      ...report,
      mechanisms: report.mechanisms.map((mechanism) => ({
        ...mechanism,
        params: { value: 1000, source: 'x' },
        accuracy: report.mechanisms[0]?.accuracy ?? mechanism.accuracy,
      })),
    };
    const [axis] = COSTS;
    const svg = (axis && costChart(same, axis)) ?? '';
    const heights = [
      ...svg.matchAll(/translate\([\d.]+,([\d.]+)\)"[^>]*>(?:none|se|cbam:ratio=8)</g),
    ];
    const places = heights.map(([, y]) => Number(y)).sort((x, y) => x - y);
    expect(places).toHaveLength(3);
    expect((places[1] ?? 0) - (places[0] ?? 0)).toBeGreaterThanOrEqual(14.9);
    expect((places[2] ?? 0) - (places[1] ?? 0)).toBeGreaterThanOrEqual(14.9);
  });

  test('nothing is drawn of nothing', () => {
    const empty = reportData(resultsOf({ none: [], se: [] }, { epochs: 3, seeds: 2 }));
    expect(accuracyChart(empty)).toBeNull();
    expect(differenceChart(empty)).toBeNull();
    expect(COSTS.map((axis) => costChart(empty, axis))).toEqual([null, null, null]);
    expect(curvePanels(empty)).toEqual([]);
    expect(gradCamChart(empty, 'energy')).toBeNull();
  });

  test('a run of few epochs has no second half to enlarge', () => {
    expect(latePanels(reportData(resultsOf({ none: [[1, 2, 3]] })))).toEqual([]);
  });
});

describe('names of layers', () => {
  test('leave out what all have in common at their end', () => {
    expect(layerNames(['layer1.0.attention', 'layer3.1.attention'])).toEqual(['1.0', '3.1']);
    expect(layerNames(['layer1.0.a', 'layer1.0.b'])).toEqual(['1.0.a', '1.0.b']);
    expect(layerNames(['layer2.1.attention'])).toEqual(['2.1.attention']);
    expect(layerNames([])).toEqual([]);
  });
});

/** The x of every circle, in the order of the drawing. */
function circles(svg: string | null): number[] {
  return [...(svg ?? '').matchAll(/<circle[^>]*\bcx="([\d.]+)"/g)].map(([, x]) => Number(x));
}
