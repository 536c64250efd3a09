/** Learning curves, a panel for every mechanism, all on the same scales. */
import { areaY, dot, lineY } from '@observablehq/plot';
import type { Band, CurvePoint } from '../curves.js';
import type { MechanismReport, ReportData } from '../data.js';
import { below, beside, COLOR, draw, paddedDomain } from './draw.js';

export interface Panel {
  readonly label: string;
  readonly svg: string;
}

interface Line extends Band {
  readonly epoch: number;
}

/** Which epochs panels show, and whether training accuracy is among the lines. */
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

function panels({ mechanisms }: ReportData, view: View): Panel[] {
  const shown = mechanisms
    .map((mechanism) => ({
      ...mechanism,
      curve: mechanism.curve.filter(({ epoch }) => epoch >= view.from),
    }))
    .filter(({ curve }) => curve.length > 0);
  const held = shown.flatMap(({ curve }) =>
    curve.flatMap(({ val_top1: val, train_top1: train }) =>
      view.training ? [val.min, val.max, train.mean] : [val.min, val.max],
    ),
  );
  if (held.length === 0) return [];
  const [low, high] = paddedDomain(held, 0.04);
  const last = Math.max(...shown.flatMap(({ curve }) => curve.map(({ epoch }) => epoch)));
  const reference = shown.find(({ baseline }) => baseline);
  return shown.map((mechanism) => ({
    label: mechanism.label,
    svg: panel(mechanism, reference, view, {
      x: [view.from, Math.max(view.from + 1, last)],
      y: [Math.max(0, low), Math.min(100, high)],
    }),
  }));
}

function panel(
  { label, curve, baseline }: MechanismReport,
  reference: MechanismReport | undefined,
  { from, training }: View,
  domains: { x: [number, number]; y: [number, number] },
): string {
  const val = linesOf(curve, 'val_top1');
  const behind = baseline || !reference ? [] : linesOf(reference.curve, 'val_top1');
  const color = baseline ? COLOR.muted : COLOR.accent;
  const dotted = { stroke: color, strokeWidth: 1.5, strokeDasharray: '2 4' };
  return draw(`Top-1 accuracy of ${label} by epoch, from epoch ${from}`, {
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
      ...(training
        ? [lineY(linesOf(curve, 'train_top1'), { x: 'epoch', y: 'mean', ...dotted })]
        : []),
      lineY(val, { x: 'epoch', y: 'mean', stroke: color, strokeWidth: 2.25 }),
      // A line of one epoch cannot be seen.
      ...(val.length < 3 ? [dot(val, { x: 'epoch', y: 'mean', fill: color })] : []),
    ],
  });
}

function linesOf(curve: readonly CurvePoint[], name: 'val_top1' | 'train_top1'): Line[] {
  return curve.map((point) => ({ epoch: point.epoch, ...point[name] }));
}
