/**
 * The settings of a training run as plain values: the documents' recipe as the default, every number
 * replaceable. A run folder's config.json is such a recipe, whole.
 */
import { z } from 'zod';
import { RequestError } from '../errors.js';
import { standardAugmentation } from '../data/augmentations/index.js';
import type { DataInfo } from '../data/dataset.js';
import { MOST_THREADS } from '../runtime/engine.js';
import {
  adamw,
  constantRate,
  cosine,
  linearWarmup,
  multiStep,
  sgd,
  type Optimizer,
  type Schedule,
} from '../optim/index.js';

const count = z.int().min(1);
const rate = z.number().min(0);

/** Settings that were changed when a run went on, and the first step that was done with them. */
const changeSchema = z.strictObject({
  /** Both counted from 1. */
  epoch: count,
  step: count,
  lr: rate.optional(),
  gamma: rate.optional(),
  warmupEpochs: rate.optional(),
  epochs: count.optional(),
});

/** An augmentation by name. Recipes of before 0.2 say with a truth value whether there is the standard one. */
const augmentSchema = z
  .array(
    z.strictObject({ name: z.string(), options: z.record(z.string(), z.unknown()).default({}) }),
  )
  .or(z.boolean().transform((given) => (given ? STANDARD : [])));

const STANDARD = standardAugmentation().map(({ name, options }) => ({ name, options }));

/** Rows and columns; one number is both. */
const sizeSchema = z
  .tuple([count, count])
  .or(count.transform((side): [number, number] => [side, side]));

/** What a model must know of the images that it was trained on. */
const dataInfoSchema = z.strictObject({
  name: z.string(),
  classes: z.array(z.string()),
  pixelClasses: z.array(z.string()).optional(),
  channels: count,
  height: count,
  width: count,
  normalization: z.strictObject({ mean: z.array(z.number()), std: z.array(z.number()) }),
}) satisfies z.ZodType<DataInfo>;

/** A change of a run's settings on its way. */
export type Change = z.output<typeof changeSchema>;

export const recipeSchema = z.strictObject({
  /** Modules of one's own whose models, mechanisms, data sets and tasks the names below may mean. */
  imports: z.array(z.string()).default([]),
  /** What is learned. */
  task: z.string().default('classification'),
  /** Options of the task, by name. */
  taskOptions: z.record(z.string(), z.unknown()).default({}),
  /** One of `fovea list`. */
  model: z.string().default('resnet18'),
  /** Options of the model, by name. */
  modelOptions: z.record(z.string(), z.unknown()).default({}),
  /** Mechanism in every residual block; 'none' for the plain network. */
  attention: z.string().default('none'),
  /** Options of the mechanism, by name. */
  attentionOptions: z.record(z.string(), z.unknown()).default({}),
  /** Where in the block the mechanism stands. */
  placement: z.enum(['before-addition', 'after-addition']).default('before-addition'),
  /** Stages of the network whose blocks have the mechanism, counted from 1; default all. */
  stages: z.array(count).min(1).optional(),
  /** In a network for segmentation: how maps of two scales become one, as `msaa:ratio=4`. */
  fusion: z.string().optional(),
  /** In a network for segmentation: what makes logits of the last map. */
  head: z.string().optional(),
  dataset: z.string().default('cifar100'),
  /** Folder, archive or file of the data set; not needed by 'shapes'. */
  data: z.string().optional(),
  /** Height and width that images are brought to. Default: the data set's own. */
  size: sizeSchema.optional(),
  /** Channels that images are brought to. Default: the data set's own. */
  channels: z.union([z.literal(1), z.literal(3), z.literal(4)]).optional(),
  /** Share of the images of each class that are kept to validate on, in a data set without a split of its own. */
  validation: z.number().gt(0).lt(1).optional(),
  /** Whether pictures that cannot be read are left out. */
  skipBroken: z.boolean().default(false),
  /** Train on so many images, stratified over the classes. */
  limitTrain: count.optional(),
  /** Validate on so many images, stratified over the classes. */
  limitVal: count.optional(),
  epochs: count.default(160),
  batchSize: count.default(128),
  optimizer: z.enum(['sgd', 'adamw']).default('sgd'),
  lr: rate.default(0.1),
  momentum: rate.default(0.9),
  nesterov: z.boolean().default(false),
  weightDecay: rate.default(1e-4),
  schedule: z.enum(['multistep', 'cosine', 'constant']).default('multistep'),
  /** Epochs before which the rate is multiplied by gamma; default one half and three quarters of the epochs. */
  milestones: z.array(z.int().min(0)).optional(),
  gamma: rate.default(0.1),
  /** Epochs over which the rate rises from 0, step by step. */
  warmupEpochs: rate.default(1),
  labelSmoothing: z.number().min(0).max(1).default(0),
  /** What happens to training images, in this order; default a random crop with padding 4, and a flip. */
  augment: augmentSchema.default(STANDARD),
  /** Whether the last batch of an epoch is left out if it is smaller than the others. */
  dropLast: z.boolean().default(false),
  /** The most that the common norm of all gradients may be. */
  clipNorm: z.number().gt(0).optional(),
  /** The most that an element of a gradient may be. */
  clipValue: z.number().gt(0).optional(),
  /** Decay of the moving average of the weights, which is evaluated and kept instead of them. */
  ema: z.number().gt(0).lt(1).optional(),
  /** Epochs without a better figure after which a run ends before its time. */
  patience: count.optional(),
  seed: z.int().min(0).default(1),
  device: z.enum(['cpu', 'webgpu', 'cuda']).default('cpu'),
  /**
   * Threads within one operator; results depend on it in their last digits. Default: one per core,
   * found out when a run begins, and kept.
   */
  threads: count.max(MOST_THREADS).optional(),
  /** What was changed since the run began, in the order of its steps. */
  changes: z.array(changeSchema).min(1).optional(),
  /** What the run's images are like, written down when it begins. */
  info: dataInfoSchema.optional(),
});

