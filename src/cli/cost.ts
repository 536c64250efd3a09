import { Command } from 'commander';
import { cost, layerCosts } from '../inspect/cost.js';
import { formatShape } from '../tensor/shape.js';
import { importModules, modelOf, taskOf } from '../training/node/from-recipe.js';
import { makeRecipe } from '../training/recipe.js';
import { grouped, imageShape, printJson, table, whole } from './command.js';
import { print } from './output.js';
import { addModelOptions, recipeFrom } from './recipe-options.js';

interface CostFlags {
  readonly input: readonly number[];
  readonly classes: number;
  readonly json?: boolean;
}

export function costCommand(): Command {
  const command = new Command('cost')
    .summary('parameters and multiply-adds of a model, by layer')
    .description('Parameters and multiply-adds of a model for one image, layer by layer.');
  addModelOptions(command)
    .optionsGroup('Options:')
    .option('--input <c,h,w>', 'size of an image', imageShape, [3, 32, 32])
    .option('--classes <n>', 'classes that it tells apart', whole(1), 100)
    .option('--json', 'print it as JSON');
  return command.action(async () => {
    const { input, classes, json } = command.opts<CostFlags>();
    const recipe = makeRecipe(recipeFrom(command));
    const [channels = 1, height = 1, width = 1] = input;
    await importModules(recipe.imports);
    const names = Array.from({ length: classes }, (_, k) => String(k));
    const model = modelOf(recipe, taskOf(recipe), {
      name: '',
      classes: names,
      pixelClasses: names,
      channels,
      height,
      width,
      normalization: { mean: [], std: [] },
    });
    const total = cost(model, input);
    const layers = layerCosts(model, input);
    const { model: id, attention, placement, stages } = recipe;
    if (json) {
      printJson({ model: id, attention, placement, stages, classes, input, ...total, layers });
      return;
    }
    print(
      table([
        ['layer', 'parameters', 'multiply-adds', 'output', 'type'],
        ...layers.map(({ path, parameters, macs, output, type }) => [
          path,
          parameters,
          macs,
          formatShape(output),
          type,
        ]),
      ]) +
        `\n${id}, ${attention === 'none' ? 'no attention' : attention}: ${grouped(total.parameters)} parameters, ` +
        `${grouped(total.macs)} multiply-adds for an image ${formatShape(input)}\n`,
    );
  });
}
