import { Command } from 'commander';
import { picturesDataset } from '../data/node/pictures-dataset.js';
import type { DataInfo, Dataset } from '../data/dataset.js';
import { RequestError } from '../errors.js';
import { ExportedModel } from '../explain/exported-model.js';
import { MaskFiles } from '../explain/node/mask-files.js';
import { readFileChecked } from '../formats/node/files.js';
import { createRuntime } from '../runtime/node/create.js';
import type { Runtime } from '../runtime/runtime.js';
import { predict, type Prediction } from '../training/evaluate.js';
import { runtimeOf } from '../training/node/from-recipe.js';
import { trainedModel } from '../training/node/trained.js';
import type { Recipe, RecipeInput } from '../training/recipe.js';
import { EXIT, whole } from './command.js';
import { filesOf, PICTURES } from './files.js';
import { normalizationFrom } from './normalization-options.js';
import { print, tell } from './output.js';
import { answerOf, csvForm, jsonForm, textForm, type AnswerForm } from './predictions.js';
import {
  addDatasetOption,
  addDeviceOption,
  addModelOptions,
  flagOf,
  recipeFrom,
} from './recipe-options.js';
import {
  addClassesOption,
  addWeightsOptions,
  tellAssumed,
  weightsRequest,
  type WeightsFlags,
} from './weights-options.js';

interface PredictFlags extends WeightsFlags {
  readonly onnx?: string;
  readonly device: Recipe['device'];
  readonly top: number;
  readonly output?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
}

/** A model that answers, wherever it is from. */
interface Predictor {
  /** Its file. */
  readonly weights: string;
  readonly task: string | undefined;
  /** What its images are like. */
  readonly info: DataInfo;
  /** Names of what it tells apart. */
  readonly classes: readonly string[];
  readonly predict: (dataset: Dataset) => AsyncIterable<Prediction>;
  readonly close: () => Promise<void>;
}

/** What may be said of a run's model besides: where it computes, and where its data are, which are not read. */
const FREE = ['device', 'data'];

export function predictCommand(): Command {
  const command = new Command('predict')
    .summary('what a trained model says of pictures')
    .description(
      'What a trained model says of pictures: the most probable classes; of a segmentation ' +
        'network, how much of the picture each class covers, and masks; of contrastive learning, ' +
        'features. The model is of a run, of a file of weights, or an exported ONNX file.',
    )
    .usage(
      '--run <folder> [options] <image...>\n' +
        '       fovea predict --onnx <file> [options] <image...>\n' +
        '       fovea predict --model <id> --weights <file> [options] <image...>',
    )
    .argument('<image...>', 'PNG, JPEG or WebP files, folders of them, or quoted patterns')
    .optionsGroup('Whose model:')
    .option('--onnx <file>', 'a file of `fovea export`, or another that takes images');
  const described = addModelOptions(addWeightsOptions(command)).optionsGroup('Data:');
  addClassesOption(addDatasetOption(described))
    .option('--data <path>', "the data set's folder, archive or file")
    .optionsGroup('Options:')
    .option('--top <n>', 'how many classes are named', whole(1), 5)
    .option('--output <folder>', 'segmentation: where a mask of each picture is written')
    .option('--csv', 'print a table')
    .option('--json', 'print JSON');
  addDeviceOption(command);
  return command.action(async (images: readonly string[]) => {
    const flags = command.opts<PredictFlags>();
    if (flags.json && flags.csv) {
      throw new RequestError('Say how to print the predictions: either --json or --csv, not both.');
    }
    const files = await filesOf(images, PICTURES);
    const predictor = await open(flags, recipeFrom(command));
    try {
      await answer(predictor, files, flags);
    } finally {
      await predictor.close();
    }
  });
}

/** The model that the flags ask for. */
async function open(flags: PredictFlags, given: RecipeInput): Promise<Predictor> {
  if (flags.onnx !== undefined) return openExported(flags.onnx, flags, given);
  const request = await weightsRequest(flags, given, FREE, 'predict with');
  const trained = await trainedModel(request);
  tellAssumed(request, trained);
  const { task, model, info, recipe } = trained;
  const runtime = await runtimeOf(recipe);
  return {
    weights: request.weights,
    task: task.id,
    info,
    classes: task.classes(info),
    predict: (dataset) => predict(model, dataset, { task, runtime }),
    close: () => runtime.close(),
  };
}

async function openExported(
  file: string,
  { run, weights, names, prefix, part, leaveOut, mean, std, classes, device }: PredictFlags,
  given: RecipeInput,
): Promise<Predictor> {
  const others = { run, weights, names, prefix, part, leaveOut, ...given };
  const unused = Object.entries(others)
    .filter(([name, value]) => value !== undefined && name !== 'device')
    .map(([name]) => flagOf(name === 'imports' ? 'import' : name));
  if (unused.length > 0) {
    throw new RequestError(`An ONNX file is whole: leave out ${unused.join(' and ')}.`);
  }
  const bytes = await readFileChecked(file);
  const runtime: Runtime = await createRuntime(device);
  try {
    const model = await ExportedModel.load(runtime, bytes, {
      source: file,
      ...normalizationFrom({ ...(mean && { mean }), ...(std && { std }) }),
      ...(classes && { classes }),
    });
    return {
      weights: file,
      task: model.task,
      info: model.info,
      classes: model.info.classes,
      predict: (dataset) => model.predict(dataset),
      close: () => runtime.close(),
    };
  } catch (error) {
    await runtime.close();
    throw error;
  }
}

/** Asks the model, and prints what it says. */
async function answer(
  { weights, task, info, classes, predict: ask }: Predictor,
  files: readonly string[],
  { top, output, json, csv }: PredictFlags,
): Promise<void> {
  const problems = new Map<number, string>();
  const dataset = picturesDataset(files, info, {
    onBroken: (index, { message }) => problems.set(index, message),
  });
  const masks = output === undefined ? undefined : await MaskFiles.in(output, files);
  const form: AnswerForm = json
    ? jsonForm({ weights, task: task ?? null, classes })
    : csv
      ? csvForm()
      : textForm(files);
  print(form.begin());
  for await (const { index, values } of ask(dataset)) {
    if (problems.has(index)) continue;
    const one = await answerOf(files[index] ?? '', values, {
      classes,
      top,
      writeMask: masks && ((mask) => masks.write(index, mask)),
    });
    print(form.line(one));
  }
  print(form.end([...problems.values()]));
  for (const problem of problems.values()) tell(`fovea: ${problem}\n`);
  if (problems.size > 0) process.exitCode = EXIT.badRequest;
}
