import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { RequestError } from '../errors.js';
import { currentSettings, MAY_CHANGE, mayChange, type RunChange } from '../training/changes.js';
import { makeRecipe, type Recipe, type RecipeInput } from '../training/recipe.js';
import { lockFolder } from '../training/node/lock.js';
import { bestFigure, RunFolder } from '../training/node/run-folder.js';
import { runTraining } from '../training/node/run.js';
import { figureText, valueText } from './figures.js';
import { interruptible, number, printJson } from './command.js';
import { print, tell } from './output.js';
import { TrainingProgress } from './progress.js';
import { addRecipeOptions, flagOf, recipeFrom } from './recipe-options.js';

interface TrainFlags {
  readonly output?: string;
  readonly resume?: string;
  readonly checkpointMinutes?: number;
  readonly profile?: string;
  readonly json?: boolean;
}

export function trainCommand(): Command {
  const command = new Command('train')
    .summary('train one model on one data set')
    .description(
      'Train one model on one data set, and keep everything in a run folder.\n' +
        'Ctrl-C saves and stops; --resume goes on as if nothing had happened.',
    );
  addRecipeOptions(command)
    .optionsGroup('Run:')
    .option('--output <folder>', 'run folder (default: the next free one in runs/)')
    .option(
      '--resume <folder>',
      'continue a run with its own settings, with a lower learning rate (--lr, --gamma, --warmup-epochs) or more --epochs',
    )
    .option(
      '--checkpoint-minutes <n>',
      'save within an epoch too, every n minutes\n(default: 10; 0: after every step)',
      number(0),
    )
    .option('--profile <prefix>', 'write a profile of the step by op, PREFIX_<time>.json')
    .option('--json', 'print the summary as JSON at the end');
  return command.action(async () => {
    const { output, resume, checkpointMinutes, profile, json } = command.opts<TrainFlags>();
    const given = recipeFrom(command);
    const recipe = makeRecipe(given);
    if (resume !== undefined) await checkResume(resume, given, output);
    const place = resume ?? output;
    if (place !== undefined) await refuseWithinComparison(resolve(place));
    const { lr, gamma, warmupEpochs, epochs } = given;
    const change: RunChange = {
      ...(lr !== undefined && { lr }),
      ...(gamma !== undefined && { gamma }),
      ...(warmupEpochs !== undefined && { warmupEpochs }),
      ...(resume !== undefined && epochs !== undefined && { epochs }),
    };
    const progress = json
      ? new TrainingProgress(0, (line) => tell(`${line}\n`))
      : new TrainingProgress();
    const { folder, summary } = await interruptible((signal) =>
      runTraining(recipe, {
        signal,
        ...(output !== undefined && { output }),
        ...(resume !== undefined && { resume, change }),
        ...(checkpointMinutes !== undefined && { checkpointMinutes }),
        ...(profile !== undefined && { profile }),
        onStart: (start) => progress.begin(start),
        onStep: (step) => progress.step(step),
        onEpoch: (metrics) => progress.epoch(metrics),
      }).finally(() => progress.end()),
    );
    const { primary } = summary;
    if (json) {
      printJson({ folder, ...summary });
      return;
    }
    print(
      `Best ${figureText(primary.name, bestFigure(summary), primary)}, mean of the best five epochs ${valueText(primary.name, summary[`mean_best5_${primary.name}`] ?? NaN, primary)}.\n` +
        `Everything is in ${folder}\n`,
    );
  });
}

/**
 * A run goes on with its own settings: others are refused, with what they are and were. Only data
 * may have moved, and the learning rate be lowered.
 */
async function checkResume(
  resume: string,
  given: RecipeInput,
  output: string | undefined,
): Promise<void> {
  if (output !== undefined) {
    throw new RequestError('--resume goes on in its own folder; leave --output out.');
  }
  const { recipe } = await RunFolder.open(resume);
  const now = currentSettings(recipe);
  const changed = Object.entries(given).flatMap(([name, asked]) => {
    const there: unknown = now[name as keyof Recipe];
    const same = JSON.stringify(asked) === JSON.stringify(there);
    // A run of an older version does not say how many threads it had.
    const open = name === 'data' || (name === 'threads' && there === undefined);
    if (same || open || mayChange(recipe, name, asked)) return [];
    return [`  ${flagOf(name)}: ${shown(there)} there, ${shown(asked)} asked for`];
  });
  if (changed.length > 0) {
    throw new RequestError(
      `The run in ${resume} has other settings. Continue it without these flags, or with ${MAY_CHANGE}, or start a new run:\n${changed.join('\n')}`,
    );
  }
}

/** A comparison that is under way does its runs itself. */
async function refuseWithinComparison(run: string): Promise<void> {
  const comparison = dirname(dirname(run));
  if (!existsSync(join(comparison, 'compare.json'))) return;
  const lock = await lockFolder(comparison);
  await lock.release();
}

function shown(value: unknown): string {
  if (value === undefined) return 'not set';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
