/** What a data set is: examples by their place, and what is true of all of them. */
import { FileError, RequestError } from '../errors.js';
import type { Pixels } from '../formats/pixels.js';
import type { BatchLoader, BatchPlan } from './batches.js';

/** Which part of a data set: images to learn from, or images to judge by. */
export type Split = 'train' | 'val';

/** Per-channel statistics by which pixels, scaled to [0, 1], are normalised: (x - mean) / std. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export type { Pixels };

/** The value of a mask where nobody says what is there: such pixels neither teach nor count. */
export const IGNORED = 255;

/** One example, as a data set keeps it. */
export interface Example {
  /** Of any size; a batch makes it that of the data set. */
  readonly image: Pixels;
  /** Its class: an index into `classes`. */
  readonly label?: number;
  /** [H, W] of the image: the class at every pixel, an index into `pixelClasses`, or {@link IGNORED}. */
  readonly mask?: Uint8Array;
  /** What a task of one's own wants besides, by name. */
  readonly values?: Readonly<Record<string, ArrayLike<number>>>;
}

/** What is true of every example of a data set, and of the images that a model trained on it expects. */
export interface DataInfo {
  /** As in the run folder: 'cifar100'. */
  readonly name: string;
  /** Class names; a label is an index into them. */
  readonly classes: readonly string[];
  /** Names of what a mask tells apart; a mask's pixel is an index into them. Only where there are masks. */
  readonly pixelClasses?: readonly string[] | undefined;
  /** Of every image in a batch. */
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly normalization: Normalization;
}

/** Examples that a model learns from, or is judged by. */
export interface Dataset extends DataInfo {
  readonly split: Split;
  /** Number of examples, N. */
  readonly size: number;
  /** [N], where all are known without reading the images. */
  readonly labels?: Int32Array;
  /** The example at a place from 0 to N - 1. */
  example(index: number): Example | Promise<Example>;
  /** What messages call an example, as the path of its file. Default: `image 17`. */
  nameOf?(index: number): string;
  /**
   * Opens a faster way to make batches, such as threads that decode. Default: they are made in this thread.
   * @param info what the batches' images are to be like: the data set's own, unless it was changed since
   */
  openLoader?(plan: BatchPlan, info: DataInfo): BatchLoader;
}

/** The two parts of a data set. Everything but the examples is the same in both. */
export interface Splits {
  /** To learn from. */
  readonly train: Dataset;
  /** To judge by. */
  readonly val: Dataset;
  /** What a person should know of how it was read: files that were passed over, and why. */
  readonly notes: readonly string[];
}

/** A data set whose images are whole in memory. */
export interface ImageDataset extends Dataset {
  /** [N, C, H, W] */
  readonly images: Uint8Array;
  readonly labels: Int32Array;
  /** [N, H, W] */
  readonly masks?: Uint8Array;
}

/** Arrays to make a data set of. */
export interface ImageArrays {
  /** [N, C, H, W], 0 to 255. */
  readonly images: Uint8Array;
  /** [N], indices into `classes`. */
  readonly labels: ArrayLike<number>;
  readonly classes: readonly string[];
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** [N, H, W], see {@link Example.mask}; with `pixelClasses`. */
  readonly masks?: Uint8Array;
  /** Default, where there are masks: 'background' and the classes. */
  readonly pixelClasses?: readonly string[] | undefined;
  /** [N, ...] each: what a task of one's own wants besides, by name. */
  readonly values?: Readonly<Record<string, Float32Array | Int32Array>>;
  /** Default: mean and deviation of these images. Give a validation set those of its training set. */
  readonly normalization?: Normalization;
  /** Default 'images'. */
  readonly name?: string;
  /** Default 'train'. */
  readonly split?: Split;
}

/**
 * A data set of arrays.
 * @throws RequestError if there is no image, the arrays are not as long as they should be, or a label or a
 *   mask's pixel names no class
 */
