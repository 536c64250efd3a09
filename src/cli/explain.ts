import { Command, InvalidArgumentError } from 'commander';
import { RequestError } from '../errors.js';
import type { Explanation } from '../explain/explanation.js';
import { explainWeights } from '../explain/node/explain.js';
import type { Place } from '../explain/views.js';
import { EXIT, number, printJson, table, whole, wholeList } from './command.js';
import { filesOf, PICTURES } from './files.js';
import { print, tell } from './output.js';
import { addDataOptions, addDeviceOption, addModelOptions, recipeFrom } from './recipe-options.js';
import {
  addClassesOption,
  addWeightsOptions,
  weightsRequest,
  type WeightsFlags,
} from './weights-options.js';

interface ExplainFlags extends WeightsFlags {
  readonly images?: readonly string[];
  readonly indices?: readonly number[];
  readonly dataset: string;
  readonly count: number;
  readonly layers?: readonly string[];
  readonly query?: readonly Place[];
  readonly localise?: number | true;
  readonly output?: string;
  readonly json?: boolean;
}

/** Images that are scored if nobody says how many. */
const SCORED = 200;

/** What may differ from the recipe of a run without making another network or task of it. */
const FREE = ['data', 'limitVal', 'device', 'skipBroken'];

export function explainCommand(): Command {
  const command = new Command('explain')
    .summary('what a trained network looks at, as pictures')
    .description(
      'Draw what a trained network looks at: spatial gates, rows of attention and Grad-CAM over ' +
        'the whole picture (PNG), channel gates as bars (SVG), of a segmentation network its masks ' +
        'beside the true ones, and a page with all of them.',
    )
    .usage(
      '--run <folder> [--images <file...>] [options]\n' +
        '       fovea explain --model <id> --weights <file> --images <file...> [options]',
    )
    .optionsGroup('Whose network:');
  addClassesOption(addDataOptions(addModelOptions(addWeightsOptions(command))))
    .optionsGroup('What to look at:')
    .option('--images <file...>', 'PNG, JPEG or WebP files, folders of them, or\nquoted patterns')
    .option(
      '--indices <list>',
      'some of the validation images, as 0,3,17\n(default: the first --count)',
      wholeList(),
    )
    .option('--count <n>', 'how many of them, at most', whole(1), 8)
    .optionsGroup('What to draw:')
    .option(
      '--layers <pattern...>',
      "maps and gates by name, * for anything, as\n'layer3.*' or '*.spatial' (default: all)",
    )
    .option(
      '--query <row,column...>',
      'places whose attention is drawn, as fractions\n(default: 0.5,0.5 0.25,0.25 0.75,0.75)',
      places,
    )
    .option(
      '--localise [n]',
      `also score whether the maps find the objects, by their masks, on n validation images (${SCORED} if no number is given)`,
      whole(0),
    )
    .optionsGroup('Options:')
    .option(
      '--output <folder>',
      "where to write (default: explanation, in the run's\nfolder if there is one)",
    );
  addDeviceOption(command).option('--json', 'print what index.json says');
  return command.action(async () => {
    const indices = numbersAsDataset(command);
    const { images, count, query, localise, layers, output, json, ...flags } =
      command.opts<ExplainFlags>();
    if (images !== undefined && indices !== undefined) {
      throw new RequestError(
        'Say which images to look at: either --images or --indices, not both.',
      );
    }
    const chosen = (images && (await filesOf(images, PICTURES))) ?? indices;
    const request = await weightsRequest(flags, recipeFrom(command), FREE, 'look into');
    const folder = output ?? (flags.run === undefined ? 'explanation' : `${flags.run}/explanation`);
    const explanation = await explainWeights(request, {
      output: folder,
      count,
      localise: localise === true ? SCORED : (localise ?? 0),
      ...(chosen && { images: chosen }),
      ...(layers && { layers }),
      ...(query && { queries: query }),
    });
    if (json) printJson(explanation);
    else print(said(explanation, folder));
    for (const problem of explanation.problems ?? []) tell(`fovea: ${problem}\n`);
    if (explanation.problems) process.exitCode = EXIT.badRequest;
  });
}

/**
 * The images that are asked for by number: by `--indices`, or as it was before there was that flag by
 * `--dataset 0,3,17`, which is no name of a data set.
 */
function numbersAsDataset(command: Command): readonly number[] | undefined {
  const { dataset, indices } = command.opts<ExplainFlags>();
  if (indices !== undefined || !/^\d+(,\d+)*$/.test(dataset)) return indices;
  command.setOptionValueWithSource('dataset', dataset, 'default');
  return wholeList()(dataset);
}

/** A parser for commander: one more `row,column`. */
function places(text: string, before: readonly Place[] = []): Place[] {
  const [row, column, ...more] = text.split(',').map(number(0, 1));
  if (row === undefined || column === undefined || more.length > 0) {
    throw new InvalidArgumentError('Expected row and column as fractions, as 0.5,0.5.');
  }
  return [...before, [row, column]];
}

function said({ images, maps, masks, gates, localisation }: Explanation, folder: string): string {
  const hasGradCam = maps.some(({ kind }) => kind === 'grad-cam');
  const ownMaps = maps.some(({ kind }) => kind !== 'grad-cam');
  const nothing = `The network shows no maps or gates of its own${hasGradCam ? ', so there is only Grad-CAM' : ', and there is no Grad-CAM of what it does'}.\n`;
  const predicts = images.some(({ predicted }) => predicted !== '');
  const drawn = [
    `${maps.length} maps`,
    ...(masks ? [`${masks.length} masks`] : []),
    `${gates.length} gates`,
  ];
  return (
    table([
      ['image', 'class', ...(predicts ? ['predicted', 'probability'] : [])],
      ...images.map(({ label, class: known, predicted, probability }) => [
        label,
        known === '' ? '-' : known,
        ...(predicts ? [predicted, percent(probability)] : []),
      ]),
    ]) +
    (ownMaps || gates.length > 0 ? '' : `\n${nothing}`) +
    (localisation ? `\n${scores(localisation)}` : '') +
    `\n${drawn.slice(0, -1).join(', ')} and ${drawn.at(-1) ?? ''}: open ${folder}/index.html\n`
  );
}

function percent(share: number | undefined): string {
  return share === undefined ? '-' : `${(100 * share).toFixed(1)} %`;
}

function scores(localisation: NonNullable<Explanation['localisation']>): string {
  const [first] = localisation;
  if (first === undefined) return 'There is no map that could be scored.\n';
  return (
    table([
      ['map', 'pointing game', 'energy on the object'],
      ...localisation.map(({ module, name, kind, pointing, energy }) => [
        kind === 'grad-cam' ? 'Grad-CAM' : `${module}.${name}`,
        pointing.toFixed(3),
        energy.toFixed(3),
      ]),
    ]) +
    `Means over ${first.images} validation images; an even map scores ${first.share.toFixed(3)} in both.\n`
  );
}
