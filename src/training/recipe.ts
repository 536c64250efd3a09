/**
 * The settings of a training run: the seeds' recipe as the default, every number replaceable.
 * A run folder's config.json is such a recipe, whole.
 */
import { z } from 'zod';
import { RequestError } from '../errors.js';
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
});

/** A change of a run's settings on its way. */
export type Change = z.output<typeof changeSchema>;

export const recipeSchema = z.strictObject({
  /** One of `fovea list`. */
  model: z.string().default('resnet18'),
  /** Mechanism in every residual block; 'none' for the plain network. */
  attention: z.string().default('none'),
  /** Options of the mechanism, by name. */
  attentionOptions: z.record(z.string(), z.unknown()).default({}),
  /** Where in the block the mechanism stands. */
  placement: z.enum(['before-addition', 'after-addition']).default('before-addition'),
  /** Stages of the network whose blocks have the mechanism, counted from 1; default all. */
  stages: z.array(count).min(1).optional(),
  dataset: z.string().default('cifar100'),
  /** Folder or archive of the data set; not needed by 'shapes'. */
  data: z.string().optional(),
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
  /** Random crop with padding 4 and horizontal flip. */
  augment: z.boolean().default(true),
  seed: z.int().min(0).default(1),
  device: z.enum(['cpu', 'webgpu', 'cuda']).default('cpu'),
  /**
   * Threads within one operator; results depend on it in their last digits. Default: one per core,
   * found out when a run begins, and kept.
   */
  threads: count.max(MOST_THREADS).optional(),
  /** What was changed since the run began, in the order of its steps. */
  changes: z.array(changeSchema).min(1).optional(),
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

/** The milestones of a recipe: its own, or the seeds' 80 and 120 of 160 epochs in proportion. */
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
  const rates = changes.map(({ lr, gamma, warmupEpochs }) => ({
    ...(lr !== undefined && { lr }),
    ...(gamma !== undefined && { gamma }),
    ...(warmupEpochs !== undefined && { warmupEpochs }),
  }));
  return rates.reduce<Recipe>((settings, rate) => ({ ...settings, ...rate }), recipe);
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