/** A complete recipe. */
export type Recipe = z.output<typeof recipeSchema>;

/** What may be given of a recipe; the rest has defaults. */
export type RecipeInput = z.input<typeof recipeSchema>;

/**
 * Fills in defaults and checks every value.
 * @throws RequestError naming the settings that are wrong and what they may be
 */
export function makeRecipe(input: RecipeInput): Recipe {
  return checkSettings(recipeSchema, input);
}

/**
 * Settings as a schema has them, with its defaults.
 * @throws RequestError naming those that are wrong and what they may be
 */
export function checkSettings<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || 'settings'}: ${issue.message}`,
  );
  throw new RequestError(`The settings are not valid. ${problems.join('; ')}.`);
}

/** The milestones of a recipe: its own, or the documents' 80 and 120 of 160 epochs in proportion. */
export function milestonesOf({ milestones, epochs }: Recipe): readonly number[] {
  return milestones ?? [Math.round(epochs * 0.5), Math.round(epochs * 0.75)];
}

/** The optimiser that a recipe asks for. */
export function optimizerOf({ optimizer, momentum, nesterov, weightDecay }: Recipe): Optimizer {
  return optimizer === 'sgd' ? sgd({ momentum, nesterov, weightDecay }) : adamw({ weightDecay });
}

/**
 * A recipe's settings as they are at a step, after the changes until there.
 * @param epoch from 0
 * @param iteration within the epoch, from 0
 */
export function settingsAt(recipe: Recipe, epoch: number, iteration: number): Recipe {
  const changes = (recipe.changes ?? []).filter(
    (one) => one.epoch - 1 < epoch || (one.epoch - 1 === epoch && one.step - 1 <= iteration),
  );
  const changed = changes.map(({ lr, gamma, warmupEpochs, epochs }) => ({
    ...(lr !== undefined && { lr }),
    ...(gamma !== undefined && { gamma }),
    ...(warmupEpochs !== undefined && { warmupEpochs }),
    ...(epochs !== undefined && { epochs }),
  }));
  return changed.reduce<Recipe>((settings, change) => ({ ...settings, ...change }), recipe);
}

/** The learning-rate schedule that a recipe asks for, with its changes. */
export function scheduleOf(recipe: Recipe): Schedule {
  const starts = [{ epoch: 1, step: 1 }, ...(recipe.changes ?? [])].map(({ epoch, step }) => ({
    epoch: epoch - 1,
    iteration: step - 1,
    schedule: baseSchedule(settingsAt(recipe, epoch - 1, step - 1)),
  }));
  return {
    lr: (epoch, iteration, iterations) => {
      const part = starts.findLast(
        (start) => start.epoch < epoch || (start.epoch === epoch && start.iteration <= iteration),
      );
      return part?.schedule.lr(epoch, iteration, iterations) ?? NaN;
    },
  };
}

function baseSchedule(recipe: Recipe): Schedule {
  const { lr, gamma, epochs, warmupEpochs } = recipe;
  const bases: Record<Recipe['schedule'], () => Schedule> = {
    multistep: () => multiStep({ lr, gamma, milestones: milestonesOf(recipe) }),
    cosine: () => cosine({ lr, epochs }),
    constant: () => constantRate(lr),
  };
  return linearWarmup(bases[recipe.schedule](), { epochs: warmupEpochs });
}
