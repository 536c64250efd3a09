/** What can be known to be wrong with a training run or an evaluation before its first step. */
import { size, type ImageDataset } from '../data/dataset.js';
import { RequestError } from '../errors.js';
import type { Layer } from '../nn/module.js';
import { formatShape } from '../tensor/shape.js';
import { evaluationStep, trainingStep } from './step.js';
import type { StepperOptions } from './stepper.js';

/** Images at a time of an evaluation, if there are so many. */
export const EVALUATION_BATCH = 250;

/** What of a run's options decides whether its steps can be built. */
export interface CheckedOptions extends Pick<StepperOptions, 'optimizer' | 'labelSmoothing'> {
  readonly batchSize: number;
}

/**
 * Checks that a model can be trained on these data in batches of this size: that every label is one
 * of the classes that the model tells apart, and that the step of every batch that will occur, the
 * smaller last one of an epoch too, and the evaluation can be built.
 * @throws RequestError naming the label and its image, or saying which batch the model cannot take
 *   and which batch size it can
 */
export function checkTraining(
  model: Layer,
  data: { readonly train: ImageDataset; readonly val: ImageDataset },
  { batchSize, optimizer, labelSmoothing = 0 }: CheckedOptions,
): void {
  checkCount('batch size', batchSize);
  checkImages(data.train);
  checkImages(data.val);
  const images = size(data.train);
  const build = (batch: number): number => {
    const shape = { batchSize: batch, imageShape: imageShapeOf(data.train), labelSmoothing };
    return classesOf(trainingStep(model, optimizer, shape).graph.outputs);
  };
  const largest = Math.min(batchSize, images);
  const classes = buildBatch(build, largest, (reason) =>
    largest < batchSize
      ? `There are only ${counted(largest)} to train on, too few for the model. ${reason} Train on more images.`
      : `The model cannot be trained on batches of ${counted(largest)}. ${reason} Choose a larger batch size.`,
  );
  const last = images % largest || largest;
  buildBatch(build, last, (reason) => {
    const better = betterBatchSize(build, images, batchSize, last);
    return (
      `The last batch of an epoch has only ${counted(last)} (of ${images}, in batches of ${batchSize}), and the model cannot be trained on that. ` +
      `${reason} Choose another batch size${better === undefined ? '' : `, ${better} say`}, or train on ${images - last} images.`
    );
  });
  checkTargets(data.train, classes);
  checkEvaluation(model, data.val, Math.min(EVALUATION_BATCH, size(data.val)));
}

/**
 * Checks that a model can be evaluated on a data set in batches of this size.
 * @returns the graph of the evaluation
 * @throws RequestError naming the label that is no class of the model's and its image, or saying
 *   what the model cannot take
 */
export function checkEvaluation(
  model: Layer,
  dataset: ImageDataset,
  batchSize: number,
): ReturnType<typeof evaluationStep> {
  checkImages(dataset);
  checkCount('batch size', batchSize);
  const graph = evaluationStep(model, { batchSize, imageShape: imageShapeOf(dataset) });
  checkTargets(dataset, classesOf(graph.outputs));
  return graph;
}

/**
 * Checks that every label of a data set is one of so many classes.
 * @param classes the size of the model's logits
 * @throws RequestError naming the first label that is not, and its image
 */
export function checkTargets(dataset: ImageDataset, classes: number): void {
  // A program in plain JavaScript may give any numbers.
  const labels: ArrayLike<unknown> = dataset.labels;
  for (let image = 0; image < labels.length; image++) {
    const label = labels[image];
    if (Number.isInteger(label) && Number(label) >= 0 && Number(label) < classes) continue;
    throw new RequestError(
      `${nameOf(dataset)}: image ${image} has the label ${String(label)}, and the model tells ${classes} classes apart. ` +
        `Expected whole numbers from 0 to ${classes - 1}: number the classes from 0, or make the model with more classes.`,
    );
  }
}

/** Checks that there are as many images as labels, of the size that the data set says. */
function checkImages(dataset: ImageDataset): void {
  const count = size(dataset);
  const { images }: { readonly images: unknown } = dataset;
  if (!(images instanceof Uint8Array) || count === 0) {
    throw new RequestError(
      `${nameOf(dataset)} ${count === 0 ? 'has no images. Give it at least one.' : "has images that are not a Uint8Array. Expected every image's pixels, from 0 to 255."}`,
    );
  }
  const shape = imageShapeOf(dataset);
  const values = shape.reduce((product, side) => product * side, 1);
  if (images.length !== count * values) {
    throw new RequestError(
      `${nameOf(dataset)} has ${count} labels, but its ${images.length} pixel values are ${Number((images.length / values).toFixed(2))} images of ${formatShape(shape)}. Give every image one label.`,
    );
  }
}

function nameOf({ name, split }: ImageDataset): string {
  return `${name} (${split})`;
}

function imageShapeOf({ channels, height, width }: ImageDataset): number[] {
  return [channels, height, width];
}

function classesOf(outputs: ReturnType<typeof evaluationStep>['outputs']): number {
  return outputs['logits']?.shape[1] ?? 0;
}

function checkCount(what: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new RequestError(`The ${what} is ${value}; expected a whole number of at least 1.`);
}

/** Builds the step of a batch. Where only its size is to blame, the error says so. */
function buildBatch(
  build: (batch: number) => number,
  batch: number,
  explained: (reason: string) => string,
): number {
  try {
    return build(batch);
  } catch (error) {
    if (!(error instanceof RequestError) || !canBuild(build, 4 * batch)) throw error;
    throw new RequestError(explained(error.message.replace(/\.?$/, '.')), { cause: error });
  }
}

function canBuild(build: (batch: number) => number, batch: number): boolean {
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
  build: (batch: number) => number,
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
