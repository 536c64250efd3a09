/**
 * Charts as SVG text: Observable Plot, on a document made by linkedom. Colours are CSS variables of
 * the page (`style.ts`), so that a chart follows the page into dark mode and onto paper.
 */
import { axisX, axisY, dot, gridY, plot, type Markish, type PlotOptions } from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Format } from '../format.js';

/** The page's colours: blue and orange of Okabe and Ito's palette, told apart with any colour vision. */
export const COLOR = {
  ink: 'var(--ink)',
  muted: 'var(--muted)',
  line: 'var(--line)',
  paper: 'var(--paper)',
  accent: 'var(--accent)',
  second: 'var(--second)',
} as const;

const SIZE = 12;

/** Attributes that hold coordinates, in which more than two decimals are noise. */
const COORDINATES = [
  'd',
  'transform',
  'x',
  'y',
  'x1',
  'x2',
  'y1',
  'y2',
  'cx',
  'cy',
  'width',
  'height',
];

/**
 * Draws a chart.
 * @param description what it shows, for whoever cannot see it
 */
export function draw(description: string, options: PlotOptions & { marks: Markish[] }): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const svg = plot({
    ...options,
    document,
    className: 'chart',
    style: { fontSize: `${SIZE}px` },
  });
  // The page's own style sheet has these rules once for all charts.
  svg.querySelector('style')?.remove();
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', description);
  for (const element of [svg, ...svg.querySelectorAll('*')]) {
    for (const name of COORDINATES) {
      const value = element.getAttribute(name);
      if (value !== null) element.setAttribute(name, rounded(value));
    }
  }
  return svg.outerHTML;
}

function rounded(coordinates: string): string {
  return coordinates.replace(/-?\d+\.\d{3,}(e-?\d+)?/g, (text) =>
    String(Number(Number(text).toFixed(2))),
  );
}

/** The axis below a chart, its label in the middle; a chart without numbers on it gives no `ticks`. */
export function below(label: string, ticks?: number, tickFormat?: string): Markish {
  return axisX({
    label,
    labelAnchor: 'center',
    labelArrow: 'none',
    tickSize: 0,
    ...(ticks !== undefined && { ticks }),
    ...(tickFormat !== undefined && { tickFormat }),
  });
}

/** Numbers at the left of a chart, with lines across it. */
export function beside(ticks: number): Markish[] {
  return [
    gridY({ stroke: COLOR.line, strokeOpacity: 1, ticks }),
    axisY({ ticks, tickSize: 0, label: null }),
  ];
}

/** A ring for every seed of a row. */
export function seedDots(
  dots: readonly { readonly label: string; readonly seed: number; readonly value: number }[],
  write: Format,
): Markish {
  return dot(dots, {
    x: 'value',
    y: 'label',
    r: 4,
    fill: COLOR.paper,
    stroke: 'color',
    strokeWidth: 1.5,
    title: ({ label, seed, value }: (typeof dots)[number]) =>
      `${label}, seed ${seed}: ${write(value)}`,
  });
}

/** Names at the left of a chart of rows. */
export function rowNames(): Markish {
  return axisY({ tickSize: 0, fontWeight: 600, label: null });
}

/** Room for labels on the left of a chart, in pixels: as wide as the longest, within reason. */
export function marginFor(labels: readonly string[]): number {
  const longest = Math.max(0, ...labels.map((label) => label.length));
  return Math.min(200, Math.max(48, 20 + longest * SIZE * 0.62));
}

/** The smallest range that holds the values, and a little more on either side. */
export function paddedDomain(values: readonly number[], share = 0.08): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = (high - low || Math.abs(high) || 1) * share;
  return [low - pad, high + pad];
}
