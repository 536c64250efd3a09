import { gradCamChart, layerScoresChart, type ScoreName } from '../charts/localisation.js';
import type { ReportData } from '../data.js';
import { counted, fixed } from '../format.js';
import { html, trusted, type Content, type Markup } from '../html.js';
import type { Numbers } from '../numbers.js';
import type { ScoredMap } from '../seeing.js';
import { chartFigure, dataTable } from '../table.js';

const TITLES: Readonly<Record<ScoreName, string>> = {
  pointing: 'pointing game',
  energy: 'energy inside the mask',
};
const SCORES = ['pointing', 'energy'] as const;

/** Does attention look at the object? Nothing where the objects' masks are not known. */
export function localisationSection(report: ReportData, numbers: Numbers): Markup | null {
  const scored = report.mechanisms.flatMap(({ localisation }) => localisation);
  const [first] = scored;
  if (first === undefined) return null;
  return html`<section id="localisation">
    <h2>Does it look at the object?</h2>
    <p>
      On ${counted(first.images, 'image')} whose object is known to the pixel. The pointing game:
      the share of images in which the map’s largest value lies on the object. Energy: the share of
      the map’s sum that lies on it. The dashed line is what an even map scores: the share of the
      image that the object covers. A map that is the mask itself scores 1.
    </p>
    <h3>Grad-CAM, the common yardstick</h3>
    <div class="charts">
      ${SCORES.map((score) => {
        const svg = gradCamChart(report, score);
        return chartFigure(TITLES[score], svg === null ? null : trusted(svg));
      })}
    </div>
    ${ownMaps(report)} ${scoreTable(report, numbers)}
  </section>`;
}

/** A mechanism's own maps, by layer. */
function ownMaps({ mechanisms }: ReportData): Markup | null {
  const series = mechanisms.flatMap(({ label, localisation }) => {
    const own = localisation.filter(({ kind }) => kind !== 'grad-cam');
    const names = [...new Set(own.map(({ name }) => name))];
    return names.map((name) => ({ label, name, maps: own.filter((map) => map.name === name) }));
  });
  if (series.length === 0) return null;
  return html`<h3>The networks’ own maps, by layer</h3>
    <div class="charts">
      ${series.flatMap(({ label, name, maps }) =>
        SCORES.map((score) =>
          chartFigure(
            html`${label}, ${name}: ${TITLES[score]}`,
            trusted(layerScoresChart(`${label} ${name}`, maps, score)),
          ),
        ),
      )}
    </div>`;
}

function scoreTable({ mechanisms, settings }: ReportData, numbers: Numbers): Markup {
  const rows = mechanisms.flatMap(({ label, localisation }, place) =>
    localisation.map((map, i): Content[] => {
      const at = ['mechanisms', place, 'localisation', i];
      const score = (name: ScoreName): Markup =>
        html`${numbers.show([...at, name, 'mean'], fixed(3))}${
          map[name].n > 1 && html` ± ${numbers.show([...at, name, 'sd'], fixed(3))}`
        }`;
      return [
        label,
        describe(map),
        score('pointing'),
        score('energy'),
        numbers.show([...at, 'share'], fixed(3)),
      ];
    }),
  );
  return html`<details>
    <summary>All scores, mean and standard deviation over the seeds</summary>
    ${dataTable(
      [
        { head: settings.axis },
        { head: 'map' },
        { head: 'pointing game', numeric: true },
        { head: 'energy', numeric: true },
        { head: 'even map', numeric: true },
      ],
      rows,
      html`From <code>runs/*/explanation/index.json</code>.`,
    )}
  </details>`;
}

function describe({ kind, module, name }: ScoredMap): string {
  return kind === 'grad-cam' ? 'Grad-CAM' : `${module.replace(/\.attention$/, '')} ${name}`;
}
