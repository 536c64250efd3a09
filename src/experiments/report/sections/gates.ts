import { gateChart, variationChart } from '../charts/gates.js';
import type { ReportData } from '../data.js';
import { html, trusted, type Markup } from '../html.js';
import { chartFigure } from '../table.js';

/** Channel gates by layer; nothing where no run has any. */
export function gatesSection({ mechanisms }: ReportData): Markup | null {
  const charts = mechanisms.flatMap(({ label, gates }) =>
    gates.map((gate) => {
      const title = gates.length > 1 ? `${label}, gate “${gate.name}”` : label;
      return html`<div>
        ${chartFigure(html`${title}: value of the gate`, trusted(gateChart(label, gate)))}
        ${chartFigure(
          html`${title}: deviation between images`,
          trusted(variationChart(label, gate)),
        )}
      </div>`;
    }),
  );
  if (charts.length === 0) return null;
  return html`<section id="gates">
    <h2>Channel gates by layer</h2>
    <p>
      A channel’s gate, averaged over the images: the bar holds the middle half of the channels of
      all seeds, the line the middle four fifths, the ring is the median. Below, how much the median
      channel’s gate differs from image to image: near 0, the gate is a fixed scale that does not
      look at the image. Every chart has a scale of its own.
    </p>
    <div class="charts">${charts}</div>
    <p class="note">
      From <code>runs/*/explanation/index.json</code>; every channel is in <code>report.json</code>.
    </p>
  </section>`;
}
