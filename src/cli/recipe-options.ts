/** The flags that describe a recipe, shared by every command that makes models or trains them. */
import { Option, type Command } from 'commander';
import { parseChoice } from '../attention/choice.js';
import { RequestError } from '../errors.js';
import { sharedRecipeSchema, type SharedRecipeInput } from '../experiments/settings.js';
import { makeRecipe, recipeSchema, type Recipe, type RecipeInput } from '../training/recipe.js';
import { number, settings, whole, wholeList } from './command.js';

/** Where the defaults come from, so that the help cannot say anything else. */
const defaults = makeRecipe({});

/** The settings that one word or number says whole. */
type Plain = {
  [Name in keyof Recipe]-?: Recipe[Name] extends string | number | boolean ? Name : never;
}[keyof Recipe];

function option<Name extends Plain>(
  flags: string,
  description: string,
  name: Name,
  parse?: (text: string) => Recipe[Name],
): Option {
  const made = new Option(flags, description).default(defaults[name], String(defaults[name]));
  return parse ? made.argParser(parse) : made;
}

/** `warmupEpochs` as `--warmup-epochs`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** What makes a model: `--model`, `--attention` and what belongs to it. */
export function addModelOptions(command: Command): Command {
  return addNetworkOptions(command)
    .addOption(
      option(
        '--attention <id>',
        'mechanism in every block, see `fovea list`; as\ncbam:ratio=8@3 with options, in stage 3 alone',
        'attention',
      ),
    )
    .option('--attention-options <list>', 'its options, as ratio=8,bias=false', settings)
    .option('--stages <list>', 'stages that have it, as 3 or 2,3\n(default: all)', wholeList(1));
}

/** The network that carries the attention. */
function addNetworkOptions(command: Command): Command {
  return command
    .optionsGroup('Model:')
    .addOption(option('--model <id>', 'network, see `fovea list`', 'model'))
    .addOption(
      option('--placement <where>', 'where attention stands in a block', 'placement').choices(
        recipeSchema.shape.placement.unwrap().options,
      ),
    );
}

/** The data set, and how much of it. */
export function addDataOptions(command: Command): Command {
  return addDatasetOption(command.optionsGroup('Data:'))
    .option('--data <path>', 'its folder or archive; not needed for shapes')
    .option('--limit-val <n>', 'validate on n images, every class alike', whole(1));
}

/** The data set by its name alone. */
export function addDatasetOption(command: Command): Command {
  return command.addOption(option('--dataset <id>', 'cifar10, cifar100 or shapes', 'dataset'));
}

/** The device. */
export function addDeviceOption(command: Command): Command {
  return command.addOption(
    option('--device <name>', 'where to compute', 'device').choices(
      recipeSchema.shape.device.unwrap().options,
    ),
  );
}

/** All flags of a training recipe. */
export function addRecipeOptions(command: Command): Command {
  addTrainingOptions(addModelOptions(command)).addOption(
    option('--seed <n>', 'of everything that is random', 'seed', whole(0)),
  );
  return addThreadsOption(
    addDeviceOption(command),
    'threads of one operator; figures depend on it in their last digits\n(default: one per core)',
  );
}

/** The flags of a recipe that all runs of a comparison share: not the attention, not the seed. */
export function addSharedRecipeOptions(command: Command): Command {
  return addThreadsOption(
    addDeviceOption(addTrainingOptions(addNetworkOptions(command))),
    'threads of each run; figures depend on it in their last digits\n(default: the cores, shared by at most 4 runs at a time)',
  );
}

/** The number of threads, which a run keeps. */
function addThreadsOption(command: Command, description: string): Command {
  return command.option('--threads <n>', description, whole(1));
}

/** What to train on, and how. */
function addTrainingOptions(command: Command): Command {
  return addDataOptions(command)
    .option('--limit-train <n>', 'train on n images, every class alike', whole(1))
    .option('--no-augment', 'no random crops and flips')
    .optionsGroup('Recipe:')
    .addOption(option('--epochs <n>', 'passes over the training images', 'epochs', whole(1)))
    .addOption(option('--batch-size <n>', 'images per step', 'batchSize', whole(1)))
    .addOption(
      option('--optimizer <name>', 'update rule', 'optimizer').choices(
        recipeSchema.shape.optimizer.unwrap().options,
      ),
    )
    .addOption(option('--lr <rate>', 'learning rate', 'lr', number(0)))
    .addOption(option('--momentum <share>', 'momentum of sgd', 'momentum', number(0)))
    .option('--nesterov', 'Nesterov momentum')
    .addOption(option('--weight-decay <factor>', 'weight decay', 'weightDecay', number(0)))
    .addOption(
      option('--schedule <name>', 'how the rate falls', 'schedule').choices(
        recipeSchema.shape.schedule.unwrap().options,
      ),
    )
    .option(
      '--milestones <list>',
      'epochs before which it falls, as 80,120\n(default: at 1/2 and 3/4 of the epochs)',
      wholeList(),
    )
    .addOption(option('--gamma <factor>', 'by which it falls there', 'gamma', number(0)))
    .addOption(
      option('--warmup-epochs <n>', 'epochs in which it rises from 0', 'warmupEpochs', number(0)),
    )
    .addOption(
      option('--label-smoothing <share>', 'label smoothing', 'labelSmoothing', number(0, 1)),
    );
}

/** The settings of a recipe among a command's flags: those that were really given. */
export function recipeFrom(command: Command): RecipeInput {
  const { attention, ...given }: RecipeInput = givenFlags(command, recipeSchema.shape);
  return attention === undefined ? given : { ...written(attention, given), ...given };
}

/** What `--attention` says, which may hold the options and stages that have flags of their own. */
function written(attention: string, given: RecipeInput): RecipeInput {
  const { id, options, stages } = parseChoice(attention);
  const said: RecipeInput = {
    ...(Object.keys(options).length > 0 && { attentionOptions: options }),
    ...(stages && { stages: [...stages] }),
  };
  const twice = Object.keys(said).filter((name) => Object.hasOwn(given, name));
  if (twice.length > 0) {
    throw new RequestError(
      `--attention ${attention} says what ${twice.map(flagOf).join(' and ')} says too: leave out one of them.`,
    );
  }
  return { attention: id, ...said };
}

/** The same of what all runs of a comparison share. */
export function sharedRecipeFrom(command: Command): SharedRecipeInput {
  return givenFlags(command, sharedRecipeSchema.shape);
}

function givenFlags(command: Command, settings: object): Record<string, unknown> {
  const flags = Object.entries(command.opts());
  return Object.fromEntries(
    flags.filter(
      ([name]) => Object.hasOwn(settings, name) && command.getOptionValueSource(name) === 'cli',
    ),
  );
}
