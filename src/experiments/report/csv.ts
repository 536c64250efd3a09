/** report.csv: a line for every value, with the file that it comes from. */
import { MEASURES, type MechanismReport, type ReportData } from './data.js';

type Cell = string | number | null;

const HEAD = ['attention', 'quantity', 'seed', 'epoch', 'value', 'source'] as const;

/** RFC 4180; a value over several seeds has no seed, a missing one is empty. */
export function reportCsv({ mechanisms, runs }: ReportData): string {
  const rows: Cell[][] = [
    [...HEAD],
    ...mechanisms.flatMap(mechanismRows),
    ...runs.flatMap(({ attention, seed, folder, metrics }) =>
      metrics.flatMap(({ epoch, ...line }) =>
        Object.entries(line).map(([quantity, value]): Cell[] => [
          attention,
          quantity,
          seed,
          epoch,
          value,
          `${folder}/metrics.jsonl`,
        ]),
      ),
    ),
  ];
  return rows.map((row) => `${row.map(cellText).join(',')}\r\n`).join('');
}

function mechanismRows({
  label,
  params,
  macs,
  latency,
  speed,
  accuracy,
  localisation,
}: MechanismReport): Cell[][] {
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
    ...MEASURES.flatMap((measure) => {
      const { values, mean, sd, difference } = accuracy[measure];
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
    ...localisation.flatMap(({ module, name, kind, pointing, energy }) => {
      const map = kind === 'grad-cam' ? kind : `${module}.${name}`;
      return [...each(`pointing ${map}`, pointing.values), ...each(`energy ${map}`, energy.values)];
    }),
  ];
}

/**
 * Text that a spreadsheet would take for a formula gets an apostrophe before it and quotes around it, as OWASP
 * advises against CSV injection. Numbers stay numbers, negative ones too.
 */
function cellText(cell: Cell): string {
  const formula = typeof cell === 'string' && /^[=+\-@\t\r\n＝＋－＠]/.test(cell);
  const text = cell === null ? '' : `${formula ? "'" : ''}${cell}`;
  return formula || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
