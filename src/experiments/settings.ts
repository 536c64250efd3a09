/**
 * The settings of a comparison: which variants of one part of the network, how many seeds, and the recipe
 * that all runs share. A comparison's compare.json is such settings, whole.
 */
import { z } from 'zod';
import { parseChoice } from '../attention/choice.js';
import { RequestError } from '../errors.js';
import { checkSettings, makeRecipe, recipeSchema, type Recipe } from '../training/recipe.js';

/** The parts of a network that a comparison can be about. */
export const AXES = {
  /** The mechanism in every residual block. */
  attention: {
    baseline: 'none',
    defaults: 'none,se,eca,cbam',
    title: 'Attention',
    noun: 'mechanism',
    settings: ['attention', 'attentionOptions', 'stages'],
  },
  /** In a network for segmentation: how maps of two scales become one. */
  fusion: {
    baseline: 'add',
    defaults: 'add,concat,gated-fusion,msaa',
    title: 'Fusion',
    noun: 'fusion',
    settings: ['fusion'],
  },
  /** In a network for segmentation: what makes logits of the last map. */
  head: {
    baseline: 'plain',
    defaults: 'plain,danet-head',
    title: 'Heads',
    noun: 'head',
    settings: ['head'],
  },
} as const;

/** Which part of the network is compared. */
export type Axis = keyof typeof AXES;

const { attention, attentionOptions, stages, fusion, head } = recipeSchema.shape;

/** What a recipe says of the parts that can be compared; nothing of it is there by default. */
const partsShape = {
  attention: attention.unwrap().optional(),
  attentionOptions: attentionOptions.unwrap().optional(),
  stages,
  fusion,
  head,
};

const variantSchema = z.strictObject({
  /** What tables and folders call it: as it was asked for, `sagan@3` say. */
  label: z.string().min(1),
  ...partsShape,
});

/** One line of a comparison: what its runs have of the part that is compared, as a recipe says it. */
export type Variant = z.output<typeof variantSchema>;

/** What all runs share: everything but the part that is compared, the seed, and what a run meets on its way. */
export const sharedRecipeSchema = recipeSchema
  .omit({ seed: true, changes: true, info: true })
  .extend(partsShape);

/** What may be given of it; the rest has defaults. */
export type SharedRecipeInput = z.input<typeof sharedRecipeSchema>;

