import type { ReportData } from '../data.js';
import { counted, fixed, listed, signed } from '../format.js';
import { html, type Markup } from '../html.js';
import type { Numbers } from '../numbers.js';
import { byVerdict, finding, unfinished } from '../words.js';

/** The answer, before the figures: what was found, and how fine a difference could have been found. */
export function findings(report: ReportData, numbers: Numbers): Markup {
  const { baseline, settings, primary, mechanisms } = report;
  const missing = unfinished(report);
  const clear = [...byVerdict(report, 'better'), ...byVerdict(report, 'worse')];
  const details = clear.map((mechanism) => {
    const at = ['mechanisms', mechanisms.indexOf(mechanism), 'accuracy', primary, 'difference'];
    return html`<li>
      <b>${mechanism.label}</b>: ${numbers.show([...at, 'mean'], signed(2))} points of top-1 (95 %
      interval ${numbers.range([...at, 'interval'], signed(2))})
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
        The widest of the intervals reaches ${numbers.show(['resolution'], fixed(2))} points to
        either side of its mean. A difference smaller than that may be there all the same: so few
        seeds cannot tell it from chance.
      </p>`
    }
    ${alone(report)}
    <p>
      Each network with attention is compared with ${baseline ?? 'the baseline'} seed by seed, over
      ${counted(settings.seeds.length, 'seed')}: runs of one seed share their data order and initial
      values. <a href="#reading">How to read it</a> says more.
    </p>
  </section>`;
}

/** Who looks different until one counts how many were tried. */
function alone(report: ReportData): Markup | null {
  const { mechanisms, primary } = report;
  const names = byVerdict(report, 'no significant difference').flatMap(({ label, accuracy }) => {
    const interval = accuracy[primary].difference?.interval;
    return interval && (interval[0] > 0 || interval[1] < 0) ? [label] : [];
  });
  if (names.length === 0) return null;
  const tried = mechanisms.filter(({ accuracy }) => (accuracy[primary].difference?.n ?? 0) > 1);
  return html`<p>
    Taken alone, the ${names.length === 1 ? 'interval' : 'intervals'} of ${listed(names)}
    ${names.length === 1 ? 'leaves' : 'leave'} out 0. Among ${counted(tried.length, 'comparison')}
    that is not enough: the more one tries, the more looks good by chance.
  </p>`;
}
