import { Command } from 'commander';
import { FoveaError } from '../errors.js';
import { Comparison, jobsAtATime } from '../experiments/node/comparison.js';
import { conclude } from '../experiments/node/conclude.js';
import type { WrittenReport } from '../experiments/node/report.js';
import { parseVariants } from '../experiments/settings.js';
import { interruptible, printJson, whole } from './command.js';
import { CompareProgress } from './compare-progress.js';
import { print, tell } from './output.js';
import { addSharedRecipeOptions, sharedRecipeFrom } from './recipe-options.js';
import { reportSummary } from './report-summary.js';

interface CompareFlags {
  readonly attention?: string;
  readonly seeds?: number;
  readonly output?: string;
  readonly jobs?: number;
  readonly json?: boolean;
  readonly model: string;
  readonly dataset: string;
}

export function compareCommand(): Command {
  const command = new Command('compare')
    .summary('mechanisms against each other and the baseline, over several seeds')
    .description(
      'Train a network with each of several attention mechanisms, and without, over several ' +
        'seeds; report the differences with their uncertainty, and what each network looks at.\n' +
        'Ctrl-C saves and stops; the same command goes on. Finished runs are never repeated.',
    )
    .optionsGroup('Comparison:')
    .option(
      '--attention <list>',
      'mechanisms, as se,cbam:ratio=8,sagan@3: options after colons, stages after @; the baseline none is always among them (default: none,se,eca,cbam)',
    )
    .option('--seeds <n>', 'runs of each, with seeds 1 to n (default: 3)', whole(1))
    .option('--output <folder>', 'its folder (default: comparisons/MODEL-DATASET)')
    .option(
      '--jobs <n>',
      'runs at a time; figures do not depend on it (default: as many as the cores have room for, at most 4)',
      whole(1),
    )
    .option('--json', 'print the report as JSON at the end');
  addSharedRecipeOptions(command);
  return command.action(async () => {
    const { attention, seeds, output, jobs, json, model, dataset } = command.opts<CompareFlags>();
    const recipe = sharedRecipeFrom(command);
    // Said before anything is written.
    jobsAtATime(jobs, recipe);
    const comparison = await Comparison.open(output ?? `comparisons/${model}-${dataset}`, {
      ...(attention !== undefined && { variants: parseVariants(attention) }),
      ...(seeds !== undefined && { seeds: Array.from({ length: seeds }, (_, i) => i + 1) }),
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
    refuseFailures(written);
  });
}

async function carryOut(
  comparison: Comparison,
  asked: { signal: AbortSignal; jobs: number | undefined; data: string | undefined },
  progress: CompareProgress,
): Promise<WrittenReport> {
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
