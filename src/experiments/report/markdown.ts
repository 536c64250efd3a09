/** report.md: the comparison as a table for a README. */
import type { MechanismReport, ReportData } from './data.js';
import {
  fixed,
  intervalText,
  meanText,
  millions,
  orDash,
  pValue,
  signed,
  whole,
} from './format.js';
import { alone, finding, MEASURE_TITLES, subject, unfinished } from './words.js';

/** Heading, table, finding, command. */
export function reportMarkdown(report: ReportData): string {
  const { mechanisms, primary, baseline, command } = report;
  const head = [
    'attention',
    'parameters',
    'multiply-adds',
    `top-1 %, ${MEASURE_TITLES[primary]} (± sd)`,
    `difference to ${baseline ?? 'the baseline'} (95 % interval)`,
    'p (Holm)',
    'verdict',
  ];
  const rows = mechanisms.map((mechanism) => row(mechanism, report));
  const missing = unfinished(report);
  const paragraphs = [
    `**${subject(report)}**`,
    ...(missing === null ? [] : [missing]),
    tableText([head, ...rows]),
    [finding(report), alone(report) ?? ''].join(' ').trim(),
    'Intervals are Student’s, of the differences to the baseline of the same seeds; p-values are Holm’s, for all the mechanisms tried. “No significant difference” does not mean equal.',
    `\`\`\`sh\n${command}\n\`\`\``,
  ];
  return `${paragraphs.join('\n\n')}\n`;
}

function row(
  { label, params, macs, accuracy }: MechanismReport,
  { primary }: ReportData,
): string[] {
  const { mean, sd, difference } = accuracy[primary];
  return [
    label,
    orDash(params?.value, whole),
    orDash(macs?.value, millions),
    meanText({ mean, sd }, fixed(2)),
    ...(difference === null
      ? ['', '', 'the baseline']
      : [
          orDash(difference.mean, signed(2)) + intervalText(difference.interval),
          orDash(difference.adjustedP, pValue),
          difference.verdict,
        ]),
  ];
}

/** A table of Markdown; a bar in a cell would end it. */
function tableText([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
