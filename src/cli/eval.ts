import { Command } from 'commander';
import { evaluateWeights } from '../training/node/evaluate.js';
import { grouped, printJson } from './command.js';
import { print, tell } from './output.js';
import { addDataOptions, addDeviceOption, addModelOptions, recipeFrom } from './recipe-options.js';
import { addWeightsOptions, weightsRequest, type WeightsFlags } from './weights-options.js';

interface EvalFlags extends WeightsFlags {
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
    .optionsGroup('What to evaluate:');
  addDataOptions(addModelOptions(addWeightsOptions(command)));
  addDeviceOption(command.optionsGroup('Options:')).option('--json', 'print the figures as JSON');
  return command.action(async () => {
    const { json, ...flags } = command.opts<EvalFlags>();
    const request = await weightsRequest(flags, recipeFrom(command), FREE, 'evaluate');
    const figures = await evaluateWeights(request);
    const { model, attention, dataset } = request.recipe;
    if (figures.normalizationAssumed) {
      const { mean, std } = figures.normalization;
      tell(
        `fovea: ${request.weights} is not of a run of Fovea, so nothing tells how its images were normalised. ` +
          `Those of ${dataset} were used, --mean ${mean.join(',')} --std ${std.join(',')}: say so if it was ` +
          'trained with others.\n',
      );
    }
    if (json) {
      printJson({ weights: request.weights, model, attention, dataset, ...figures });
      return;
    }
    const { loss, top1, top5, images } = figures;
    print(
      `${request.weights} on ${grouped(images)} validation images of ${dataset}\n` +
        `loss ${loss.toFixed(4)}  top-1 ${top1.toFixed(2)} %  top-5 ${top5.toFixed(2)} %\n`,
    );
  });
}
