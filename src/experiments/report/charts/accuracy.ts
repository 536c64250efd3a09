/** The task's figure and differences to the baseline: every seed a dot, the mean a bar, its interval a line. */
import { gridX, ruleX, ruleY, tickX } from '@observablehq/plot';
import type { Spread } from '../../statistics.js';
import { judgedFigure, type JudgedFigure, type MechanismReport, type ReportData } from '../data.js';
import type { Format } from '../format.js';
import { capitalized, differenceTitle, figureFormats, figureTitle, nounOf } from '../words.js';
import { below, COLOR, draw, marginFor, paddedDomain, rowNames, seedDots } from './draw.js';

interface Row extends Spread {
  readonly label: string;
  readonly values: readonly { readonly seed: number; readonly value: number }[];
  readonly color: string;
}

const WIDTH = 460;
const ROW = 34;

/** The figure of every variant, in the order of the command. */
export function accuracyChart(report: ReportData): string | null {
  const { mechanisms, primary, figure } = report;
  const rows = mechanisms.map((mechanism) => {
    const { label, baseline } = mechanism;
    const color = baseline ? COLOR.muted : COLOR.accent;
    return { label, ...judgedFigure(mechanism, primary), color };
  });
  return rowsChart(rows, {
    description: `${capitalized(figure.title)} of every ${nounOf(report).one} with the values of its seeds`,
    axis: figureTitle(figure),
    zero: false,
    write: figureFormats(figure).value,
  });
}

/** Paired difference to the baseline of every other variant. */
export function differenceChart(report: ReportData): string | null {
  const { mechanisms, primary, figure } = report;
  const baseline = report.baseline ?? 'the baseline';
  const rows = mechanisms.flatMap((mechanism) => {
    const row = differenceRow(mechanism, judgedFigure(mechanism, primary));
    return row ? [row] : [];
  });
  return rowsChart(rows, {
    description: `Difference to ${baseline} of every ${nounOf(report).one}, seed by seed`,
    axis: `${differenceTitle(figure)} above ${baseline}`,
    zero: true,
    write: figureFormats(figure).difference,
  });
}

function differenceRow({ label }: MechanismReport, { difference }: JudgedFigure): Row | null {
  if (difference === null || difference.n === 0) return null;
  const { n, mean, sd, interval, seeds, differences, verdict } = difference;
  const values = seeds.map((seed, i) => ({ seed, value: differences[i] ?? NaN }));
  const clear = verdict === 'better' || verdict === 'worse';
  return { label, n, mean, sd, interval, values, color: clear ? COLOR.accent : COLOR.muted };
}

function rowsChart(
  rows: readonly Row[],
  {
    description,
    axis,
    zero,
    write,
  }: { description: string; axis: string; zero: boolean; write: Format },
): string | null {
  const dots = rows.flatMap(({ values, ...row }) => values.map((value) => ({ ...row, ...value })));
  if (dots.length === 0) return null;
  const means = rows.flatMap(({ label, mean, color }) =>
    mean === null ? [] : [{ label, mean, color }],
  );
  const domain = domainOf(rows, zero);
  const intervals = rows.flatMap(({ label, interval, color }) =>
    interval === null ? [] : [{ label, low: interval[0], high: interval[1], color }],
  );
  const [least, most] = domain;
  // An interval that two seeds make can be wider than the chart: it is then cut, and has no end there.
  const drawn = intervals.map((one) => ({
    ...one,
    low: Math.max(least, one.low),
    high: Math.min(most, one.high),
  }));
  const ends = intervals.flatMap(({ label, low, high, color }) =>
    [low, high].filter((x) => x > least && x < most).map((x) => ({ label, x, color })),
  );
  const labels = rows.map(({ label }) => label);
  return draw(description, {
    width: WIDTH,
    height: 46 + ROW * rows.length,
    marginLeft: marginFor(labels),
    marginRight: 16,
    marginTop: 6,
    marginBottom: 40,
    x: { domain, inset: 4 },
    y: { domain: labels, padding: 0.3 },
    marks: [
      gridX({ stroke: COLOR.line, strokeOpacity: 1, ticks: 6 }),
      below(axis, 6),
      rowNames(),
      ...(zero ? [ruleX([0], { stroke: COLOR.ink, strokeWidth: 1.5 })] : []),
      ruleY(drawn, { x1: 'low', x2: 'high', y: 'label', stroke: 'color', strokeWidth: 2 }),
      tickX(ends, { x: 'x', y: 'label', stroke: 'color', strokeWidth: 2, inset: 6 }),
      seedDots(dots, write),
      tickX(means, {
        x: 'mean',
        y: 'label',
        stroke: 'color',
        strokeWidth: 4,
        title: ({ label, mean }: { label: string; mean: number }) =>
          `${label}, mean: ${write(mean)}`,
      }),
    ],
  });
}

/** Holds all dots, and intervals as far as they do not make the dots illegible. */
function domainOf(rows: readonly Row[], zero: boolean): [number, number] {
  const values = rows.flatMap((row) => row.values.map(({ value }) => value));
  const shown = zero ? [...values, 0] : values;
  const [low, high] = paddedDomain(shown);
  const room = (high - low) * 0.75;
  const ends = rows.flatMap(({ interval }) => interval ?? []);
  const held = ends.map((end) => Math.max(low - room, Math.min(high + room, end)));
  return paddedDomain([...shown, ...held], 0.04);
}
