import { Command } from 'commander';
import { FoveaError } from '../errors.js';
import { Comparison, jobsAtATime } from '../experiments/node/comparison.js';
import { conclude, type Conclusion } from '../experiments/node/conclude.js';
import type { WrittenReport } from '../experiments/node/report.js';
import { parseParts } from '../experiments/settings.js';
import { interruptible, printJson, whole, wholeList } from './command.js';
import { CompareProgress } from './compare-progress.js';
import { print, tell } from './output.js';
import { addSharedRecipeOptions, sharedRecipeFrom } from './recipe-options.js';
import { reportSummary } from './report-summary.js';

interface CompareFlags {
  readonly attention?: string;
  readonly fusion?: string;
  readonly head?: string;
  readonly seeds?: readonly number[];
  readonly output?: string;
  readonly jobs?: number;
  readonly json?: boolean;
  readonly model: string;
  readonly dataset: string;
}

export function compareCommand(): Command {
  const command = new Command('compare')
    .summary('mechanisms, fusions or heads against a baseline, over several seeds')
    .description(
      'Train a network with each of several attention mechanisms, and without, over several ' +
        'seeds; or with each of several fusions or heads, for segmentation. Report the differences with their uncertainty, and what each network looks at.\n' +
        'Ctrl-C saves and stops; the same command goes on. Finished runs are never repeated.',
    )
    .optionsGroup('Comparison:')
    .option(
      '--attention <list>',
      'mechanisms, as se,cbam:ratio=8,sagan@3: options after colons, stages after @; the baseline none is always among them (default: none,se,eca,cbam)',
    )
    .option(
      '--fusion <list>',
      'instead, for --task segmentation: what merges maps; add is always among them',
    )
    .option(
      '--head <list>',
      'instead, for --task segmentation: what ends the network; plain is always among them',
    )
    .option('--seeds <n>', 'runs of each, with seeds 1 to n, or these: 2,5\n(default: 3)', seedList)
    .option('--output <folder>', 'its folder (default: comparisons/MODEL-DATASET)')
    .option(
      '--jobs <n>',
      'runs at a time; figures do not depend on it (default: as many as the cores have room for, at most 4)',
      whole(1),
    )
    .option('--json', 'print the report as JSON at the end');
  addSharedRecipeOptions(command);
  return command.action(async () => {
    const { attention, fusion, head, seeds, output, jobs, json, dataset } =
      command.opts<CompareFlags>();
    const { compared, recipe: parts } = parseParts({
      ...(attention !== undefined && { attention }),
      ...(fusion !== undefined && { fusion }),
      ...(head !== undefined && { head }),
    });
    const recipe = { ...sharedRecipeFrom(command), ...parts };
    const { task = 'classification', model = command.opts<CompareFlags>().model } = recipe;
    const name = [...(task === 'classification' ? [] : [task]), model, dataset].join('-');
    // Said before anything is written.
    jobsAtATime(jobs, recipe);
    const comparison = await Comparison.open(output ?? `comparisons/${name}`, {
      ...compared,
      ...(seeds && { seeds }),
      recipe,
    });
    const progress = json
      ? new CompareProgress(false, (line) => tell(`${line}\n`))
      : new CompareProgress();
    const written = await interruptible(
      (signal) => carryOut(comparison, { signal, jobs, data: recipe.data }, progress),
      'Stopping after the steps that are under way, and saving. Press Ctrl-C again to stop at once.',
    ).finally(() => comparison.close());
    if (json) printJson(written.report);
    else print(`\n${reportSummary(written)}`);
    for (const note of written.notes) tell(`fovea: ${note}\n`);
    refuseFailures(written);
  });
}

/** A parser for commander: `5` is 1 to 5, `2,5` those two. */
function seedList(text: string): number[] {
  if (text.includes(',')) return wholeList()(text);
  return Array.from({ length: whole(1)(text) }, (_, i) => i + 1);
}

async function carryOut(
  comparison: Comparison,
  asked: { signal: AbortSignal; jobs: number | undefined; data: string | undefined },
  progress: CompareProgress,
): Promise<Conclusion> {
  const { signal, jobs, data } = asked;
  try {
    await comparison.run({
      signal,
      ...(jobs !== undefined && { jobs }),
      ...(data !== undefined && { data }),
      ...progress.listeners,
    });
    return await conclude(comparison, {
      signal,
      ...(data !== undefined && { data }),
      onStage: (stage, done, total) => progress.stage(stage, done, total),
    });
  } finally {
    progress.end();
  }
}

/** The report is there, but not of everything that was asked for. */
function refuseFailures({ report }: WrittenReport): void {
  const failed = report.runs.filter(({ state }) => state === 'failed');
  if (failed.length === 0) return;
  const reasons = failed.map(
    ({ name, message }) => `  ${name}: ${message ?? 'no reason is known'}`,
  );
  throw new FoveaError(
    `${failed.length} of ${report.planned} runs failed. The same command tries them again:\n${reasons.join('\n')}`,
  );
}
