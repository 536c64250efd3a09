import { costChart, COSTS } from '../charts/cost.js';
import type { ReportData } from '../data.js';
import { fixed, millions, whole } from '../format.js';
import { html, trusted, type Markup } from '../html.js';
import type { Numbers } from '../numbers.js';
import { chartFigure, dataTable } from '../table.js';
import { capitalized, figureTitle } from '../words.js';

/** What the networks cost, and the figure that stands against it. */
export function costSection(report: ReportData, numbers: Numbers): Markup {
  const charts = COSTS.map((axis) => {
    const svg = costChart(report, axis);
    return chartFigure(
      html`${capitalized(figureTitle(report.figure))} against ${axis.title.toLowerCase()}`,
      svg === null ? null : trusted(svg),
    );
  });
  return html`<section id="cost">
    <h2>${capitalized(report.figure.title)} against cost</h2>
    <div class="panels">${charts}</div>
    <p class="note">
      A dot is the mean over the seeds, the line one standard deviation either way.
    </p>
    ${costTable(report, numbers)}
  </section>`;
}

function costTable({ mechanisms, settings }: ReportData, numbers: Numbers): Markup {
  return dataTable(
    [
      { head: settings.axis },
      { head: 'parameters', numeric: true },
      { head: 'multiply-adds per image', numeric: true },
      { head: 'latency, ms', numeric: true },
      { head: 'training, images/s', numeric: true },
    ],
    mechanisms.map(({ label }, place) => [
      label,
      numbers.show(['mechanisms', place, 'params', 'value'], whole),
      numbers.show(['mechanisms', place, 'macs', 'value'], millions),
      numbers.show(['mechanisms', place, 'latency', 'value'], fixed(2)),
      numbers.show(['mechanisms', place, 'speed', 'mean'], whole),
    ]),
    html`Parameters and multiply-adds (of convolutions and matrix products) from
      <code>runs/*/summary.json</code>. Latency from <code>latency.json</code>: the median forward
      pass of one image. Training speed from <code>runs/*/metrics.jsonl</code>: of each run the
      median over its epochs, then the mean over the seeds; it is only comparable if the machine did
      nothing else.`,
  );
}
