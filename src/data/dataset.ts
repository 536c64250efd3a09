import { FileError, RequestError } from '../errors.js';

/** Which part of a data set: images to learn from, or images to judge by. */
export type Split = 'train' | 'val';

/** Per-channel statistics by which pixels, scaled to [0, 1], are normalised: (x - mean) / std. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Labelled images of one size, whole in memory. */
export interface ImageDataset {
  /** As in the run folder: 'cifar100'. */
  readonly name: string;
  readonly split: Split;
  /** Class names; a label is an index into them. */
  readonly classes: readonly string[];
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** [N, C, H, W], 0 to 255, as stored: never normalised. */
  readonly images: Uint8Array;
  /** [N] */
  readonly labels: Int32Array;
  /** [N, H, W]: 1 where the object is, 0 elsewhere. Only where that is known. */
  readonly masks?: Uint8Array;
  readonly normalization: Normalization;
}

/** Number of images, N. */
export function size(dataset: ImageDataset): number {
  return dataset.labels.length;
}

/**
 * Checks that every label names a class.
 *
 * @param labels [N]
 * @param classCount labels must lie in 0 .. classCount - 1
 * @param source what they were read from, for the message
 * @throws FileError naming the first record that is wrong, its label and the range
 */
export function checkLabels(labels: Int32Array, classCount: number, source: string): void {
  const record = labels.findIndex((label) => label < 0 || label >= classCount);
  if (record >= 0) {
    throw new FileError(
      `${source}: record ${record} has the label ${labels[record]}, expected 0 to ${classCount - 1}. ` +
        'The file is corrupt, or belongs to another data set.',
    );
  }
}

/**
 * `n` images with the classes as equal in number as can be, in the order of the data set. Of each class
 * the first images are taken; what does not divide evenly goes to the lower class numbers. The same
 * `n` always gives the same images.
 *
 * @returns the data set itself when n is its size, otherwise a copy of the chosen images
 * @throws RequestError when n is not a whole number from 1 to N
 */
export function subset(dataset: ImageDataset, n: number): ImageDataset {
  const total = size(dataset);
  if (!Number.isInteger(n) || n < 1 || n > total) {
    throw new RequestError(
      `Cannot take ${n} images of ${dataset.name} (${dataset.split}): expected a whole number from 1 to ${total}.`,
    );
  }
  if (n === total) return dataset;

  const left = quotas(dataset.labels, dataset.classes.length, n);
  const chosen: number[] = [];
  for (let index = 0; index < total; index++) {
    const label = dataset.labels[index] ?? 0;
    const room = left[label] ?? 0;
    if (room === 0) continue;
    left[label] = room - 1;
    chosen.push(index);
  }

  const plane = dataset.height * dataset.width;
  return {
    ...dataset,
    images: gather(dataset.images, chosen, dataset.channels * plane),
    labels: Int32Array.from(chosen, (index) => dataset.labels[index] ?? 0),
    ...(dataset.masks && { masks: gather(dataset.masks, chosen, plane) }),
  };
}

/** How many of each class to take so that they sum to n and none is needlessly larger than another. */
function quotas(labels: Int32Array, classCount: number, n: number): number[] {
  const available = new Array<number>(classCount).fill(0);
  for (const label of labels) available[label] = (available[label] ?? 0) + 1;
  const quota = new Array<number>(classCount).fill(0);
  for (let left = n; left > 0;) {
    const open = available.flatMap((count, label) => (count > (quota[label] ?? 0) ? [label] : []));
    const share = Math.max(1, Math.floor(left / open.length));
    for (const label of open.slice(0, left)) {
      const taken = quota[label] ?? 0;
      const more = Math.min(share, (available[label] ?? 0) - taken);
      quota[label] = taken + more;
      left -= more;
    }
  }
  return quota;
}

/** The records at `indices`, each `record` bytes long, one after another. */
function gather(bytes: Uint8Array, indices: readonly number[], record: number): Uint8Array {
  const out = new Uint8Array(indices.length * record);
  indices.forEach((index, at) => {
    out.set(bytes.subarray(index * record, (index + 1) * record), at * record);
  });
  return out;
}
