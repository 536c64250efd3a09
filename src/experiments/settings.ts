/**
 * The settings of a comparison: which mechanisms, how many seeds, and the recipe that all runs share.
 * A comparison's compare.json is such settings, whole.
 */
import { z } from 'zod';
import { parseChoice } from '../attention/choice.js';
import { RequestError } from '../errors.js';
import { checkSettings, makeRecipe, recipeSchema, type Recipe } from '../training/recipe.js';

/** What is compared against: the network without attention. */
export const BASELINE = 'none';

const variantSchema = z.strictObject({
  /** What tables and folders call it: as it was asked for, `sagan@3` say. */
  label: z.string().min(1),
  /** The mechanism's id, or 'none'. */
  attention: z.string(),
  attentionOptions: recipeSchema.shape.attentionOptions,
  stages: recipeSchema.shape.stages,
});

/** One line of a comparison: a mechanism with its options and stages. */
export type Variant = z.output<typeof variantSchema>;

/** What all runs share: everything but the mechanism, the seed, and what a run meets on its way. */
export const sharedRecipeSchema = recipeSchema.omit({
  attention: true,
  attentionOptions: true,
  stages: true,
  seed: true,
  changes: true,
});

/** What may be given of it; the rest has defaults. */
export type SharedRecipeInput = z.input<typeof sharedRecipeSchema>;

const settingsSchema = z.strictObject({
  variants: z.array(variantSchema).min(1),
  seeds: z.array(z.int().min(0)).min(1),
  /** Everything else of every run. */
  recipe: sharedRecipeSchema,
});

/** Complete settings. */
export type CompareSettings = z.output<typeof settingsSchema>;

/** One run of a comparison. */
export interface PlannedRun {
  readonly variant: Variant;
  readonly seed: number;
  /** Of its folder, inside the comparison's `runs`. */
  readonly name: string;
  readonly recipe: Recipe;
}

/**
 * Reads settings, as from compare.json.
 * @throws RequestError naming what is wrong
 */
export function makeSettings(value: unknown): CompareSettings {
  return checkSettings(settingsSchema, value);
}

/**
 * Reads a list of mechanisms, each as {@link parseChoice} has it: `none,se,cbam:ratio=8:kernel=5,sagan@3`.
 * The baseline is put first if it is not in the list.
 * @throws RequestError for what cannot be read, and for one that occurs twice
 */
export function parseVariants(text: string): Variant[] {
  const labels = text
    .split(',')
    .map((label) => label.trim())
    .filter((label) => label !== '');
  const twice = labels.find((label, i) => labels.indexOf(label) !== i);
  if (twice !== undefined) throw new RequestError(`'${twice}' is to be compared with itself.`);
  return (labels.includes(BASELINE) ? labels : [BASELINE, ...labels]).map(parseVariant);
}

function parseVariant(label: string): Variant {
  const { id, options, stages } = parseChoice(label);
  return {
    label,
    attention: id,
    attentionOptions: { ...options },
    ...(stages && { stages: [...stages] }),
  };
}

/**
 * All runs, seed by seed, so that a comparison that is stopped has whole pairs. Runs of one seed
 * share the order of the images, their crops and flips, and the initial values of every layer that
 * they have in common (all of them are keyed by the seed, values by the layer's name too), so that
 * their differences are paired.
 */
export function plannedRuns({ variants, seeds, recipe }: CompareSettings): PlannedRun[] {
  return seeds.flatMap((seed) =>
    variants.map((variant) => {
      const { label, attention, attentionOptions, stages } = variant;
      return {
        variant,
        seed,
        name: `${folderName(label)}-seed${seed}`,
        recipe: makeRecipe({
          ...recipe,
          attention,
          attentionOptions,
          ...(stages && { stages }),
          seed,
        }),
      };
    }),
  );
}

/** A label as part of a path: a colon is not allowed in one everywhere. */
function folderName(label: string): string {
  return label.replaceAll(':', '-').replaceAll(/[^\w.=@+-]/g, '_');
}

/** How settings differ, a line for each: `epochs: 10 there, 20 asked for`. */
export function differences(there: CompareSettings, asked: CompareSettings): string[] {
  // Settings of an older version do not say how many threads a run has: any number may.
  const { threads = asked.recipe.threads } = there.recipe;
  const [old, wanted] = [flat({ ...there, recipe: { ...there.recipe, threads } }), flat(asked)];
  const names = new Set([...Object.keys(old), ...Object.keys(wanted)]);
  return [...names].flatMap((name) =>
    old[name] === wanted[name]
      ? []
      : [`${name}: ${old[name] ?? 'not set'} there, ${wanted[name] ?? 'not set'} asked for`],
  );
}

function flat({ variants, seeds, recipe }: CompareSettings): Record<string, string> {
  // Where the data lie may change; what they are does not.
  const rest = Object.entries(recipe).filter(([name]) => name !== 'data');
  return {
    attention: variants.map(({ label }) => label).join(','),
    seeds: seeds.join(','),
    ...Object.fromEntries(
      rest.map(([name, value]) => [
        name,
        typeof value === 'string' ? value : JSON.stringify(value),
      ]),
    ),
  };
}
