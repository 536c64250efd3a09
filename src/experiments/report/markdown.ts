/** report.md: the comparison as a table for a README. */
import type { ReportData } from './data.js';
import { summaryTable } from './summary-table.js';
import { alone, finding, nounOf, subject, unfinished } from './words.js';

/** Heading, table, finding, command. */
export function reportMarkdown(report: ReportData): string {
  const missing = unfinished(report);
  const paragraphs = [
    `**${subject(report)}**`,
    ...(missing === null ? [] : [missing]),
    tableText(summaryTable(report)),
    [finding(report), alone(report) ?? ''].join(' ').trim(),
    `Intervals are Student’s, of the differences to the baseline of the same seeds; p-values are Holm’s, for all the ${nounOf(report).many} tried. “No significant difference” does not mean equal.`,
    `\`\`\`sh\n${report.command}\n\`\`\``,
  ];
  return `${paragraphs.join('\n\n')}\n`;
}

/** A table of Markdown; a bar in a cell would end it. */
function tableText([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
