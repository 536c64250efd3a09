import type { ReportData } from '../data.js';
import { counted } from '../format.js';
import { html, type Markup } from '../html.js';
import type { Numbers } from '../numbers.js';
import {
  alone,
  betterNote,
  byVerdict,
  differenceTitle,
  figureFormats,
  finding,
  unfinished,
} from '../words.js';

/** The answer, before the figures: what was found, and how fine a difference could have been found. */
export function findings(report: ReportData, numbers: Numbers): Markup {
  const { baseline, settings, primary, mechanisms, figure } = report;
  const formats = figureFormats(figure);
  const missing = unfinished(report);
  const caution = alone(report);
  const clear = [...byVerdict(report, 'better'), ...byVerdict(report, 'worse')];
  const details = clear.map((mechanism) => {
    const at = ['mechanisms', mechanisms.indexOf(mechanism), 'accuracy', primary, 'difference'];
    return html`<li>
      <b>${mechanism.label}</b>: ${numbers.show([...at, 'mean'], formats.difference)}
      ${differenceTitle(figure)}${betterNote(figure)}, 95 % interval
      ${numbers.range([...at, 'interval'], formats.difference)}
    </li>`;
  });
  return html`<section id="findings" class="findings">
    ${missing !== null && html`<p class="warning">${missing}</p>`}
    <p class="lead">${finding(report)}</p>
    ${
      details.length > 0 &&
      html`<ul>
        ${details}
      </ul>`
    }
    ${
      report.resolution !== null &&
      html`<p>
        The widest of the intervals reaches ${numbers.show(['resolution'], formats.value)}
        ${differenceTitle(figure)} to either side of its mean. A difference smaller than that may be
        there all the same: so few seeds cannot tell it from chance.
      </p>`
    }
    ${caution !== null && html`<p>${caution}</p>`}
    <p>
      Each other network is compared with ${baseline ?? 'the baseline'} seed by seed, over
      ${counted(settings.seeds.length, 'seed')}: runs of one seed share their data order and initial
      values. <a href="#reading">How to read it</a> says more.
    </p>
  </section>`;
}
