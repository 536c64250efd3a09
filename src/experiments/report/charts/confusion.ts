/** Which classes are taken for which. */
import { axisX, axisY, cell, text } from '@observablehq/plot';
import type { Confusion } from '../classes.js';
import { compact, percentage } from '../format.js';
import { COLOR, draw, marginFor } from './draw.js';

const CELL = 34;

/** How opaque a square of a whole row is: numbers in it are still read well, in the dark too. */
const MOST = 0.6;

/** A square for every true class (row) and what it was taken for (column): as strong as its share of the row, with its count. */
export function confusionChart(
  label: string,
  names: readonly string[],
  { counts, shares }: Confusion,
): string {
  const squares = names.flatMap((_, row) =>
    names.map((__, column) => {
      const share = shares[row]?.[column] ?? 0;
      const count = counts[row]?.[column] ?? 0;
      return { row, column, share, count, opacity: MOST * share };
    }),
  );
  const places = names.map((_, k) => k);
  const margin = marginFor(names);
  const nameOf = (k: number): string => names[k] ?? '';
  return draw(`How often ${label} took each class for each`, {
    width: margin + CELL * names.length + 8,
    height: 8 + CELL * names.length + margin,
    marginLeft: margin,
    marginRight: 8,
    marginTop: 8,
    marginBottom: margin,
    x: { domain: places, padding: 0.04 },
    y: { domain: places, padding: 0.04 },
    opacity: { type: 'identity' },
    marks: [
      axisX({ label: null, tickSize: 0, tickFormat: nameOf, tickRotate: -90 }),
      axisY({ label: null, tickSize: 0, tickFormat: nameOf }),
      cell(squares, {
        x: 'column',
        y: 'row',
        fill: COLOR.accent,
        fillOpacity: 'opacity',
        stroke: COLOR.line,
        title: ({ row, column, share, count }: (typeof squares)[number]) =>
          `${nameOf(row)} taken for ${nameOf(column)}: ${percentage(share)} %, ${compact(count)} on average`,
      }),
      text(
        squares.filter(({ count }) => count > 0),
        {
          x: 'column',
          y: 'row',
          text: ({ count }: (typeof squares)[number]) => compact(count),
          fill: COLOR.ink,
          fontSize: 10,
          pointerEvents: 'none',
        },
      ),
    ],
  });
}
