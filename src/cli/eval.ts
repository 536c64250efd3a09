import { Command, Option } from 'commander';
import { RequestError } from '../errors.js';
import { evaluateWeights, type EvaluationRequest } from '../training/node/evaluate.js';
import { RunFolder } from '../training/node/run-folder.js';
import { makeRecipe, type RecipeInput } from '../training/recipe.js';
import { nameMaps } from '../weights/names.js';
import { grouped, printJson } from './command.js';
import {
  addDataOptions,
  addDeviceOption,
  addModelOptions,
  flagOf,
  recipeFrom,
} from './recipe-options.js';

interface EvalFlags {
  readonly run?: string;
  readonly checkpoint: 'best' | 'last';
  readonly weights?: string;
  readonly names?: keyof typeof nameMaps;
  readonly json?: boolean;
}

/** What may differ from the recipe of a run without making another network or task of it. */
const FREE = ['data', 'limitVal', 'device'];

export function evalCommand(): Command {
  const command = new Command('eval')
    .summary('loss and accuracy of a trained model')
    .description(
      'Loss, top-1 and top-5 accuracy on the validation images: of a run, or of a file of weights.',
    )
    .usage('--run <folder> [options]\n       fovea eval --model <id> --weights <file> [options]')
    .optionsGroup('What to evaluate:')
    .option('--run <folder>', 'a run, with its own model and data set')
    .addOption(
      new Option('--checkpoint <which>', 'which weights of the run')
        .choices(['best', 'last'])
        .default('best'),
    )
    .option('--weights <file>', 'a safetensors file, for the model below')
    .addOption(
      new Option('--names <map>', 'how the parameters in that file are called').choices(
        Object.keys(nameMaps),
      ),
    );
  addDataOptions(addModelOptions(command));
  addDeviceOption(command.optionsGroup('Options:')).option('--json', 'print the figures as JSON');
  return command.action(async () => {
    const { json, ...flags } = command.opts<EvalFlags>();
    const request = await requestOf(flags, recipeFrom(command));
    const figures = await evaluateWeights(request);
    const { model, attention, dataset } = request.recipe;
    if (json) {
      printJson({ weights: request.weights, model, attention, dataset, ...figures });
      return;
    }
    const { loss, top1, top5, images } = figures;
    process.stdout.write(
      `${request.weights} on ${grouped(images)} validation images of ${dataset}\n` +
        `loss ${loss.toFixed(4)}  top-1 ${top1.toFixed(2)} %  top-5 ${top5.toFixed(2)} %\n`,
    );
  });
}

async function requestOf(
  { run, checkpoint, weights, names }: Omit<EvalFlags, 'json'>,
  given: RecipeInput,
): Promise<EvaluationRequest> {
  if ((run === undefined) === (weights === undefined)) {
    throw new RequestError(
      'Say what to evaluate: either --run FOLDER, or --model ID with --weights FILE.',
    );
  }
  if (run === undefined) {
    return {
      recipe: makeRecipe(given),
      weights: weights ?? '',
      ...(names && { names: nameMaps[names] }),
    };
  }
  const fixed = Object.keys(given).filter((name) => !FREE.includes(name));
  if (fixed.length > 0) {
    throw new RequestError(
      `A run is evaluated with its own settings: leave out ${fixed.map(flagOf).join(' and ')}.`,
    );
  }
  const { folder, recipe } = await RunFolder.open(run);
  const file = `${checkpoint}.safetensors`;
  if (!folder.has(file)) {
    throw new RequestError(
      `The run in ${run} has no ${file} yet: it ends its first epoch with one.`,
    );
  }
  return { recipe: { ...recipe, ...given } as typeof recipe, weights: folder.file(file) };
}
