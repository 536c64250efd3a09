/** Learning curves, a panel for every mechanism, all on the same scales. */
import { areaY, dot, lineY } from '@observablehq/plot';
import type { Band, CurvePoint } from '../curves.js';
import type { MechanismReport, ReportData } from '../data.js';
import { capitalized } from '../words.js';
import { below, beside, COLOR, draw, paddedDomain } from './draw.js';

export interface Panel {
  readonly label: string;
  readonly svg: string;
}

interface Line extends Band {
  readonly epoch: number;
}

/** Which epochs panels show, and whether the training images' line is among them. */
interface View {
  readonly from: number;
  readonly training: boolean;
}

/** All epochs: validation with its range over the seeds, training dotted, the baseline in grey. */
export function curvePanels(report: ReportData): Panel[] {
  return panels(report, { from: 1, training: true });
}

/** The second half of the epochs on a scale of its own; none of a short run, where there is nothing to enlarge. */
export function latePanels(report: ReportData): Panel[] {
  const epochs = Math.max(0, ...report.mechanisms.map(({ curve }) => curve.length));
  return epochs < 6 ? [] : panels(report, { from: Math.ceil(epochs / 2) + 1, training: false });
}

function panels({ mechanisms, figure }: ReportData, view: View): Panel[] {
  const shown = mechanisms
    .map((mechanism) => ({
      ...mechanism,
      curve: mechanism.curve.filter(({ epoch }) => epoch >= view.from),
    }))
    .filter(({ curve }) => curve.length > 0);
  const held = shown.flatMap(({ curve }) => [
    ...linesOf(curve, 'val').flatMap(({ min, max }) => [min, max]),
    ...(view.training ? linesOf(curve, 'train').map(({ mean }) => mean) : []),
  ]);
  if (held.length === 0) return [];
  const y = within(paddedDomain(held, 0.04), held, figure.unit === '%' ? 100 : Infinity);
  const last = Math.max(...shown.flatMap(({ curve }) => curve.map(({ epoch }) => epoch)));
  const reference = shown.find(({ baseline }) => baseline);
  return shown.map((mechanism) => ({
    label: mechanism.label,
    svg: panel(
      mechanism,
      reference,
      view,
      {
        x: [view.from, Math.max(view.from + 1, last)],
        y,
      },
      figure.title,
    ),
  }));
}

/** A range without what no value can be: below 0, or above the most, unless some values are. */
function within(
  [low, high]: readonly [number, number],
  values: readonly number[],
  most: number,
): [number, number] {
  return [Math.min(Math.max(0, low), ...values), Math.max(Math.min(most, high), ...values)];
}

function panel(
  { label, curve, baseline }: MechanismReport,
  reference: MechanismReport | undefined,
  { from, training }: View,
  domains: { x: [number, number]; y: [number, number] },
  title: string,
): string {
  const val = linesOf(curve, 'val');
  const behind = baseline || !reference ? [] : linesOf(reference.curve, 'val');
  const color = baseline ? COLOR.muted : COLOR.accent;
  const dotted = { stroke: color, strokeWidth: 1.5, strokeDasharray: '2 4' };
  return draw(`${capitalized(title)} of ${label} by epoch, from epoch ${from}`, {
    width: 330,
    height: 200,
    marginLeft: 34,
    marginRight: 10,
    marginTop: 8,
    marginBottom: 38,
    x: { domain: domains.x },
    y: { domain: domains.y },
    marks: [
      ...beside(5),
      below('epoch', Math.min(6, domains.x[1] - from), 'd'),
      lineY(behind, { x: 'epoch', y: 'mean', stroke: COLOR.muted, strokeWidth: 1.5 }),
      areaY(val, { x: 'epoch', y1: 'min', y2: 'max', fill: color, fillOpacity: 0.25 }),
      ...(training ? [lineY(linesOf(curve, 'train'), { x: 'epoch', y: 'mean', ...dotted })] : []),
      lineY(val, { x: 'epoch', y: 'mean', stroke: color, strokeWidth: 2.25 }),
      // A line of one epoch cannot be seen.
      ...(val.length < 3 ? [dot(val, { x: 'epoch', y: 'mean', fill: color })] : []),
    ],
  });
}

function linesOf(curve: readonly CurvePoint[], name: 'val' | 'train'): Line[] {
  return curve.flatMap((point) => {
    const band = point[name];
    return band ? [{ epoch: point.epoch, ...band }] : [];
  });
}
