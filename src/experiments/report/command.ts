/** The command that makes a comparison again. */
import { makeRecipe } from '../../training/recipe.js';
import type { CompareSettings } from '../settings.js';

type Options = Readonly<Record<string, unknown>>;

/** Settings that are said together with another one, or left to whoever runs the command. */
const ELSEWHERE = ['data', 'imports', 'taskOptions', 'modelOptions', 'attentionOptions', 'stages'];

/**
 * `fovea compare` with every setting that is not a default. Where the data lie is left to whoever
 * runs it: only that they are needed is said.
 */
export function commandOf({ axis, variants, seeds, recipe }: CompareSettings): string {
  const {
    task,
    taskOptions,
    model,
    modelOptions,
    attention,
    attentionOptions = {},
    stages,
  } = recipe;
  const said = {
    ...recipe,
    task: withOptions(task, taskOptions),
    model: withOptions(model, modelOptions),
    attention:
      attention === undefined
        ? undefined
        : withOptions(attention, attentionOptions) + (stages ? `@${stages.join('+')}` : ''),
  };
  const defaults: Options = makeRecipe({});
  // Data and model are named even where they are the defaults: they are what a reader looks for.
  const isNamed = (name: string): boolean => name === 'model' || name === 'dataset';
  const flags = Object.entries(said).flatMap(([name, value]) => {
    if (ELSEWHERE.includes(name) || value === undefined) return [];
    const isDefault = JSON.stringify(value) === JSON.stringify(defaults[name]);
    return isDefault && !isNamed(name) ? [] : [flagOf(name, value)];
  });
  return [
    'fovea compare',
    ...recipe.imports.map((path) => `--import ${shellWord(moduleName(path))}`),
    `--${axis} ${shellWord(variants.map(({ label }) => label).join(','))}`,
    `--seeds ${seedFlag(seeds)}`,
    ...flags,
    ...(recipe.data === undefined ? [] : ['--data data']),
  ].join(' ');
}

function flagOf(name: string, value: unknown): string {
  const flag = kebab(name);
  if (value === true) return `--${flag}`;
  // Flags that are on by default are turned off by their negation.
  if (value === false || (name === 'augment' && JSON.stringify(value) === '[]')) {
    return `--no-${flag}`;
  }
  if (name === 'augment') return `--${flag} ${shellWord(augmentText(value))}`;
  return `--${flag} ${shellWord(listText(value, name === 'size' ? 'x' : ','))}`;
}

/** A module without the folders that only this machine has; packages keep their names. */
function moduleName(path: string): string {
  return /^(\/|[A-Za-z]:\\)/.test(path) ? `./${path.split(/[/\\]/).at(-1) ?? ''}` : path;
}

/** `randomCrop:padding=4,flip` */
function augmentText(list: unknown): string {
  return (list as CompareSettings['recipe']['augment'])
    .map(({ name, options }) => withOptions(name, options))
    .join(',');
}

/** `cbam:ratio=8`, with lists as `2+3`. */
function withOptions(id: string, options: Options): string {
  const pairs = Object.entries(options).map(([name, value]) => `:${name}=${listText(value, '+')}`);
  return id + pairs.join('');
}

function listText(value: unknown, between: string): string {
  return Array.isArray(value) ? value.join(between) : String(value);
}

/** Quoted, where a shell would read something else. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Seeds 1 to n are asked for by their number. */
function seedFlag(seeds: readonly number[]): string {
  return seeds.every((seed, i) => seed === i + 1) ? String(seeds.length) : seeds.join(',');
}

/** `batchSize` as `batch-size`. */
function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
