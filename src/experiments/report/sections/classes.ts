import { confusionChart } from '../charts/confusion.js';
import { MOST_CLASSES } from '../classes.js';
import type { ReportData } from '../data.js';
import { fixed, signed } from '../format.js';
import { html, trusted, type Content, type Markup } from '../html.js';
import type { Numbers } from '../numbers.js';
import { chartFigure, dataTable, type Column } from '../table.js';
import { capitalized } from '../words.js';

/** Up to so many classes, two charts stand side by side. */
const NARROW = 12;

/** So many classes are in the table where there are too many to show all. */
const SHOWN = 10;

/** Figures of each class, and which classes are taken for which; nothing where no run has written them down. */
export function classesSection(report: ReportData, numbers: Numbers): Markup | null {
  const first = report.mechanisms.find(({ classes }) => classes !== null)?.classes;
  if (!first) return null;
  return html`<section id="classes">
    <h2>Class by class</h2>
    <p>
      The weights of each run’s best epoch on the validation images, mean over the seeds. In
      brackets the mean difference to ${report.baseline ?? 'the baseline'} of the same seeds; of so
      many classes some differ by chance.
    </p>
    ${Object.keys(first.figures).map((name) => figureTable(report, numbers, name))}
    ${confusions(report)} ${confusedTable(report, numbers)}
  </section>`;
}

function figureTable(report: ReportData, numbers: Numbers, name: string): Markup {
  const { classes, mechanisms } = report;
  const formats = formatsOf(report, name);
  const shown = shownClasses(report, name);
  const columns: Column[] = [
    { head: 'class' },
    ...mechanisms.map(({ label }) => ({ head: label, numeric: true })),
  ];
  const rows = shown.map((k): Content[] => [
    classes[k],
    ...mechanisms.map((mechanism, place): Content => {
      const at = ['mechanisms', place, 'classes', 'figures', name, k];
      const difference = mechanism.classes?.figures[name]?.[k]?.difference ?? null;
      return html`${numbers.show([...at, 'mean'], formats.value)}
      ${difference !== null && html`(${numbers.show([...at, 'difference'], formats.difference)})`}`;
    }),
  ]);
  const few = shown.length === classes.length;
  return html`<h3>${classFigureTitle(name)} of each class</h3>
    ${dataTable(
      columns,
      rows,
      html`From <code>per_class.${name}</code> in <code>runs/*/evaluation.json</code>.
        ${
          !few &&
          `The ${shown.length} of ${classes.length} classes whose figures differ most from the baseline’s; report.json and report.csv have all.`
        }`,
    )}`;
}

/** A figure of the classes need not have the unit of the task's: shares and other small numbers get more decimals. */
function formatsOf({ mechanisms }: ReportData, name: string) {
  const means = mechanisms.flatMap(({ classes }) =>
    (classes?.figures[name] ?? []).map(({ mean }) => Math.abs(mean ?? 0)),
  );
  const digits = Math.max(...means) <= 1 ? 4 : 2;
  return { value: fixed(digits), difference: signed(digits) };
}

/** Places of the classes in the table: all, or of many those that differ most, in the order of the classes. */
function shownClasses({ classes, mechanisms }: ReportData, name: string): number[] {
  const all = classes.map((_, k) => k);
  if (all.length <= MOST_CLASSES) return all;
  const farthest = (k: number): number =>
    Math.max(
      ...mechanisms.map((one) => Math.abs(one.classes?.figures[name]?.[k]?.difference ?? 0)),
    );
  return all
    .sort((a, b) => farthest(b) - farthest(a))
    .slice(0, SHOWN)
    .sort((a, b) => a - b);
}

function confusions({ mechanisms, classes: names }: ReportData): Markup | null {
  const charts = mechanisms.flatMap(({ label, classes }) =>
    classes?.confusion
      ? [chartFigure(label, trusted(confusionChart(label, names, classes.confusion)))]
      : [],
  );
  if (charts.length === 0) return null;
  return html`<h3>What is taken for what</h3>
    <p>
      A row is what is true, a column what the network says. A square’s colour is the stronger the
      larger its share of the row; the number in it counts, as the mean over the seeds.
    </p>
    <div class="charts confusion ${names.length > NARROW && 'wide'}">${charts}</div>
    <p class="note">From <code>confusion</code> in <code>runs/*/evaluation.json</code>.</p>`;
}

function confusedTable(
  { mechanisms, classes: names, settings }: ReportData,
  numbers: Numbers,
): Markup | null {
  const rows = mechanisms.flatMap(({ label, classes }, place) =>
    (classes?.confused ?? []).map((pair, i): Content[] => [
      label,
      names[pair.true],
      names[pair.predicted],
      numbers.show(['mechanisms', place, 'classes', 'confused', i, 'share'], fixed(3)),
    ]),
  );
  if (rows.length === 0) return null;
  return html`<h3>What is most often taken for what</h3>
    <details>
      <summary>The most confused pairs of classes of every network</summary>
      ${dataTable(
        [
          { head: settings.axis },
          { head: 'true class' },
          { head: 'taken for' },
          { head: 'share of the true class', numeric: true },
        ],
        rows,
        html`From <code>confusion</code> in <code>runs/*/evaluation.json</code>, mean over the
          seeds.`,
      )}
    </details>`;
}

/** `iou` as `IoU`; others as they are called. */
function classFigureTitle(name: string): string {
  return name === 'iou' ? 'IoU' : capitalized(name);
}
