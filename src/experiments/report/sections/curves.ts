import { curvePanels, latePanels, type Panel } from '../charts/curves.js';
import type { ReportData } from '../data.js';
import { html, trusted, type Markup } from '../html.js';
import { chartFigure } from '../table.js';
import { betterNote, capitalized, figureTitle } from '../words.js';

/** Learning curves; nothing before the first epoch has ended. */
export function curvesSection(report: ReportData): Markup | null {
  const panels = curvePanels(report);
  if (panels.length === 0) return null;
  const late = latePanels(report);
  const trained = report.mechanisms.some(({ curve }) => curve.some(({ train }) => train !== null));
  return html`<section id="curves">
    <h2>Learning curves</h2>
    <p>
      ${capitalized(figureTitle(report.figure))} by epoch${betterNote(report.figure)}. The line is
      the mean over the seeds on the validation images, the band reaches from the lowest seed to the
      highest${trained && ', the dotted line is the training images’'}. The grey line is
      ${report.baseline ?? 'the baseline'}. All panels have the same scales.
    </p>
    ${grid(panels)}
    ${
      late.length > 0 &&
      html`<h3>The second half, closer</h3>
        ${grid(late)}`
    }
    <p class="note">From <code>runs/*/metrics.jsonl</code>.</p>
  </section>`;
}

function grid(panels: readonly Panel[]): Markup {
  return html`<div class="panels">
    ${panels.map(({ label, svg }) => chartFigure(label, trusted(svg)))}
  </div>`;
}
