/** The task's figure against what a network costs. */
import { dot, link, ruleX, text } from '@observablehq/plot';
import { judgedFigure, type MechanismReport, type ReportData } from '../data.js';
import { fixed, type Format } from '../format.js';
import { capitalized, figureFormats } from '../words.js';
import { below, beside, COLOR, draw, paddedDomain } from './draw.js';

/** A kind of cost: what it is, where it is found, and its unit. */
export interface CostAxis {
  readonly title: string;
  readonly unit: string;
  readonly scale: number;
  readonly format: Format;
  readonly of: (mechanism: MechanismReport) => number | null;
}

export const COSTS: readonly CostAxis[] = [
  {
    title: 'Parameters',
    unit: 'thousand parameters',
    scale: 1e-3,
    format: fixed(1),
    of: ({ params }) => params?.value ?? null,
  },
  {
    title: 'Multiply-adds',
    unit: 'million multiply-adds an image',
    scale: 1e-6,
    format: fixed(2),
    of: ({ macs }) => macs?.value ?? null,
  },
  {
    title: 'Latency',
    unit: 'milliseconds, one image at a time',
    scale: 1,
    format: fixed(2),
    of: ({ latency }) => latency?.value ?? null,
  },
];

interface Point {
  readonly label: string;
  readonly cost: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly color: string;
}

const [WIDTH, TOP, BOTTOM] = [370, 12, 42];
/** Of the part between the axes; more if more labels have to stand beside it. */
const INNER_HEIGHT = 196;
const LABEL_HEIGHT = 15;

/** Mean of the figure (with one standard deviation over the seeds) against one kind of cost; null without figures. */
export function costChart(
  { mechanisms, primary, figure }: ReportData,
  axis: CostAxis,
): string | null {
  const write = figureFormats(figure).value;
  const points = mechanisms.flatMap((mechanism): Point[] => {
    const { mean, sd } = judgedFigure(mechanism, primary);
    const cost = axis.of(mechanism);
    if (mean === null || cost === null) return [];
    return [
      {
        label: mechanism.label,
        cost: cost * axis.scale,
        mean,
        low: mean - (sd ?? 0),
        high: mean + (sd ?? 0),
        color: mechanism.baseline ? COLOR.muted : COLOR.accent,
      },
    ];
  });
  if (points.length < 2) return null;
  const inner = Math.max(INNER_HEIGHT, LABEL_HEIGHT * (points.length + 1));
  const x = paddedDomain(points.map(({ cost }) => cost));
  const y = paddedDomain(points.flatMap(({ low, high }) => [low, high]));
  const labels = spreadLabels(points, y, inner).map((label) => ({ ...label, edge: x[1] }));
  const longest = Math.max(...points.map(({ label }) => label.length));
  return draw(`${capitalized(figure.title)} against ${axis.unit}`, {
    width: WIDTH,
    height: TOP + inner + BOTTOM,
    marginLeft: 44,
    marginRight: Math.min(170, 22 + longest * 7),
    marginTop: TOP,
    marginBottom: BOTTOM,
    x: { domain: x },
    y: { domain: y },
    marks: [
      ...beside(5),
      below(axis.unit, 4),
      // Mechanisms often cost the same: their names stand at the edge, each led to its dot.
      link(labels, {
        x1: 'cost',
        y1: 'mean',
        x2: 'edge',
        y2: 'place',
        stroke: COLOR.muted,
        strokeOpacity: 0.5,
        strokeWidth: 1,
      }),
      ruleX(points, { x: 'cost', y1: 'low', y2: 'high', stroke: 'color', strokeWidth: 1.5 }),
      dot(points, {
        x: 'cost',
        y: 'mean',
        r: 4.5,
        fill: 'color',
        title: ({ label, cost, mean }: Point) =>
          `${label}: ${axis.format(cost)} ${axis.unit}, ${write(mean)} ${figure.unit}`.trim(),
      }),
      text(labels, {
        x: 'edge',
        y: 'place',
        text: 'label',
        dx: 5,
        textAnchor: 'start',
        fontWeight: 600,
      }),
    ],
  });
}

/** Gives every point's label a height of its own, in the order of the points' heights. */
function spreadLabels(
  points: readonly Point[],
  [low, high]: readonly [number, number],
  height: number,
): (Point & { place: number })[] {
  const step = ((high - low) * LABEL_HEIGHT) / height;
  const placed: (Point & { place: number })[] = [];
  for (const point of [...points].sort((a, b) => a.mean - b.mean)) {
    const below = placed.at(-1)?.place ?? -Infinity;
    placed.push({ ...point, place: Math.max(point.mean, below + step, low + step / 2) });
  }
  // What was pushed out at the top pushes back.
  let ceiling = high - step / 2;
  for (const label of placed.toReversed()) {
    label.place = Math.min(label.place, ceiling);
    ceiling = label.place - step;
  }
  return placed;
}