const settingsSchema = z
  .strictObject({
    /** Which part of the network is compared. Comparisons of before 0.2 are all about attention. */
    axis: z.enum(['attention', 'fusion', 'head']).default('attention'),
    variants: z.array(variantSchema).min(1),
    seeds: z.array(z.int().min(0)).min(1),
    /** Everything else of every run. */
    recipe: sharedRecipeSchema,
  })
  .superRefine(({ axis, variants, recipe }, context) => {
    const own: readonly string[] = AXES[axis].settings;
    for (const name of AXES[axis].settings) {
      if (recipe[name] === undefined) continue;
      const message = `the ${axis} is what is compared: it belongs to the variants`;
      context.addIssue({ code: 'custom', path: ['recipe', name], message });
    }
    for (const [place, variant] of variants.entries()) {
      const said = partOf(variant);
      const other = Object.keys(said).find((name) => !own.includes(name));
      if (said[axis] !== undefined && other === undefined) continue;
      const message = `expected the ${axis}${other === undefined ? '' : `, and no ${other}`}`;
      context.addIssue({ code: 'custom', path: ['variants', place], message });
    }
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
 * Reads a list of variants, each as {@link parseChoice} has it: `none,se,cbam:ratio=8:kernel=5,sagan@3`.
 * The baseline of what is compared comes first, also if it is not in the list.
 * @throws RequestError for what cannot be read, and for one that occurs twice
 */
export function parseVariants(text: string, axis: Axis = 'attention'): Variant[] {
  const labels = labelsOf(text);
  const twice = labels.find((label, i) => labels.indexOf(label) !== i);
  if (twice !== undefined) throw new RequestError(`'${twice}' is to be compared with itself.`);
  const { baseline } = AXES[axis];
  const all = labels.includes(baseline) ? labels : [baseline, ...labels];
  return baselineFirst(all, baseline).map((label) => parseVariant(label, axis));
}

function parseVariant(label: string, axis: Axis): Variant {
  const { id, options, stages: where } = parseChoice(label);
  if (axis !== 'attention') return { label, [axis]: label };
  return {
    label,
    attention: id,
    attentionOptions: { ...options },
    ...(where && { stages: [...where] }),
  };
}

/** The parts of a network that a command names, each as a list. */
export type PartLists = Partial<Readonly<Record<Axis, string>>>;

/**
 * What a command compares: of the parts that it names, the one with several variants. The others are the
 * same in all runs.
 * @returns the axis and its variants, or neither where no part is named; and what belongs to the recipe
 * @throws RequestError if several parts have several variants, and for what cannot be read
 */
export function parseParts(lists: PartLists): {
  readonly compared?: { readonly axis: Axis; readonly variants: Variant[] };
  readonly recipe: SharedRecipeInput;
} {
  const named = (Object.keys(AXES) as Axis[]).flatMap((axis) => {
    const text = lists[axis];
    return text === undefined ? [] : [{ axis, text }];
  });
  const several = named.filter(({ text }) => labelsOf(text).length > 1);
  if (several.length > 1 || (several.length === 0 && named.length > 1)) {
    const flags = (several.length > 1 ? several : named).map(({ axis }) => `--${axis}`);
    throw new RequestError(
      `A comparison is about one part of the network, and ${flags.join(' and ')} name ${several.length > 1 ? 'several variants each' : 'one variant each'}. Give several variants of one part, and one of every other.`,
    );
  }
  const [chosen] = several.length > 0 ? several : named;
  const rest = named.filter((one) => one !== chosen);
  const recipe = rest.reduce<SharedRecipeInput>(
    (said, { axis, text }) => ({ ...said, ...partOf(parseVariant(text.trim(), axis)) }),
    {},
  );
  if (chosen === undefined) return { recipe };
  const { axis, text } = chosen;
  return { compared: { axis, variants: parseVariants(text, axis) }, recipe };
}

/** The id of what a variant has in the place that is compared: `cbam` of `cbam:ratio=8@3`. */
export function variantId({ attention: id, fusion: merging, head: top }: Variant): string {
  return id ?? parseChoice(merging ?? top ?? '').id;
}

/** What a variant says in a recipe. */
function partOf({ label: _, ...own }: Variant): Omit<Variant, 'label'> {
  return own;
}

function labelsOf(text: string): string[] {
  return text
    .split(',')
    .map((label) => label.trim())
    .filter((label) => label !== '');
}

function baselineFirst(labels: readonly string[], baseline: string): string[] {
  const others = labels.filter((label) => label !== baseline);
  return labels.includes(baseline) ? [baseline, ...others] : others;
}

/**
 * All runs, seed by seed, so that a comparison that is stopped has whole pairs. Runs of one seed
 * share the order of the images, their augmentation, and the initial values of every layer that
 * they have in common (all of them are keyed by the seed, values by the layer's name too), so that
 * their differences are paired.
 */
export function plannedRuns({ variants, seeds, recipe }: CompareSettings): PlannedRun[] {
  return seeds.flatMap((seed) =>
    variants.map((variant) => ({
      variant,
      seed,
      name: `${folderName(variant.label)}-seed${seed}`,
      recipe: makeRecipe({ ...recipe, ...partOf(variant), seed }),
    })),
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

function flat({ axis, variants, seeds, recipe }: CompareSettings): Record<string, string> {
  // Where the data lie may change; what they are does not.
  const rest = Object.entries(recipe).filter(
    ([name, value]) => name !== 'data' && value !== undefined,
  );
  const labels = variants.map(({ label }) => label);
  return {
    // A comparison of an older version may have its baseline in another place.
    [axis]: baselineFirst(labels, AXES[axis].baseline).join(','),
    seeds: seeds.join(','),
    ...Object.fromEntries(
      rest.map(([name, value]) => [
        name,
        typeof value === 'string' ? value : JSON.stringify(value),
      ]),
    ),
  };
}
