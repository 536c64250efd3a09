/** What can be known to be wrong with a training run or an evaluation before its first step. */
import type { Dataset } from '../data/dataset.js';
import { RequestError } from '../errors.js';
import type { Module } from '../nn/module.js';
import type { Optimizer } from '../optim/index.js';
import type { Task } from '../tasks/task.js';
import { evaluationBatch } from './pass.js';
import { evaluationStep, trainingStep, type EvaluationOptions, type StepOptions } from './step.js';

/** What of a run's options decides whether its steps can be built. */
export interface CheckedOptions extends StepOptions {
  readonly task: Task;
  readonly optimizer: Optimizer;
  readonly batchSize: number;
  readonly dropLast?: boolean;
}

/**
 * Checks that a model can be trained at a task on these data in batches of this size: that the task can
 * take the examples (for classification, that every label is one of the model's classes), and that the
 * step of every batch that will occur, the smaller last one of an epoch too, and the evaluation can be built.
 * @throws RequestError naming the label and its image, or saying which batch the model cannot take
 *   and which batch size it can
 */
export function checkTraining(
  model: Module,
  data: { readonly train: Dataset; readonly val: Dataset },
  { task, optimizer, batchSize, dropLast = false, ...options }: CheckedOptions,
): void {
  checkCount('batch size', batchSize);
  checkSize(data.train);
  checkSize(data.val);
  const images = data.train.size;
  const build = (batch: number): unknown =>
    trainingStep(task, model, optimizer, data.train, { ...options, batchSize: batch }).output;
  const largest = Math.min(batchSize, images);
  const output = buildBatch(build, largest, (reason) =>
    largest < batchSize
      ? `There are only ${counted(largest)} to train on, too few for the model. ${reason} Train on more images.`
      : `The model cannot be trained on batches of ${counted(largest)}. ${reason} Choose a larger batch size.`,
  );
  const last = images % largest || largest;
  if (!dropLast) {
    buildBatch(build, last, (reason) => {
      const better = betterBatchSize(build, images, batchSize, last);
      return (
        `The last batch of an epoch has only ${counted(last)} (of ${images}, in batches of ${batchSize}), and the model cannot be trained on that. ` +
        `${reason} Choose another batch size${better === undefined ? '' : `, ${better} say`}, leave that batch out (--drop-last), or train on ${images - last} images.`
      );
    });
  }
  task.check(data.train, output);
  checkEvaluation(task, model, data.val, { batchSize: evaluationBatch(data.val) });
}

/**
 * Checks that a model can be evaluated on a data set in batches of this size.
 * @returns the evaluation of one batch
 * @throws RequestError naming the label that is no class of the model's and its image, or saying
 *   what the model cannot take
 */
export function checkEvaluation(
  task: Task,
  model: Module,
  dataset: Dataset,
  options: EvaluationOptions,
): ReturnType<typeof evaluationStep> {
  checkSize(dataset);
  checkCount('batch size', options.batchSize);
  const step = evaluationStep(task, model, dataset, options);
  task.check(dataset, step.output);
  return step;
}

function checkSize({ name, split, size }: Dataset): void {
  if (size > 0) return;
  throw new RequestError(`${name} (${split}) has no images. Give it at least one.`);
}

function checkCount(what: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new RequestError(`The ${what} is ${value}; expected a whole number of at least 1.`);
}

/** Builds the step of a batch. Where only its size is to blame, the error says so. */
function buildBatch(
  build: (batch: number) => unknown,
  batch: number,
  explained: (reason: string) => string,
): unknown {
  try {
    return build(batch);
  } catch (error) {
    if (!(error instanceof RequestError) || !canBuild(build, 4 * batch)) throw error;
    throw new RequestError(explained(error.message.replace(/\.?$/, '.')), { cause: error });
  }
}

function canBuild(build: (batch: number) => unknown, batch: number): boolean {
  try {
    build(batch);
    return true;
  } catch (error) {
    if (error instanceof RequestError) return false;
    throw error;
  }
}

/** The batch size next to the one asked for whose last batch the model can take. */
function betterBatchSize(
  build: (batch: number) => unknown,
  images: number,
  batchSize: number,
  last: number,
): number | undefined {
  const near = Array.from({ length: 16 }, (_, i) => batchSize + (i % 2 ? 1 : -1) * ((i >> 1) + 1));
  return near.find((size) => {
    const rest = images % size || size;
    return size > last && size <= images && rest > last && canBuild(build, rest);
  });
}

function counted(images: number): string {
  return images === 1 ? '1 image' : `${images} images`;
}
