/** What a person types: grammars of the command line, and recipes. */
import { CommanderError } from 'commander';
import { attention } from '../../../src/attention/index.js';
import { imageShape, number, settings, whole, wholeList } from '../../../src/cli/command.js';
import { makeSettings, parseVariants, plannedRuns } from '../../../src/experiments/settings.js';
import { selectNames } from '../../../src/globs.js';
import { suggestion } from '../../../src/suggest.js';
import { imagesLike } from '../../../src/testing/data-info.js';
import { modelOf, taskOf } from '../../../src/training/node/from-recipe.js';
import {
  makeRecipe,
  optimizerOf,
  scheduleOf,
  type RecipeInput,
} from '../../../src/training/recipe.js';
import { nameMaps, renameState } from '../../../src/weights/names.js';
import { encode } from '../mutations/bytes.js';
import { mutateJson, mutateText } from '../mutations/text.js';
import type { Reader } from '../reader.js';

const text = (input: Uint8Array): string => new TextDecoder().decode(input);

/** Commander prints these itself, as what is wrong with a flag. */
const accepts = (error: unknown): boolean => error instanceof CommanderError;

const IDS = attention.list().map(({ id }) => id);
const SPEC_WORDS = [
  ...IDS,
  ':',
  '@',
  '=',
  ',',
  '+',
  'ratio=8',
  'kernelSize=5',
  '@2+3',
  'true',
  'none',
];

const PARSERS = [whole(0), number(0), number(0, 1), wholeList(1), imageShape, settings];

export const wordsReaders: readonly Reader[] = [
  {
    name: 'attention-list',
    what: '--attention of compare: none,cbam:ratio=8@3',
    seeds: () => [
      encode('none,se,cbam:ratio=8:kernelSize=5,sagan@3'),
      encode('non-local:subSample=true@2+3,eca'),
    ],
    mutations: [mutateText(SPEC_WORDS)],
    read: (input) => {
      const variants = parseVariants(text(input));
      return plannedRuns(makeSettings({ variants, seeds: [1, 2], recipe: {} }));
    },
  },
  {
    name: 'attention-options',
    what: '--attention with --attention-options, and the mechanism made of it',
    seeds: () =>
      attention.list().map(({ id, options }) => {
        const given = Object.entries(options).map(
          ([name, { default: value }]) => `${name}=${String(value)}`,
        );
        return encode(`${id} ${given.join(',')}`);
      }),
    mutations: [mutateText(['=', ',', 'true', '1', '0', '16', '3'])],
    blind: false,
    accepts,
    read: (input) => {
      const [id = '', ...options] = text(input).split(' ');
      const given = options.length === 0 ? {} : settings(options.join(' '));
      return attention.get(id).create(8, given).parameterCount();
    },
  },
  {
    name: 'values',
    what: 'numbers, lists and NAME=VALUE pairs on the command line',
    seeds: () => ['8', '0.5', '80,120', '3,32,32', 'ratio=8,bias=false'].map(encode),
    mutations: [mutateText([',', '=', '1', '0.1', 'true'])],
    accepts,
    read: (input) => {
      for (const parse of PARSERS) {
        try {
          parse(text(input));
        } catch (error) {
          if (!accepts(error)) throw error;
        }
      }
    },
  },
  {
    name: 'globs',
    what: 'patterns of --layers, against names that may come from a file',
    seeds: () => ['layer3.*.spatial\nlayer3.0.attention.spatial\nlayer1.0', '*\na'].map(encode),
    mutations: [mutateText(['*', '.', '\n', '**', 'layer', '[', '(', '\\'])],
    read: (input) => {
      const [pattern = '', ...names] = text(input).split('\n');
      return selectNames(names, [pattern], 'inner map');
    },
  },
  {
    name: 'suggestions',
    what: 'the nearest names to one that is not known',
    seeds: () => ['cbamm', 'resnet19', 'cifar-10'].map(encode),
    mutations: [mutateText(IDS)],
    read: (input) => suggestion(text(input), IDS),
  },
  {
    name: 'names',
    what: "a file's names under the name maps",
    seeds: () => ['module.conv1.0.weight\nmodule.linear.bias\nconv1.1.weight\nfc.0'].map(encode),
    mutations: [mutateText(['.', '\n', 'module', 'fc.0', 'conv1.0', 'classifer'])],
    read: (input) => {
      const state = new Map(
        text(input)
          .split('\n')
          .map((name, i): [string, number] => [name, i]),
      );
      for (const map of Object.values(nameMaps)) renameState(state, map);
    },
  },
  {
    name: 'recipe',
    what: 'a recipe, with its optimiser and schedule',
    seeds: () => [encode(JSON.stringify(makeRecipe({ milestones: [3, 4], stages: [1] })))],
    mutations: [mutateJson],
    blind: false,
    read: (input) => {
      const recipe = makeRecipe(parsed(input));
      optimizerOf(recipe);
      return scheduleOf(recipe);
    },
  },
  {
    name: 'model',
    slow: true,
    what: 'a recipe, and the model of it',
    seeds: () =>
      IDS.map((id) => {
        const options = Object.fromEntries(
          Object.entries(attention.get(id).options).map(([name, info]) => [name, info.default]),
        );
        const recipe = { model: 'resnet20', attention: id, attentionOptions: options, stages: [3] };
        return encode(JSON.stringify(recipe));
      }),
    mutations: [mutateJson],
    blind: false,
    read: (input) => {
      const recipe = makeRecipe(parsed(input));
      return modelOf(recipe, taskOf(recipe), imagesLike([3, 32, 32]));
    },
  },
];

/** JSON as settings; what is none as settings of another kind, which a schema refuses. */
function parsed(input: Uint8Array): RecipeInput {
  try {
    return JSON.parse(text(input)) as RecipeInput;
  } catch {
    return {};
  }
}
