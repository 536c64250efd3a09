import { Command, Option } from 'commander';
import { RequestError } from '../errors.js';
import { makeRecipe, type RecipeInput } from '../training/recipe.js';
import { RunFolder } from '../training/node/run-folder.js';
import { runTraining } from '../training/node/run.js';
import { interruptible, number, settings, whole, wholeList } from './command.js';
import { TrainingProgress } from './progress.js';

/** Options of the command that are not part of the recipe. */
interface TrainFlags {
  readonly output?: string;
  readonly resume?: string;
  readonly profile?: string;
  readonly json?: boolean;
}

/** The flags that describe a recipe; shared with what will train many of them. */
export function addRecipeOptions(command: Command): Command {
  return command
    .option('--model <id>', 'network, see `fovea list` (default: resnet18)')
    .option('--attention <id>', 'mechanism in every block, see `fovea list` (default: none)')
    .option('--attention-options <list>', 'its options, as ratio=8,bias=false', settings)
    .addOption(
      new Option(
        '--placement <where>',
        'where it stands in the block (default: before-addition)',
      ).choices(['before-addition', 'after-addition']),
    )
    .option('--dataset <id>', 'cifar10, cifar100 or shapes (default: cifar100)')
    .option('--data <path>', 'folder or archive of the data set')
    .option('--limit-train <n>', 'train on n images, the same share of every class', whole(1))
    .option('--limit-val <n>', 'validate on n images, the same share of every class', whole(1))
    .option('--epochs <n>', 'passes over the training images (default: 160)', whole(1))
    .option('--batch-size <n>', 'images per step (default: 128)', whole(1))
    .addOption(new Option('--optimizer <name>', '(default: sgd)').choices(['sgd', 'adamw']))
    .option('--lr <rate>', 'learning rate (default: 0.1)', number(0))
    .option('--momentum <share>', 'of SGD (default: 0.9)', number(0))
    .option('--nesterov', 'Nesterov momentum (default: no)')
    .option('--weight-decay <factor>', '(default: 0.0001)', number(0))
    .addOption(
      new Option('--schedule <name>', '(default: multistep)').choices([
        'multistep',
        'cosine',
        'constant',
      ]),
    )
    .option(
      '--milestones <list>',
      'epochs at which the rate falls (default: 1/2 and 3/4 of the epochs)',
      wholeList,
    )
    .option('--gamma <factor>', 'by which it falls (default: 0.1)', number(0))
    .option('--warmup-epochs <n>', 'over which the rate rises from 0 (default: 1)', number(0))
    .option('--label-smoothing <share>', '(default: 0)', number(0))
    .option('--no-augment', 'no random crops and flips')
    .option('--seed <n>', 'of everything that is random (default: 1)', whole(0))
    .addOption(new Option('--device <name>', '(default: cpu)').choices(['cpu', 'webgpu', 'cuda']));
}

/** Separates a recipe's settings from the other flags; only those that were really given. */
export function recipeFrom(command: Command): RecipeInput {
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(command.opts())) {
    const own = ['output', 'resume', 'profile', 'json'].includes(name);
    if (!own && command.getOptionValueSource(name) === 'cli') given[name] = value;
  }
  return given as RecipeInput;
}

export function trainCommand(): Command {
  const command = new Command('train')
    .description('Train one model on one data set, and keep everything in a run folder.')
    .option('--output <folder>', 'run folder (default: the next free one under runs/)')
    .option('--resume <folder>', 'continue an interrupted run with its own settings')
    .option(
      '--profile <prefix>',
      'write a profile of the training step by op to PREFIX_<time>.json',
    )
    .option('--json', 'print the summary as JSON at the end');
  addRecipeOptions(command);
  return command.action(async () => {
    const { output, resume, profile, json } = command.opts<TrainFlags>();
    const given = recipeFrom(command);
    if (resume !== undefined) await refuseChanges(resume, given, output);
    const progress = new TrainingProgress(
      process.stdout.isTTY && !json,
      json ? (line) => void process.stderr.write(`${line}\n`) : undefined,
    );
    const { folder, summary } = await interruptible((signal) =>
      runTraining(makeRecipe(given), {
        signal,
        ...(output !== undefined && { output }),
        ...(resume !== undefined && { resume }),
        ...(profile !== undefined && { profile }),
        onStart: (start) => progress.begin(start),
        onStep: (step) => progress.step(step),
        onEpoch: (metrics) => progress.epoch(metrics),
      }).finally(() => progress.end()),
    );
    if (json) {
      process.stdout.write(`${JSON.stringify({ folder, ...summary }, null, 2)}\n`);
      return;
    }
    process.stdout.write(
      `Best top-1 ${summary.best_top1.toFixed(2)} %, mean of the best five epochs ${summary.mean_best5_top1.toFixed(2)} %.\n` +
        `Everything is in ${folder}\n`,
    );
  });
}

/** A run goes on with its own settings: others are refused, with what they are and were. */
async function refuseChanges(
  resume: string,
  given: RecipeInput,
  output: string | undefined,
): Promise<void> {
  if (output !== undefined) {
    throw new RequestError('--resume goes on in its own folder; leave --output out.');
  }
  const { recipe } = await RunFolder.open(resume);
  const changed = Object.entries(given).filter(
    ([name, value]) =>
      JSON.stringify(value) !== JSON.stringify(recipe[name as keyof typeof recipe]),
  );
  if (changed.length > 0) {
    const differences = changed.map(
      ([name, value]) =>
        `${name}: ${JSON.stringify(recipe[name as keyof typeof recipe])} there, ${JSON.stringify(value)} asked for`,
    );
    throw new RequestError(
      `The run in ${resume} has other settings (${differences.join('; ')}). Continue it without them, or start a new run.`,
    );
  }
}
