/** report.html: one file, which needs nothing else and no network. */
import type { ReportData } from './data.js';
import { html, trusted, type Markup } from './html.js';
import { Numbers } from './numbers.js';
import type { Pictures } from './pictures.js';
import { accuracySection } from './sections/accuracy.js';
import { classesSection } from './sections/classes.js';
import { costSection } from './sections/cost.js';
import { curvesSection } from './sections/curves.js';
import { findings } from './sections/findings.js';
import { gatesSection } from './sections/gates.js';
import { localisationSection } from './sections/localisation.js';
import { mapsSection } from './sections/maps.js';
import { masksSection } from './sections/masks.js';
import { readingSection } from './sections/reading.js';
import { runSection } from './sections/run.js';
import { STYLE } from './style.js';
import { AXES } from '../settings.js';
import { capitalized, subject } from './words.js';

/** Nothing may be loaded from anywhere: the page says so itself. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

interface Section {
  readonly id: string;
  readonly title: string;
  readonly content: Markup | null;
}

/**
 * The page of a comparison.
 * @param pictures maps and masks, by their path in the comparison's folder, as data URIs
 */
export function reportPage(report: ReportData, pictures: Pictures): string {
  const numbers = new Numbers(report);
  const title = `${AXES[report.settings.axis].title} compared`;
  const all: Section[] = [
    {
      id: 'accuracy',
      title: capitalized(report.figure.title),
      content: accuracySection(report, numbers),
    },
    { id: 'cost', title: 'Cost', content: costSection(report, numbers) },
    { id: 'curves', title: 'Learning curves', content: curvesSection(report) },
    { id: 'classes', title: 'Class by class', content: classesSection(report, numbers) },
    { id: 'masks', title: 'Predicted masks', content: masksSection(report, pictures) },
    { id: 'maps', title: 'Where it looks', content: mapsSection(report, numbers, pictures) },
    { id: 'localisation', title: 'Localisation', content: localisationSection(report, numbers) },
    { id: 'gates', title: 'Gates', content: gatesSection(report) },
    { id: 'run', title: 'What was run', content: runSection(report, numbers) },
    { id: 'reading', title: 'How to read it', content: readingSection(report) },
  ];
  const sections = all.filter(({ content }) => content !== null);
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <title>${title}: ${report.settings.recipe.model} on ${report.dataset.title}</title>
        <style>
          ${trusted(STYLE)}
        </style>
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          <p>${subject(report)}</p>
        </header>
        <nav>${sections.map(({ id, title }) => html`<a href="#${id}">${title}</a> `)}</nav>
        <main>${findings(report, numbers)} ${sections.map(({ content }) => content)}</main>
      </body>
    </html>`;
  return `${page.text.replace(/^ +/gm, '')}\n`;
}
