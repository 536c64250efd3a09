/** Channel gates, layer by layer. */
import { dot, ruleX, ruleY } from '@observablehq/plot';
import type { GateLayers } from '../seeing.js';
import { below, beside, COLOR, draw, paddedDomain } from './draw.js';
import { layerNames } from './layers.js';

const WIDTH = 420;

/**
 * How open a gate's channels are: the middle half as a bar, the middle four fifths as a line, the
 * median as a dot.
 */
export function gateChart(label: string, { name, layers }: GateLayers): string {
  const names = layerNames(layers.map(({ module }) => module));
  const boxes = layers.map(({ values }, i) => ({ layer: names[i] ?? '', ...values }));
  const domain = paddedDomain(
    boxes.flatMap(({ p10, p90 }) => [p10, p90]),
    0.1,
  );
  return draw(`Values of the gate ${name} of ${label} in every layer`, {
    width: WIDTH,
    height: 230,
    marginLeft: 52,
    marginTop: 8,
    marginBottom: 40,
    x: { type: 'point', domain: names },
    y: { domain },
    marks: [
      ...beside(5),
      below('layer'),
      ruleX(boxes, { x: 'layer', y1: 'p10', y2: 'p90', stroke: COLOR.accent, strokeWidth: 1.5 }),
      ruleX(boxes, { x: 'layer', y1: 'p25', y2: 'p75', stroke: COLOR.accent, strokeWidth: 9 }),
      dot(boxes, {
        x: 'layer',
        y: 'p50',
        r: 4,
        fill: COLOR.paper,
        stroke: COLOR.accent,
        strokeWidth: 1.5,
      }),
    ],
  });
}

/** How much a gate depends on the image: the median channel's standard deviation over the images. */
export function variationChart(label: string, { name, layers }: GateLayers): string {
  const names = layerNames(layers.map(({ module }) => module));
  const bars = layers.map(({ variation }, i) => ({ layer: names[i] ?? '', variation }));
  const most = Math.max(...bars.map(({ variation }) => variation), 1e-6);
  return draw(`How much the gate ${name} of ${label} differs between images, in every layer`, {
    width: WIDTH,
    height: 130,
    marginLeft: 52,
    marginTop: 8,
    marginBottom: 40,
    x: { type: 'point', domain: names },
    y: { domain: [0, most * 1.1] },
    marks: [
      ...beside(3),
      below('layer'),
      ruleY([0], { stroke: COLOR.ink }),
      ruleX(bars, { x: 'layer', y1: 0, y2: 'variation', stroke: COLOR.second, strokeWidth: 9 }),
    ],
  });
}
