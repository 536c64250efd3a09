import { accuracyChart, differenceChart } from '../charts/accuracy.js';
import { MEASURES, type Measure, type ReportData } from '../data.js';
import { fixed, pValue, signed } from '../format.js';
import { html, trusted, type Content, type Markup } from '../html.js';
import type { Numbers } from '../numbers.js';
import { chartFigure, dataTable } from '../table.js';
import { MEASURE_TITLES } from '../words.js';

/** Accuracy of every mechanism and its difference to the baseline. */
export function accuracySection(report: ReportData, numbers: Numbers): Markup {
  const { primary } = report;
  const svg = (chart: string | null): Markup | null => (chart === null ? null : trusted(chart));
  const others = MEASURES.filter((measure) => measure !== primary);
  return html`<section id="accuracy">
    <h2>Accuracy</h2>
    <div class="charts">
      ${chartFigure(
        html`Top-1 %, ${MEASURE_TITLES[primary]}`,
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
          html`<h4>Top-1 %, ${MEASURE_TITLES[measure]}</h4>
            ${measureTable(report, numbers, measure)}`,
      )}
    </details>
  </section>`;
}

function measureTable(
  { mechanisms, baseline, settings }: ReportData,
  numbers: Numbers,
  measure: Measure,
): Markup {
  const rows = mechanisms.map(
    ({ label, title, accuracy, baseline: isBaseline }, place): Content[] => {
      const at = ['mechanisms', place, 'accuracy', measure];
      const { n, difference } = accuracy[measure];
      const interval = numbers.range([...at, 'difference', 'interval'], signed(2));
      const name = html`${label} <small>${title}</small>`;
      const mean = html`${numbers.show([...at, 'mean'], fixed(2))}${
        n > 1 && html` ± ${numbers.show([...at, 'sd'], fixed(2))}`
      }`;
      const seeds = html`${numbers.show([...at, 'n'], fixed(0))} of ${settings.seeds.length}`;
      if (isBaseline || difference === null) return [name, mean, seeds, '', '', '', 'the baseline'];
      return [
        name,
        mean,
        seeds,
        numbers.show([...at, 'difference', 'mean'], signed(2)),
        interval ?? '–',
        numbers.show([...at, 'difference', 'adjustedP'], pValue),
        html`<span class="verdict ${VERDICT_CLASS[difference.verdict] ?? ''}"
          >${difference.verdict}</span
        >`,
      ];
    },
  );
  return dataTable(
    [
      { head: 'attention' },
      { head: 'top-1 % ± sd', numeric: true },
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
