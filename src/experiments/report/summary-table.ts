/** The comparison in one table, as a README and a terminal show it. */
import { judgedFigure, type MechanismReport, type ReportData } from './data.js';
import { intervalText, meanText, millions, orDash, pValue, whole } from './format.js';
import { betterNote, figureFormats, figureTitle, measureTitle } from './words.js';

/** Head and a row for every variant, as texts. */
export function summaryTable(report: ReportData): string[][] {
  const { figure, primary, baseline, settings } = report;
  return [
    [
      settings.axis,
      'parameters',
      'multiply-adds',
      `${figureTitle(figure)}: ${measureTitle(primary)} (± sd)${betterNote(figure)}`,
      `difference to ${baseline ?? 'the baseline'} (95 % interval)`,
      'p (Holm)',
      'verdict',
    ],
    ...report.mechanisms.map((mechanism) => row(mechanism, report)),
  ];
}

function row(mechanism: MechanismReport, { primary, figure }: ReportData): string[] {
  const { label, params, macs } = mechanism;
  const { mean, sd, difference } = judgedFigure(mechanism, primary);
  const formats = figureFormats(figure);
  return [
    label,
    orDash(params?.value, whole),
    orDash(macs?.value, millions),
    meanText({ mean, sd }, formats.value),
    ...(difference === null
      ? ['', '', mechanism.baseline ? 'the baseline' : '']
      : [
          orDash(difference.mean, formats.difference) +
            intervalText(difference.interval, formats.difference),
          orDash(difference.adjustedP, pValue),
          difference.verdict,
        ]),
  ];
}
