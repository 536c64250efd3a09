import { Command } from 'commander';
import { writeReport } from '../experiments/node/report.js';
import { printJson } from './command.js';
import { print } from './output.js';

export function reportCommand(): Command {
  const command = new Command('report')
    .summary('the report of a comparison, from its files')
    .description(
      'Write report.html, report.json, report.csv and report.md of a comparison anew,\nfrom the files in its folder. One that is not finished gets a report that says so.',
    )
    .argument('<folder>', 'what `fovea compare` has made')
    .option('--json', 'print the report as JSON');
  return command.action(async (folder: string) => {
    const { json } = command.opts<{ readonly json?: boolean }>();
    const { report, page } = await writeReport(folder);
    if (json) return printJson(report);
    const { done, planned } = report;
    print(`${done} of ${planned} runs done. The report is in ${page}\n`);
  });
}
