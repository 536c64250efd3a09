/** What a comparison came to, for a terminal. */
import type { WrittenReport } from '../experiments/node/report.js';
import type { ReportData } from '../experiments/report/data.js';
import { fixed, meanText } from '../experiments/report/format.js';
import { summaryTable } from '../experiments/report/summary-table.js';
import { alone, finding } from '../experiments/report/words.js';
import { table } from './command.js';

/** The table of accuracies and differences, the localisation scores, and where the report is. */
export function reportSummary({ report, page }: WrittenReport): string {
  const found = [finding(report), alone(report) ?? ''].join(' ').trim();
  const parts = [
    table(summaryTable(report)).trimEnd(),
    found,
    localisation(report),
    `Report: ${page}`,
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/**
 * Of the data sets that know where their objects are: Grad-CAM, and each of a mechanism's own maps
 * in its last layer. The report has all layers.
 */
function localisation({ mechanisms }: ReportData): string {
  const rows = mechanisms.flatMap(({ label, localisation: maps }) => {
    const last = new Map(maps.map((map) => [`${map.kind} ${map.name}`, map]));
    return [...last.values()].map(({ module, name, kind, pointing, energy, share }) => [
      label,
      kind === 'grad-cam' ? 'Grad-CAM' : `${module}.${name}`,
      meanText(pointing, fixed(3)),
      meanText(energy, fixed(3)),
      fixed(3)(share),
    ]);
  });
  if (rows.length === 0) return '';
  const head = ['attention', 'map', 'pointing game', 'energy on the object', 'even map'];
  return table([head, ...rows]).trimEnd();
}
