/** What `fovea explain` shows besides the maps: bars of gates, and a page with everything on it. */
import { classColor } from './class-colors.js';
import type { Explanation } from './explanation.js';

type Gate = Explanation['gates'][number];

const BARS = { width: 640, height: 140, left: 44, top: 24, bottom: 18 };

/**
 * A gate over channels as bars (SVG): the mean of each channel, and a line from one standard deviation
 * below it to one above. The scale runs from 0 to 1, or further if the values do.
 */
export function gateBars({ module, name, values, spread }: Gate): string {
  const { width, height, left, top, bottom } = BARS;
  const tops = values.map((value, i) => value + (spread[i] ?? 0));
  const bottoms = values.map((value, i) => value - (spread[i] ?? 0));
  const most = Math.max(1, ...tops);
  const least = Math.min(0, ...bottoms);
  const y = (value: number): number =>
    round(top + ((most - value) / (most - least)) * (height - top - bottom));
  const step = (width - left - 8) / values.length;
  const bars = values.map((value, i) => {
    const x = left + i * step;
    const [upper, lower] = [y(Math.max(0, value)), y(Math.min(0, value))];
    const middle = round(x + step / 2);
    return (
      `<rect x="${round(x + step * 0.1)}" y="${upper}" width="${round(step * 0.8)}" height="${round(lower - upper)}"/>` +
      `<path d="M${middle} ${y(tops[i] ?? value)}V${y(bottoms[i] ?? value)}"/>`
    );
  });
  const ticks = [...new Set([least, 0, most])].map(
    (value) =>
      `<path d="M${left - 4} ${y(value)}H${width - 8}" class="axis"/>` +
      `<text x="${left - 8}" y="${y(value) + 4}" text-anchor="end">${shortNumber(value)}</text>`,
  );
  const title = `${module}.${name}: ${values.length} channels, mean and deviation over the images`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">
<style>text{font:11px sans-serif;fill:#333}rect{fill:#4477aa}path{stroke:#222;stroke-width:1}.axis{stroke:#8886}@media(prefers-color-scheme:dark){text{fill:#ccc}path{stroke:#ddd}.axis{stroke:#8888}}</style>
<text x="${left}" y="14">${escaped(title)}</text>
${ticks.join('\n')}
${bars.join('\n')}
</svg>
`;
}

/** A page that shows an explanation's pictures beside each other, to be opened from its folder. */
export function explanationPage(explanation: Explanation, title: string): string {
  const { images, maps, masks = [], mask_classes: classes, gates, localisation } = explanation;
  const sections = images.map(({ label, ...image }, i) => {
    const ownMasks = masks.filter((mask) => mask.image === i);
    const own = maps.filter((map) => map.image === i);
    return `<h2>${escaped(label)}</h2>
<div class="row">
${figure(image.file, verdict(image))}
${ownMasks.map(({ kind, file }) => figure(file, `${kind} mask`)).join('\n')}
${own.map((map) => figure(map.file, mapCaption(map))).join('\n')}
</div>`;
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>
:root{color-scheme:light dark;font:15px/1.4 system-ui,sans-serif}
body{margin:1.5rem auto;max-width:80rem;padding:0 1rem}
h2{font-size:1rem;margin:1.5rem 0 .5rem}
.row{display:flex;flex-wrap:wrap;gap:.75rem}
figure{margin:0;width:9rem}
figure img{width:100%;display:block}
figcaption{font-size:.75rem;overflow-wrap:anywhere}
table{border-collapse:collapse}td,th{padding:.15rem .75rem .15rem 0;text-align:right}
td:first-child,th:first-child{text-align:left}
.legend span{margin-right:1rem;white-space:nowrap}.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.3em;outline:1px solid #8888}
.gates img{width:100%;max-width:40rem;display:block}
</style>
<h1>${escaped(title)}</h1>
<p>Each map is drawn over its image in grey, from black (its smallest value) over red to pale yellow (its largest); both stand below it. A frame marks the place whose attention is shown.</p>
${classes ? legend(classes) : ''}
${sections.join('\n')}
${localisation ? scoreTable(localisation) : ''}
${gates.length > 0 ? `<h2>Channel gates</h2><div class="gates">${gates.map(({ file, module, name }) => (file === undefined ? '' : `<img src="${escaped(file)}" alt="${escaped(`${module}.${name}`)}">`)).join('\n')}</div>` : ''}
</html>
`;
}

/** What the model says of an image, and what is true of it. */
function verdict({
  class: known,
  predicted,
  probability,
}: Omit<Explanation['images'][number], 'label' | 'file'>): string {
  const truth = escaped(known);
  if (predicted === '') return truth;
  const said = `${predicted}${probability === undefined ? '' : ` ${(100 * probability).toFixed(1)} %`}`;
  return `<b>${escaped(said)}</b>${known === '' ? '' : `<br>${known === predicted ? '' : 'really '}${truth}`}`;
}

/** Which colour of a mask is which class. */
function legend(classes: readonly string[]): string {
  const entries = classes.map(
    (name, k) => `<span><i style="background:${classColor(k)}"></i>${escaped(name)}</span>`,
  );
  return `<p class="legend">${entries.join('\n')}</p>`;
}

function mapCaption({ module, name, kind, query, scale }: Explanation['maps'][number]): string {
  const what = kind === 'grad-cam' ? 'Grad-CAM' : `${module}<br>${name}`;
  const from = query ? ` from ${query.join(', ')}` : '';
  return `${what}${from}<br>${shortNumber(scale[0])} to ${shortNumber(scale[1])}`;
}

function figure(file: string, caption: string): string {
  return `<figure><a href="${escaped(file)}"><img src="${escaped(file)}" alt="" loading="lazy"></a><figcaption>${caption}</figcaption></figure>`;
}

function scoreTable(scores: NonNullable<Explanation['localisation']>): string {
  const rows = scores.map(
    ({ module, name, kind, images, pointing, energy, share }) =>
      `<tr><td>${escaped(kind === 'grad-cam' ? 'Grad-CAM' : `${module}.${name}`)}</td>${[pointing, energy, share].map((value) => `<td>${value.toFixed(3)}</td>`).join('')}<td>${images}</td></tr>`,
  );
  return `<h2>Does it look at the object?</h2>
<table><tr><th>map</th><th>pointing game</th><th>energy on the object</th><th>an even map</th><th>images</th></tr>
${rows.join('\n')}
</table>`;
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function round(value: number): number {
  return Math.round(100 * value) / 100;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
