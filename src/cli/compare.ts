import { Command } from 'commander';
import { FoveaError } from '../errors.js';
import { Comparison } from '../experiments/node/comparison.js';
import { parseVariants } from '../experiments/settings.js';
import { interruptible, whole } from './command.js';
import { CompareProgress } from './compare-progress.js';
import { addSharedRecipeOptions, sharedRecipeFrom } from './recipe-options.js';

interface CompareFlags {
  readonly attention?: string;
  readonly seeds?: number;
  readonly output?: string;
  readonly jobs?: number;
}

export function compareCommand(): Command {
  const command = new Command('compare')
    .summary('mechanisms against each other and the baseline, over several seeds')
    .description(
      'Train a network with each of several attention mechanisms, and without, over several seeds,\n' +
        'and report the differences with their uncertainty. Ctrl-C saves and stops; the same command\n' +
        'goes on. Finished runs are never repeated.',
    )
    .optionsGroup('Comparison:')
    .option(
      '--attention <list>',
      'mechanisms: se,cbam:ratio=8,sagan@3 (options after colons, stages\nafter @; the baseline none is always among them)\n(default: none,se,eca,cbam)',
    )
    .option('--seeds <n>', 'runs of each, with seeds 1 to n (default: 3)', whole(1))
    .option('--output <folder>', 'its folder (default: comparisons/MODEL-DATASET)')
    .option(
      '--jobs <n>',
      'runs at a time, each with its share of the cores (default: 1)',
      whole(1),
    );
  addSharedRecipeOptions(command);
  return command.action(async () => {
    const { attention, seeds, output, jobs } = command.opts<CompareFlags>();
    const recipe = sharedRecipeFrom(command);
    const { model, dataset } = command.opts<{ model: string; dataset: string }>();
    const comparison = await Comparison.open(output ?? `comparisons/${model}-${dataset}`, {
      ...(attention !== undefined && { variants: parseVariants(attention) }),
      ...(seeds !== undefined && { seeds: Array.from({ length: seeds }, (_, i) => i + 1) }),
      recipe,
    });
    const progress = new CompareProgress();
    const states = await interruptible(
      (signal) =>
        comparison
          .run({
            signal,
            ...(jobs !== undefined && { jobs }),
            ...(recipe.data !== undefined && { data: recipe.data }),
            ...progress.listeners,
          })
          .finally(() => progress.end()),
      'Stopping after the steps that are under way, and saving. Press Ctrl-C again to stop at once.',
    );
    const failed = [...states].filter(([, { state }]) => state === 'failed');
    if (failed.length > 0) {
      throw new FoveaError(
        `${failed.length} of ${states.size} runs failed; the same command tries them again:\n${failed.map(([name, { message }]) => `  ${name}: ${message ?? ''}`).join('\n')}`,
      );
    }
  });
}
