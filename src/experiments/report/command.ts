/** The command that makes a comparison again. */
import { makeRecipe } from '../../training/recipe.js';
import type { CompareSettings } from '../settings.js';

/**
 * `fovea compare` with every setting that is not a default. Where the data lie is left to whoever
 * runs it: only that they are needed is said.
 */
export function commandOf({ variants, seeds, recipe }: CompareSettings): string {
  const defaults: Readonly<Record<string, unknown>> = makeRecipe({});
  const flags = Object.entries(recipe).flatMap(([name, value]) => {
    if (name === 'data' || JSON.stringify(value) === JSON.stringify(defaults[name])) return [];
    // Flags that are on by default are turned off by their negation.
    if (value === false) return [`--no-${kebab(name)}`];
    if (value === true) return [`--${kebab(name)}`];
    return [`--${kebab(name)} ${Array.isArray(value) ? value.join(',') : String(value)}`];
  });
  // Data and model are named even where they are the defaults: they are what a reader looks for.
  const named = [
    ...(recipe.model === defaults['model'] ? [`--model ${recipe.model}`] : []),
    ...(recipe.dataset === defaults['dataset'] ? [`--dataset ${recipe.dataset}`] : []),
  ];
  const where = recipe.data === undefined ? [] : ['--data data'];
  const labels = variants.map(({ label }) => label).join(',');
  return [
    `fovea compare --attention ${labels} --seeds ${seedFlag(seeds)}`,
    ...named,
    ...flags,
    ...where,
  ].join(' ');
}

/** Seeds 1 to n are asked for by their number. */
function seedFlag(seeds: readonly number[]): string {
  return seeds.every((seed, i) => seed === i + 1) ? String(seeds.length) : seeds.join(',');
}

/** `batchSize` as `batch-size`. */
function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
