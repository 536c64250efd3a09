/** The flags that say which trained weights a command is about: those of a run, or of a file. */
import { Option, type Command } from 'commander';
import { RequestError } from '../errors.js';
import { knownInfo } from '../training/node/from-recipe.js';
import type { Trained, WeightsRequest } from '../training/node/trained.js';
import { RunFolder } from '../training/node/run-folder.js';
import { makeRecipe, type RecipeInput } from '../training/recipe.js';
import type { WeightsChoice } from '../weights/load.js';
import { nameMaps } from '../weights/names.js';
import {
  addNormalizationOptions,
  normalizationFrom,
  type NormalizationFlags,
} from './normalization-options.js';
import { tell } from './output.js';
import { flagOf } from './recipe-options.js';

/** What the flags of a file are parsed into. */
export interface FileFlags {
  readonly names?: keyof typeof nameMaps;
  readonly prefix?: string;
  readonly part?: string;
  readonly leaveOut?: readonly string[];
}

/** What the flags below are parsed into. */
export interface WeightsFlags extends FileFlags, NormalizationFlags {
  readonly run?: string;
  readonly checkpoint: 'best' | 'last';
  readonly weights?: string;
  readonly classes?: readonly string[];
}

/** `--run` with `--checkpoint`, or `--weights` with what belongs to a file; and `--mean` with `--std` for either. */
export function addWeightsOptions(command: Command): Command {
  const named = addFileOptions(
    command
      .option('--run <folder>', 'a run, with its own model and data set')
      .addOption(
        new Option('--checkpoint <which>', 'which weights of the run')
          .choices(['best', 'last'])
          .default('best'),
      )
      .option('--weights <file>', 'safetensors or PyTorch, for the model below'),
  );
  return addNormalizationOptions(named);
}

/** `--classes`, for commands that need no data set: with `--size`, all that they must know of one. */
export function addClassesOption(command: Command): Command {
  return command.option(
    '--classes <names>',
    "what the weights tell apart, as cat,dog,horse\n(default: the data set's classes)",
    (text: string) => text.split(',').map((name) => name.trim()),
  );
}

/** Which weights of other people's files are meant, and how they are called there. */
export function addFileOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--names <map>', 'how the parameters in that file are called').choices(
        Object.keys(nameMaps),
      ),
    )
    .option('--prefix <path>', 'what stands before every name there, as model or\nmodule.module')
    .option('--part <path>', 'of a PyTorch checkpoint: the part that is meant,\nas ema or a.b')
    .option(
      '--leave-out <list>',
      "tensors to go without, * for anything, as\n'head.*,n_averaged'",
      (text: string, before?: readonly string[]) => [...(before ?? []), ...text.split(',')],
    );
}

/** The choice of weights that the flags of a file make. */
export function weightsChoice({ names, prefix, part, leaveOut }: FileFlags): WeightsChoice {
  return {
    ...(names && { names: nameMaps[names] }),
    ...(prefix !== undefined && { prefix }),
    ...(part !== undefined && { part }),
    ...(leaveOut && { leaveOut }),
  };
}

/**
 * The weights that the flags ask for, with the recipe that they belong to.
 * @param given settings of a recipe that were given as flags
 * @param free those that may differ from a run's own without making another network or task of it
 * @param verb what the command does, for messages: 'evaluate'
 */
export async function weightsRequest(
  { run, checkpoint, weights, mean, std, classes, ...choice }: WeightsFlags,
  given: RecipeInput,
  free: readonly string[],
  verb: string,
): Promise<WeightsRequest> {
  if ((run === undefined) === (weights === undefined)) {
    throw new RequestError(
      `Say what to ${verb}: either --run FOLDER, or --model ID with --weights FILE.`,
    );
  }
  const normalization = normalizationFrom({ ...(mean && { mean }), ...(std && { std }) });
  if (run === undefined) {
    return {
      recipe: makeRecipe(given),
      weights: weights ?? '',
      ...normalization,
      ...(classes && { classes }),
      ...weightsChoice(choice),
      note: (text) => tell(`${text}\n`),
    };
  }
  const unused = Object.keys({ ...weightsChoice(choice), ...(classes && { classes }) });
  if (unused.length > 0) {
    throw new RequestError(
      `A run has its own weights: leave out ${unused.map(flagOf).join(' and ')}.`,
    );
  }
  const fixed = Object.keys(given).filter((name) => !free.includes(name));
  if (fixed.length > 0) {
    throw new RequestError(
      `A run has its own settings: leave out ${fixed.map(flagOf).join(' and ')}.`,
    );
  }
  const { folder, recipe } = await RunFolder.open(run);
  const known = knownInfo(recipe);
  return {
    recipe: { ...recipe, ...given } as typeof recipe,
    weights: folder.weights(checkpoint, run),
    // What a run was trained with, whatever wrote the file that lies there.
    ...(known && { normalization: known.normalization }),
    ...normalization,
  };
}

/** Tells which statistics are used for weights of which nobody knows what they want. */
export function tellAssumed(
  { weights, recipe }: WeightsRequest,
  { normalizationAssumed, info }: Pick<Trained, 'normalizationAssumed' | 'info'>,
): void {
  if (!normalizationAssumed) return;
  const { mean, std } = info.normalization;
  tell(
    `fovea: ${weights} is not of a run of Fovea, so nothing tells how its images were normalised. ` +
      `Those of ${recipe.dataset} were used, --mean ${mean.join(',')} --std ${std.join(',')}: say so if it was ` +
      'trained with others.\n',
  );
}
