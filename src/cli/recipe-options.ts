/** The flags that describe a recipe, shared by every command that makes models or trains them. */
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { parseChoice } from '../attention/choice.js';
import { RequestError } from '../errors.js';
import { sharedRecipeSchema, type SharedRecipeInput } from '../experiments/settings.js';
import { makeRecipe, recipeSchema, type Recipe, type RecipeInput } from '../training/recipe.js';
import { number, settings, size, whole, wholeList } from './command.js';
import type { Augmentation } from '../data/augmentation.js';
import { contrastiveViews, parseAugmentations } from '../data/augmentations/index.js';

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

/** What is learned, and modules of one's own that the names of all flags may come from. */
function addTaskOptions(command: Command): Command {
  return addImportOption(
    command
      .optionsGroup('Task:')
      .addOption(
        option(
          '--task <id>',
          'what is learned, see `fovea list`; as segmentation:dice=0.5 with options',
          'task',
        ),
      ),
  );
}

/** Modules of one's own. */
export function addImportOption(command: Command): Command {
  return command.option(
    '--import <module>',
    "a module of one's own whose tasks, models, mechanisms and data sets may be named (repeatable)",
    (path: string, before: readonly string[] | undefined) => [...(before ?? []), path],
  );
}

/** What makes a model: `--model`, `--attention` and what belongs to it. */
export function addModelOptions(command: Command): Command {
  return addHeadOptions(addNetworkOptions(command))
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

/** In networks for segmentation: how maps are joined, and what ends the network. */
function addHeadOptions(command: Command): Command {
  return command
    .option(
      '--fusion <id>',
      'segmentation: how maps of two scales become one,\nsee `fovea list` (default: add)',
    )
    .option('--head <id>', 'segmentation: plain or danet-head (default: plain)');
}

/** The network that carries the attention. */
function addNetworkOptions(command: Command): Command {
  return addTaskOptions(command)
    .optionsGroup('Model:')
    .addOption(
      option(
        '--model <id>',
        'network, see `fovea list`; as resnet18:stem=imagenet with options',
        'model',
      ),
    )
    .addOption(
      option('--placement <where>', 'where attention stands in a block', 'placement').choices(
        recipeSchema.shape.placement.unwrap().options,
      ),
    );
}

/** The data set, and how much of it. */
export function addDataOptions(command: Command): Command {
  return addDatasetOption(command.optionsGroup('Data:'))
    .option('--data <path>', 'its folder, archive or file; not needed for shapes')
    .option('--skip-broken', 'leave out pictures that cannot be read')
    .option('--limit-val <n>', 'validate on n images, every class alike', whole(1));
}

/** The data set by its name alone. */
export function addDatasetOption(command: Command): Command {
  return command
    .addOption(
      option(
        '--dataset <id>',
        "see `fovea list`; folder, list or masks for pictures of one's own",
        'dataset',
      ),
    )
    .option('--size <n>', 'bring images to n x n, or as 48x64 to another height and width', size)
    .option('--channels <n>', '1: grey, 3: colour, 4: with transparency', whole(1));
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
    .option(
      '--validation <share>',
      'of a folder without a split: kept to validate on\n(default: 0.2)',
      number(0, 1),
    )
    .option(
      '--augment <list>',
      'what happens to training images, as\nrandomResizedCrop,flip,mixup:alpha=0.2\n(default: randomCrop:padding=4,flip)',
      augmentations,
    )
    .option('--no-augment', 'nothing happens to them')
    .optionsGroup('Recipe:')
    .addOption(option('--epochs <n>', 'passes over the training images', 'epochs', whole(1)))
    .addOption(option('--batch-size <n>', 'images per step', 'batchSize', whole(1)))
    .option('--drop-last', 'leave out a last batch that is smaller than the others')
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
    )
    .option('--clip-norm <most>', 'scale gradients down to this norm', number(0))
    .option('--clip-value <most>', 'cut elements of gradients off at this magnitude', number(0))
    .option(
      '--ema <decay>',
      'evaluate and keep a moving average of the weights,\nas 0.999',
      number(0, 1),
    )
    .option('--patience <n>', 'stop after n epochs that were not better', whole(1));
}

/** The settings of a recipe among a command's flags: those that were really given. */
export function recipeFrom(command: Command): RecipeInput {
  const { attention, ...given }: RecipeInput = fromFlags(command, recipeSchema.shape);
  return attention === undefined ? given : { ...written(attention, given), ...given };
}

/** Settings among flags, where one flag may say two of them. */
function fromFlags(command: Command, settings: object): RecipeInput {
  const { model, task, augment, ...given }: RecipeInput = givenFlags(command, settings);
  const { import: imports } = command.opts<{ readonly import?: readonly string[] }>();
  return {
    ...given,
    ...(imports && { imports: imports.map((path) => placeOf(path)) }),
    ...(model !== undefined && named('model', model)),
    ...(task !== undefined && named('task', task)),
    // Views that differ in nothing but a crop are told apart by their colours.
    ...(task === 'contrastive' && {
      augment: plain(contrastiveViews(Array.isArray(given.size) ? given.size[0] : given.size)),
    }),
    // Without a list there is nothing but --no-augment to say it.
    ...(augment !== undefined && { augment: augment === false ? [] : augment }),
  };
}

/** `resnet18:stem=imagenet` as a name and its options. */
function named(name: 'model' | 'task', text: string): RecipeInput {
  const { id, options, stages } = parseChoice(text);
  if (stages) throw new RequestError(`--${name} ${text}: only mechanisms have stages.`);
  return { [name]: id, ...(Object.keys(options).length > 0 && { [`${name}Options`]: options }) };
}

/** A module by its path, from wherever a command is given later; a package keeps its name. */
function placeOf(path: string): string {
  return /^[./]|^[A-Za-z]:\\/.test(path) ? resolve(path) : path;
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
  return fromFlags(
    command,
    sharedRecipeSchema.omit({ attention: true, fusion: true, head: true }).shape,
  );
}

function givenFlags(command: Command, settings: object): Record<string, unknown> {
  const flags = Object.entries(command.opts());
  return Object.fromEntries(
    flags.filter(
      ([name]) => Object.hasOwn(settings, name) && command.getOptionValueSource(name) === 'cli',
    ),
  );
}

/** A parser for commander: what happens to training images. */
function augmentations(text: string): NonNullable<RecipeInput['augment']> {
  return plain(parseAugmentations(text));
}

function plain(
  list: readonly Augmentation[],
): { name: string; options: Record<string, unknown> }[] {
  return list.map(({ name, options }) => ({ name, options: { ...options } }));
}
