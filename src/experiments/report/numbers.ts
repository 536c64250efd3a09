/**
 * The numbers of the page. Each is named by its place in report.json and read from there, so that the
 * page cannot say anything else, and a reader who points at one is told where it is.
 */
import type { ReportData } from './data.js';
import { orDash, type Format } from './format.js';
import { html, type Markup } from './html.js';

/** A place in report.json: `['mechanisms', 1, 'params', 'value']`. */
export type Place = readonly (string | number)[];

/** The page's view of report.json. */
export class Numbers {
  constructor(private readonly report: ReportData) {}

  /** The number at a place, written in a format; a dash where there is none. */
  show(place: Place, format: Format): Markup {
    const value = this.read(place);
    if (value === null) return html`<span class="none">${orDash(value, format)}</span>`;
    const name = nameOf(place);
    return html`<data value="${value}" title="report.json: ${name}" data-place="${name}"
      >${format(value)}</data
    >`;
  }

  /** Two numbers as a range: `0.12 to 1.40`. */
  range(place: Place, format: Format): Markup | null {
    if (this.read([...place, 0]) === null) return null;
    return html`${this.show([...place, 0], format)} to ${this.show([...place, 1], format)}`;
  }

  private read(place: Place): number | null {
    let value: unknown = this.report;
    for (const key of place) {
      if (value === null || value === undefined) return null;
      value = (value as Readonly<Record<string | number, unknown>>)[key];
    }
    return typeof value === 'number' ? value : null;
  }
}

/** `mechanisms.1.params.value` */
function nameOf(place: Place): string {
  return place.join('.');
}
