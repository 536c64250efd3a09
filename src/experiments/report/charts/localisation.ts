/** Do the maps lie on the object? Scores of the pointing game and of the energy inside the mask. */
import { dot, gridX, lineY, ruleY, tickX } from '@observablehq/plot';
import type { ReportData } from '../data.js';
import { fixed } from '../format.js';
import type { ScoredMap } from '../seeing.js';
import { nounOf } from '../words.js';
import { below, beside, COLOR, draw, marginFor, rowNames, seedDots } from './draw.js';
import { layerNames } from './layers.js';

export type ScoreName = 'pointing' | 'energy';

/** Grad-CAM of every mechanism: the yardstick that all networks share. Null if none was scored. */
export function gradCamChart(report: ReportData, score: ScoreName): string | null {
  const { mechanisms } = report;
  const rows = mechanisms.flatMap(({ label, localisation, baseline }) =>
    localisation
      .filter(({ kind }) => kind === 'grad-cam')
      .map((map) => ({ label, color: baseline ? COLOR.muted : COLOR.accent, ...map })),
  );
  if (rows.length === 0) return null;
  const labels = rows.map(({ label }) => label);
  const dots = rows.flatMap(({ label, color, ...map }) =>
    map[score].values.map((value) => ({ label, color, ...value })),
  );
  const means = rows.map(({ label, color, ...map }) => ({ label, color, mean: map[score].mean }));
  const shares = rows.map(({ label, share }) => ({ label, share }));
  const most = Math.max(...dots.map(({ value }) => value), ...shares.map(({ share }) => share));
  return draw(`Grad-CAM's ${score} score of every ${nounOf(report).one}`, {
    width: 420,
    height: 46 + 30 * rows.length,
    marginLeft: marginFor(labels),
    marginRight: 16,
    marginTop: 6,
    marginBottom: 40,
    x: { domain: [0, Math.min(1, most * 1.15)] },
    y: { domain: labels, padding: 0.3 },
    marks: [
      gridX({ stroke: COLOR.line, strokeOpacity: 1, ticks: 5 }),
      below(score === 'pointing' ? 'share of images' : 'share of the map on the object', 5),
      rowNames(),
      tickX(shares, {
        x: 'share',
        y: 'label',
        stroke: COLOR.second,
        strokeWidth: 2.5,
        strokeDasharray: '3 3',
      }),
      seedDots(dots, fixed(3)),
      tickX(means, { x: 'mean', y: 'label', stroke: 'color', strokeWidth: 4 }),
    ],
  });
}

/** One of a mechanism's own maps, layer by layer. */
export function layerScoresChart(
  label: string,
  maps: readonly ScoredMap[],
  score: ScoreName,
): string {
  const names = layerNames(maps.map(({ module }) => module));
  const rows = maps.map((map, i) => ({
    layer: names[i] ?? '',
    share: map.share,
    mean: map[score].mean,
  }));
  const dots = maps.flatMap((map, i) =>
    map[score].values.map(({ seed, value }) => ({ layer: names[i] ?? '', seed, value })),
  );
  const share = rows.reduce((total, row) => total + row.share, 0) / rows.length;
  const most = Math.max(share, ...dots.map(({ value }) => value));
  return draw(`${score} score of ${label} in every layer`, {
    width: 420,
    height: 210,
    marginLeft: 52,
    marginTop: 8,
    marginBottom: 40,
    x: { type: 'point', domain: names },
    y: { domain: [0, Math.min(1, most * 1.15)] },
    marks: [
      ...beside(5),
      below('layer'),
      ruleY([share], { stroke: COLOR.second, strokeWidth: 2.5, strokeDasharray: '3 3' }),
      lineY(rows, { x: 'layer', y: 'mean', stroke: COLOR.accent, strokeWidth: 2.25 }),
      dot(dots, {
        x: 'layer',
        y: 'value',
        r: 4,
        fill: COLOR.paper,
        stroke: COLOR.accent,
        strokeWidth: 1.5,
        title: ({ layer, seed, value }: { layer: string; seed: number; value: number }) =>
          `${layer}, seed ${seed}: ${fixed(3)(value)}`,
      }),
    ],
  });
}
