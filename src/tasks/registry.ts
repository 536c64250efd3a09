/** The tasks by name: what `--task` may mean. */
import { z } from 'zod';
import { OptionSet, type CompleteOptions, type OptionInfo, type OptionShape } from '../options.js';
import { Registry } from '../registry.js';
import { classification } from './classification.js';
import { contrastive } from './contrastive.js';
import { segmentation } from './segmentation.js';
import type { Task } from './task.js';

/** What a recipe says of a training besides the task's own options. */
export interface TaskContext {
  readonly labelSmoothing: number;
  /** Whether images are mixed, so that each has two labels. */
  readonly mixed: boolean;
}

/** A task as the registry knows it. */
export interface TaskEntry {
  readonly kind: 'task-entry';
  /** What it is called on the command line: 'segmentation'. */
  readonly id: string;
  /** In a few words. */
  readonly title: string;
  /** Its options in words, by name. */
  readonly options: Readonly<Record<string, OptionInfo>>;
  /** @throws RequestError for options that it has not */
  create(options: Readonly<Record<string, unknown>>, context: TaskContext): Task;
}

/**
 * Makes a registry entry of a task with options.
 * @param definition `options`: a schema for each, which says its type, default, range and meaning
 */
export function defineTask<Shape extends OptionShape>(definition: {
  readonly id: string;
  readonly title: string;
  readonly options: Shape;
  create(options: CompleteOptions<Shape>, context: TaskContext): Task;
}): TaskEntry {
  const { id, title } = definition;
  const options = new OptionSet(definition.options);
  return {
    kind: 'task-entry',
    id,
    title,
    options: options.info(),
    create: (given, context) =>
      definition.create(options.complete(`the task '${id}'`, given), context),
  };
}

/** The tasks, open for more. */
export const tasks = new Registry<TaskEntry>('task', [
  defineTask({
    id: 'classification',
    title: 'which class an image belongs to',
    options: {},
    create: (_, { labelSmoothing, mixed }) => classification({ labelSmoothing, mixed }),
  }),
  defineTask({
    id: 'segmentation',
    title: 'which class every pixel belongs to',
    options: {
      classWeights: z
        .array(z.number().min(0))
        .optional()
        .describe('How much each class counts in the cross-entropy, in the order of the classes.'),
      ignoreIndex: z
        .int()
        .min(0)
        .max(255)
        .default(255)
        .describe('Pixels of this value neither teach nor count.'),
      dice: z
        .number()
        .min(0)
        .default(0)
        .describe('Weight of the soft Dice loss beside the cross-entropy.'),
      auxiliary: z
        .number()
        .min(0)
        .default(0.4)
        .describe('Weight of the cross-entropy of each auxiliary output of the head.'),
    },
    create: ({ classWeights, ...options }, { labelSmoothing }) =>
      segmentation({ ...options, labelSmoothing, ...(classWeights && { classWeights }) }),
  }),
  defineTask({
    id: 'contrastive',
    title: 'which two views are of one image',
    options: {
      temperature: z.number().gt(0).default(0.5).describe('By which similarities are divided.'),
      embedding: z.int().min(1).default(128).describe('Size of an embedding.'),
      k: z.int().min(1).default(20).describe('Neighbours that vote in the k-NN accuracy.'),
    },
    create: (options) => contrastive(options),
  }),
]);

/** A task that takes no options, as a registry entry. */
export function asEntry(task: Task): TaskEntry {
  return defineTask({ id: task.id, title: task.id, options: {}, create: () => task });
}
