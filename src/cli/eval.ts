import { Command } from 'commander';
import { nameOfClass } from '../explain/predicted.js';
import { evaluateWeights } from '../training/node/trained.js';
import { grouped, printJson, table } from './command.js';
import { figuresText } from './figures.js';
import { print } from './output.js';
import { addDataOptions, addDeviceOption, addModelOptions, recipeFrom } from './recipe-options.js';
import {
  addWeightsOptions,
  tellAssumed,
  weightsRequest,
  type WeightsFlags,
} from './weights-options.js';

interface EvalFlags extends WeightsFlags {
  readonly perClass?: boolean;
  readonly json?: boolean;
}

/** What may differ from the recipe of a run without making another network or task of it. */
const FREE = ['data', 'limitVal', 'device', 'skipBroken'];

export function evalCommand(): Command {
  const command = new Command('eval')
    .summary('loss and figures of a trained model')
    .description(
      "Loss and the task's figures on the validation images: of a run, or of a file of weights.",
    )
    .usage('--run <folder> [options]\n       fovea eval --model <id> --weights <file> [options]')
    .optionsGroup('What to evaluate:');
  addDataOptions(addModelOptions(addWeightsOptions(command)));
  addDeviceOption(command.optionsGroup('Options:'))
    .option('--per-class', "also print each class's figures")
    .option('--json', "print all figures, each class's too, as JSON");
  return command.action(async () => {
    const { perClass: withClasses, json, ...flags } = command.opts<EvalFlags>();
    const request = await weightsRequest(flags, recipeFrom(command), FREE, 'evaluate');
    const evaluated = await evaluateWeights(request);
    const { figures, confusion, examples, data, task, normalizationAssumed } = evaluated;
    const { model, attention, dataset } = request.recipe;
    tellAssumed(request, evaluated);
    const perClass = byClass(evaluated.perClass, task.classes(data));
    if (json) {
      printJson({
        weights: request.weights,
        model,
        attention,
        dataset,
        ...figures,
        images: examples,
        normalization: data.normalization,
        normalizationAssumed,
        classes: task.classes(data),
        perClass,
        ...(confusion && { confusion }),
      });
      return;
    }
    print(
      `${request.weights} on ${grouped(examples)} validation images of ${dataset}\n` +
        `${figuresText(figures, task.primary, '  ')}\n`,
    );
    if (withClasses) print(`\n${classTable(perClass, Object.keys(evaluated.perClass))}`);
  });
}

type ClassFigures = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Figures of each class by the class's name, in place of lists by the figure's. */
function byClass(
  figures: Readonly<Record<string, readonly number[]>>,
  classes: readonly string[],
): ClassFigures {
  const lists = Object.entries(figures);
  const count = Math.max(0, ...lists.map(([, values]) => values.length));
  return Object.fromEntries(
    Array.from({ length: count }, (_, k) => [
      nameOfClass(classes, k),
      Object.fromEntries(lists.map(([name, values]) => [name, values[k] ?? NaN])),
    ]),
  );
}

/** A class whose figure is no number did not occur. */
function classTable(perClass: ClassFigures, names: readonly string[]): string {
  if (names.length === 0) return 'The task has no figures of single classes.\n';
  const text = (value: number | undefined): string =>
    value === undefined || Number.isNaN(value) ? '-' : value.toFixed(2);
  return table([
    ['class', ...names],
    ...Object.entries(perClass).map(([name, figures]) => [
      name,
      ...names.map((one) => text(figures[one])),
    ]),
  ]);
}
