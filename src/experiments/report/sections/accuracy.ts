import { accuracyChart, differenceChart } from '../charts/accuracy.js';
import { measuresOf, type Measure } from '../../measures.js';
import { judgedFigure, type ReportData } from '../data.js';
import { fixed, pValue } from '../format.js';
import { html, trusted, type Content, type Markup } from '../html.js';
import type { Numbers } from '../numbers.js';
import { chartFigure, dataTable } from '../table.js';
import { betterNote, capitalized, figureFormats, figureTitle, measureTitle } from '../words.js';

/** The task's figure of every variant and its difference to the baseline. */
export function accuracySection(report: ReportData, numbers: Numbers): Markup {
  const { primary, figure } = report;
  const titleOf = (measure: Measure): string =>
    `${capitalized(figureTitle(figure))}: ${measureTitle(measure)}`;
  const svg = (chart: string | null): Markup | null => (chart === null ? null : trusted(chart));
  const [, ...others] = measuresOf(figure);
  return html`<section id="accuracy">
    <h2>${capitalized(figure.title)}</h2>
    <div class="charts">
      ${chartFigure(
        html`${titleOf(primary)}${betterNote(figure)}`,
        svg(accuracyChart(report)),
        'A ring is a seed, the bar their mean, the line its 95 % interval (without an end where it leaves the chart).',
      )}
      ${chartFigure(
        html`Difference to ${report.baseline}, seed by seed`,
        svg(differenceChart(report)),
        'An interval that crosses the upright line at 0 leaves open which of the two is better. Grey: no significant difference.',
      )}
    </div>
    ${measureTable(report, numbers, primary)}
    <details>
      <summary>The same for the best and for the last epoch</summary>
      ${others.map(
        (measure) =>
          html`<h4>${titleOf(measure)}</h4>
            ${measureTable(report, numbers, measure)}`,
      )}
    </details>
  </section>`;
}

function measureTable(
  { mechanisms, baseline, settings, figure }: ReportData,
  numbers: Numbers,
  measure: Measure,
): Markup {
  const formats = figureFormats(figure);
  const rows = mechanisms.map((mechanism, place): Content[] => {
    const { label, title, baseline: isBaseline } = mechanism;
    const at = ['mechanisms', place, 'accuracy', measure];
    const { n, difference } = judgedFigure(mechanism, measure);
    const interval = numbers.range([...at, 'difference', 'interval'], formats.difference);
    const name = html`${label} ${title !== null && html`<small>${title}</small>`}`;
    const mean = html`${numbers.show([...at, 'mean'], formats.value)}${
      n > 1 && html` ± ${numbers.show([...at, 'sd'], formats.value)}`
    }`;
    const seeds = html`${numbers.show([...at, 'n'], fixed(0))} of ${settings.seeds.length}`;
    if (difference === null) {
      return [name, mean, seeds, '', '', '', isBaseline ? 'the baseline' : ''];
    }
    return [
      name,
      mean,
      seeds,
      numbers.show([...at, 'difference', 'mean'], formats.difference),
      interval ?? '–',
      numbers.show([...at, 'difference', 'adjustedP'], pValue),
      html`<span class="verdict ${VERDICT_CLASS[difference.verdict] ?? ''}"
        >${difference.verdict}</span
      >`,
    ];
  });
  return dataTable(
    [
      { head: settings.axis },
      { head: `${figureTitle(figure)} ± sd`, numeric: true },
      { head: 'seeds', numeric: true },
      { head: `difference to ${baseline ?? 'baseline'}`, numeric: true },
      { head: '95 % interval', numeric: true },
      { head: 'p (Holm)', numeric: true },
      { head: 'verdict' },
    ],
    rows,
    html`From <code>${measure}</code> in <code>runs/*/summary.json</code>. In the order of the
      command, not of the results.`,
  );
}

const VERDICT_CLASS: Readonly<Record<string, string>> = { better: 'better', worse: 'worse' };
