/** report.csv: a line for every value, with the file that it comes from. */
import { csvLine, type Cell } from '../../csv-line.js';
import { measuresOf } from '../measures.js';
import { judgedFigure, type MechanismReport, type ReportData } from './data.js';

/** RFC 4180; a value over several seeds has no seed, a missing one is empty. */
export function reportCsv(report: ReportData): string {
  const { mechanisms, runs, settings } = report;
  const rows: Cell[][] = [
    [settings.axis, 'quantity', 'seed', 'epoch', 'value', 'source'],
    ...mechanisms.flatMap((mechanism) => mechanismRows(mechanism, report)),
    ...runs.flatMap(({ label, seed, folder, metrics }) =>
      metrics.flatMap(({ epoch, ...line }) =>
        Object.entries(line).map(([quantity, value]): Cell[] => [
          label,
          quantity,
          seed,
          epoch,
          value,
          `${folder}/metrics.jsonl`,
        ]),
      ),
    ),
  ];
  return rows.map((row) => `${csvLine(row)}\r\n`).join('');
}

function mechanismRows(
  mechanism: MechanismReport,
  { figure, classes: names }: ReportData,
): Cell[][] {
  const { label, params, macs, latency, speed, classes, localisation } = mechanism;
  const over = (quantity: string, value: Cell, source: string): Cell[] => [
    label,
    quantity,
    null,
    null,
    value,
    source,
  ];
  const single = (
    quantity: string,
    figure: { readonly value: number; readonly source: string } | null,
  ): Cell[][] => (figure ? [over(quantity, figure.value, figure.source)] : []);
  const each = (
    quantity: string,
    values: readonly { readonly seed: number; readonly value: number; readonly source: string }[],
  ): Cell[][] =>
    values.map(({ seed, value, source }) => [label, quantity, seed, null, value, source]);
  const statistics = 'report.json';
  return [
    ...single('params', params),
    ...single('macs', macs),
    ...single('latency_ms', latency),
    ...each('training_images_per_second', speed.values),
    ...measuresOf(figure).flatMap((measure) => {
      const { values, mean, sd, difference } = judgedFigure(mechanism, measure);
      return [
        ...each(measure, values),
        over(`${measure}.mean`, mean, statistics),
        over(`${measure}.sd`, sd, statistics),
        ...(difference
          ? [
              over(`${measure}.difference`, difference.mean, statistics),
              over(`${measure}.difference.low`, difference.interval?.[0] ?? null, statistics),
              over(`${measure}.difference.high`, difference.interval?.[1] ?? null, statistics),
              over(`${measure}.difference.p`, difference.p, statistics),
              over(`${measure}.difference.p_holm`, difference.adjustedP, statistics),
              over(`${measure}.verdict`, difference.verdict, statistics),
            ]
          : []),
      ];
    }),
    ...Object.entries(classes?.figures ?? {}).flatMap(([name, figures]) =>
      figures.flatMap(({ values }, k) =>
        values.map((value, i): Cell[] => [
          label,
          `${name} ${names[k] ?? k}`,
          classes?.seeds[i] ?? null,
          null,
          value,
          classes?.sources[i] ?? null,
        ]),
      ),
    ),
    ...localisation.flatMap(({ module, name, kind, pointing, energy }) => {
      const map = kind === 'grad-cam' ? kind : `${module}.${name}`;
      return [...each(`pointing ${map}`, pointing.values), ...each(`energy ${map}`, energy.values)];
    }),
  ];
}
