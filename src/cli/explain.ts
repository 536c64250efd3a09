import { Command, InvalidArgumentError, Option } from 'commander';
import { RequestError } from '../errors.js';
import type { Explanation } from '../explain/explanation.js';
import { explainRun } from '../explain/node/explain.js';
import type { Place } from '../explain/views.js';
import type { Recipe } from '../training/recipe.js';
import { EXIT, number, printJson, table, whole, wholeList } from './command.js';
import { filesOf, type FileKind } from './files.js';
import {
  addNormalizationOptions,
  normalizationFrom,
  type NormalizationFlags,
} from './normalization-options.js';
import { print, tell } from './output.js';
import { addDeviceOption } from './recipe-options.js';

interface ExplainFlags extends NormalizationFlags {
  readonly run?: string;
  readonly checkpoint: 'best' | 'last';
  readonly images?: readonly string[];
  readonly dataset?: readonly number[] | true;
  readonly count: number;
  readonly data?: string;
  readonly layers?: readonly string[];
  readonly query?: readonly Place[];
  readonly localise: number;
  readonly output?: string;
  readonly device: Recipe['device'];
  readonly json?: boolean;
}

const IMAGES: FileKind = {
  what: 'image',
  extensions: ['png', 'jpg', 'jpeg', 'webp'],
};

export function explainCommand(): Command {
  const command = new Command('explain')
    .summary('what a trained network looks at, as pictures')
    .description(
      'Draw what the network of a run looks at: spatial gates, rows of attention and Grad-CAM ' +
        'over images (PNG), channel gates as bars (SVG), and a page with all of them. Where the ' +
        'data set knows its objects (shapes), also score whether the maps find them.',
    )
    .usage('--run <folder> [--images <file...> | --dataset [indices]] [options]')
    .optionsGroup('What to look at:')
    .option('--run <folder>', 'a run of `fovea train` or `fovea compare`')
    .addOption(
      new Option('--checkpoint <which>', 'which weights of the run')
        .choices(['best', 'last'])
        .default('best'),
    )
    .option('--images <file...>', 'PNG, JPEG or WebP files, folders of them, or\nquoted patterns')
    .option(
      '--dataset [indices]',
      "some of the run's validation images, as 0,3,17\n(default: the first --count)",
      wholeList(),
    )
    .option('--count <n>', 'how many of them', whole(1), 8)
    .option('--data <path>', 'where the data set is, if not where the run had it');
  addNormalizationOptions(command)
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
    .option('--localise <n>', 'score so many validation images, 0 for none', whole(0), 200)
    .optionsGroup('Options:')
    .option('--output <folder>', "where to write (default: explanation in the run's folder)");
  addDeviceOption(command).option('--json', 'print what index.json says');
  return command.action(async () => {
    const { run, images, dataset, count, query, json, device, mean, std, ...flags } =
      command.opts<ExplainFlags>();
    if (run === undefined) throw new RequestError('Say which run to look into: --run FOLDER.');
    if (images !== undefined && dataset !== undefined) {
      throw new RequestError(
        'Say which images to look at: either --images or --dataset, not both.',
      );
    }
    const indices = Array.isArray(dataset) ? (dataset as number[]) : undefined;
    const explanation = await explainRun(run, {
      ...flags,
      images:
        (images && (await filesOf(images, IMAGES))) ??
        indices ??
        Array.from({ length: count }, (_, i) => i),
      ...(query && { queries: query }),
      ...normalizationFrom({ ...(mean && { mean }), ...(std && { std }) }),
      ...(command.getOptionValueSource('device') === 'cli' && { device }),
    });
    if (json) printJson(explanation);
    else print(said(explanation, flags.output ?? `${run}/explanation`));
    for (const problem of explanation.problems ?? []) tell(`fovea: ${problem}\n`);
    if (explanation.problems) process.exitCode = EXIT.badRequest;
  });
}

/** A parser for commander: one more `row,column`. */
function places(text: string, before: readonly Place[] = []): Place[] {
  const [row, column, ...more] = text.split(',').map(number(0, 1));
  if (row === undefined || column === undefined || more.length > 0) {
    throw new InvalidArgumentError('Expected row and column as fractions, as 0.5,0.5.');
  }
  return [...before, [row, column]];
}

function said({ images, maps, gates, localisation }: Explanation, folder: string): string {
  const ownMaps = maps.some(({ kind }) => kind !== 'grad-cam');
  const nothing = 'The network shows no maps or gates of its own, so there is only Grad-CAM.\n';
  return (
    table([
      ['image', 'class', 'predicted', 'probability'],
      ...images.map(({ label, class: known, predicted, probability }) => [
        label,
        known === '' ? '-' : known,
        predicted,
        `${(100 * probability).toFixed(1)} %`,
      ]),
    ]) +
    (ownMaps || gates.length > 0 ? '' : `\n${nothing}`) +
    (localisation ? `\n${scores(localisation)}` : '') +
    `\n${maps.length} maps and ${gates.length} gates: open ${folder}/index.html\n`
  );
}

function scores(localisation: NonNullable<Explanation['localisation']>): string {
  const [first] = localisation;
  return (
    table([
      ['map', 'pointing game', 'energy on the object'],
      ...localisation.map(({ module, name, kind, pointing, energy }) => [
        kind === 'grad-cam' ? 'Grad-CAM' : `${module}.${name}`,
        pointing.toFixed(3),
        energy.toFixed(3),
      ]),
    ]) +
    `Means over ${first?.images ?? 0} validation images; an even map scores ${(first?.share ?? 0).toFixed(3)} in both.\n`
  );
}
