import { html, type Markup } from '../html.js';
import { betterNote, measureTitle, nounOf } from '../words.js';
import type { ReportData } from '../data.js';

/** How the statistics were made. */
export function readingSection(report: ReportData): Markup {
  const { primary, baseline, figure } = report;
  return html`<section id="reading">
    <h2>How to read it</h2>
    <ul>
      <li>
        <b>The figure.</b> A run counts with its ${figure.title} on the validation
        images${betterNote(figure)}, ${measureTitle(primary)}. It is chosen by the same images that
        it is measured on, so it is a little too good, for every network alike.
      </li>
      <li>
        <b>± sd</b> is the standard deviation over the seeds (n − 1): how much luck moves a single
        run.
      </li>
      <li>
        <b>The 95 % interval</b> is Student’s, of the differences to ${baseline ?? 'the baseline'}
        of the same seeds. Of many such intervals, nineteen in twenty hold the true difference.
      </li>
      <li>
        <b>p (Holm)</b> is the paired t-test’s two-sided p-value, adjusted by Holm’s step-down for
        the number of ${nounOf(report).many} compared: the more are tried, the more one is bound to
        look good by chance. The verdict is “better” or “worse” only if it is below 0.05. An
        interval that leaves out 0 can therefore stand beside “no significant difference”.
      </li>
      <li>
        <b>“No significant difference”</b> does not mean equal. It means that these runs cannot
        tell.
      </li>
      <li>
        <b>Every number</b> is in <code>report.json</code>, with the file that it comes from; point
        at one to see its place there.
      </li>
    </ul>
  </section>`;
}
