/** What a comparison came to, for a terminal. */
import type { WrittenReport } from '../experiments/node/report.js';
import type { ReportData } from '../experiments/report/data.js';
import {
  fixed,
  intervalText,
  meanText,
  millions,
  orDash,
  signed,
  whole,
} from '../experiments/report/format.js';
import { alone, finding, MEASURE_TITLES } from '../experiments/report/words.js';
import { table } from './command.js';

/** The table of accuracies and differences, the localisation scores, and where the report is. */
export function reportSummary({ report, page }: WrittenReport): string {
  const found = [finding(report), alone(report) ?? ''].join(' ').trim();
  const parts = [accuracies(report), found, localisation(report), `Report: ${page}`];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function accuracies({ mechanisms, primary }: ReportData): string {
  return table([
    [
      'attention',
      'parameters',
      'multiply-adds',
      `top-1 %, ${MEASURE_TITLES[primary]}`,
      'difference (95 % interval)',
      'verdict',
    ],
    ...mechanisms.map(({ label, params, macs, accuracy }) => {
      const { mean, sd, difference } = accuracy[primary];
      return [
        label,
        orDash(params?.value, whole),
        orDash(macs?.value, millions),
        meanText({ mean, sd }, fixed(2)),
        difference === null
          ? ''
          : `${orDash(difference.mean, signed(2))}${intervalText(difference.interval)}`,
        difference === null ? 'the baseline' : difference.verdict,
      ];
    }),
  ]).trimEnd();
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