export function imageDataset({
  images,
  labels: given,
  masks,
  values = {},
  ...info
}: ImageArrays): ImageDataset {
  const { name = 'images', split = 'train', classes, channels, height, width } = info;
  const size = given.length;
  const plane = height * width;
  const record = channels * plane;
  const bytes: unknown = images;
  if (!(bytes instanceof Uint8Array) || size === 0) {
    throw new RequestError(
      `${name} (${split}) ${size === 0 ? 'has no images. Give it at least one.' : "has images that are not a Uint8Array. Expected every image's pixels, from 0 to 255."}`,
    );
  }
  if (images.length !== size * record) {
    throw new RequestError(
      `${name} (${split}) has ${size} labels, but its ${images.length} pixel values are ${Number((images.length / record).toFixed(2))} images of [${channels}, ${height}, ${width}]. Give every image one label.`,
    );
  }
  if (masks && masks.length !== size * plane) {
    throw new RequestError(
      `${name} (${split}) has masks of ${masks.length} pixels; ${size} images of ${height} x ${width} need ${size * plane}.`,
    );
  }
  for (const [field, { length }] of Object.entries(values)) {
    if (length === 0 || length % size !== 0) {
      throw new RequestError(
        `${name} (${split}) has ${length} values of '${field}', which do not divide among ${size} images.`,
      );
    }
  }
  const pixelClasses = masks && (info.pixelClasses ?? ['background', ...classes]);
  checkNumbers(given, classes.length, `${name} (${split}): label`);
  if (masks && pixelClasses) {
    checkNumbers(masks, pixelClasses.length, `${name} (${split}): the mask's pixel`, IGNORED);
  }
  const statistics = info.normalization;
  if (statistics && [statistics.mean, statistics.std].some(({ length }) => length !== channels)) {
    throw new RequestError(
      `${name} (${split}): the normalization needs ${channels} numbers in mean and in std, one for each channel.`,
    );
  }
  const labels = given instanceof Int32Array ? given : Int32Array.from(given);
  const part = <A extends Uint8Array | Float32Array | Int32Array>(all: A, index: number): A => {
    const length = all.length / size;
    return all.subarray(index * length, (index + 1) * length) as A;
  };
  const entries = Object.entries(values);
  return {
    name,
    split,
    classes,
    channels,
    height,
    width,
    size,
    images,
    labels,
    ...(masks && pixelClasses && { masks, pixelClasses }),
    normalization: statistics ?? statisticsOf(images, channels, plane),
    example: (index) => ({
      image: { channels, height, width, data: part(images, index) },
      label: labels[index] ?? NaN,
      ...(masks && { mask: part(masks, index) }),
      ...(entries.length > 0 && {
        values: Object.fromEntries(entries.map(([field, all]) => [field, part(all, index)])),
      }),
    }),
  };
}

/** @throws RequestError for a number that names no class, unless it is the one that is allowed besides */
function checkNumbers(
  numbers: ArrayLike<number>,
  count: number,
  what: string,
  besides?: number,
): void {
  for (let at = 0; at < numbers.length; at++) {
    const value = numbers[at] ?? NaN;
    if ((Number.isInteger(value) && value >= 0 && value < count) || value === besides) continue;
    throw new RequestError(
      `${what} ${at} is ${value}, but there are ${count} classes: expected a whole number from 0 to ${count - 1}${besides === undefined ? '' : `, or ${besides}, which is ignored`}.`,
    );
  }
}

/** Mean and deviation (divisor n) of the pixels of each channel, in float64. A channel of one value has the deviation 1. */
function statisticsOf(images: Uint8Array, channels: number, plane: number): Normalization {
  const counts = Array.from({ length: channels }, () => new Float64Array(256));
  for (let at = 0; at < images.length; at += channels * plane) {
    countPixels(images.subarray(at, at + channels * plane), counts);
  }
  return normalizationOf(counts);
}

/**
 * Counts the bytes of an image.
 * @param bytes [C, H, W]
 * @param counts for each channel, 256 of them, to which is added
 */
export function countPixels(bytes: Uint8Array, counts: readonly Float64Array[]): void {
  const plane = bytes.length / counts.length;
  for (const [channel, histogram] of counts.entries()) {
    countBytes(bytes.subarray(channel * plane, (channel + 1) * plane), histogram);
  }
}

/** Counts bytes, [256]. */
export function countBytes(bytes: Uint8Array, histogram: Float64Array): void {
  for (const byte of bytes) histogram[byte] = (histogram[byte] ?? 0) + 1;
}

/**
 * Mean and deviation (divisor n) of pixels, scaled to [0, 1], from how often every byte occurs.
 * @param counts for each channel, 256 of them; a channel of one value has the deviation 1
 */
export function normalizationOf(counts: readonly ArrayLike<number>[]): Normalization {
  const each = counts.map((histogram) => {
    const bytes = Array.from(histogram);
    const total = bytes.reduce((sum, count) => sum + count, 0);
    const mean = bytes.reduce((sum, count, byte) => sum + (count * byte) / 255, 0) / total;
    const variance =
      bytes.reduce((sum, count, byte) => sum + count * (byte / 255 - mean) ** 2, 0) / total;
    return { mean, std: Math.sqrt(variance) || 1 };
  });
  return { mean: each.map(({ mean }) => mean), std: each.map(({ std }) => std) };
}

/** What is true of all examples of a data set, as plain values that can be written down or sent to a thread. */
export function infoOf({
  name,
  classes,
  pixelClasses,
  channels,
  height,
  width,
  normalization,
}: DataInfo): DataInfo {
  return {
    ...{ name, classes, channels, height, width, normalization },
    ...(pixelClasses && { pixelClasses }),
  };
}

/**
 * The example's name in messages.
 * @param index its place
 */
export function exampleName(dataset: Dataset, index: number): string {
  return dataset.nameOf?.(index) ?? `image ${index}`;
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
