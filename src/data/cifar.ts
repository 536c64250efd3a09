/**
 * CIFAR-10 and CIFAR-100 from the bytes of their files. Krizhevsky, "Learning multiple layers of
 * features from tiny images", 2009.
 *
 *   binary, a record of CIFAR-10:   label, 1024 red, 1024 green, 1024 blue            (3073 bytes)
 *   binary, a record of CIFAR-100:  coarse label, fine label, red, green, blue        (3074 bytes)
 *   python: a pickled dict with `data`, uint8 [N, 3072] in the same order of pixels, and label lists
 *
 * Both channels-first and row-major, so a record's pixels are already [C, H, W].
 */
import { FileError, RequestError } from '../errors.js';
import { fileKind } from '../formats/file-kind.js';
import {
  checkLabels,
  imageDataset,
  type ImageDataset,
  type Normalization,
  type Split,
} from './dataset.js';

/** Bytes of one image: 3 channels of 32 x 32. */
export const CIFAR_PIXELS = 3072;

/**
 * The statistics that the documents normalise with. They are those of CIFAR-10's training images,
 * and the documents use them for CIFAR-100 too (whose own are mean 0.5071 0.4865 0.4409, std 0.2673
 * 0.2564 0.2762); so does Fovea, to stay comparable with them.
 */
export const CIFAR_NORMALIZATION: Normalization = {
  mean: [0.4914, 0.4822, 0.4465],
  std: [0.2471, 0.2435, 0.2616],
};

/** Which of CIFAR-100's two labels: 100 classes, or the 20 groups that they form. */
export type LabelKind = 'fine' | 'coarse';

/** One set of labels within a CIFAR data set. */
export interface CifarLabels {
  readonly classes: number;
  /** Which byte of a binary record. */
  readonly byte: number;
  /** The text file with the class names, one a line (binary layout). */
  readonly namesFile: string;
  /** The key of the list of labels (python layout). */
  readonly key: string;
  /** The key of the list of class names (python layout). */
  readonly namesKey: string;
}

/** One of the two ways in which a CIFAR data set is published. */
export interface CifarLayout {
  /** The folder in the archive. */
  readonly folder: string;
  readonly archive: string;
  /** Of the official archive. */
  readonly md5: string;
  readonly train: readonly string[];
  readonly val: readonly string[];
}

/** The names of the two layouts. */
export type LayoutName = 'binary' | 'python';

/** All that tells one CIFAR data set from the other. */
export interface CifarSpec {
  readonly id: 'cifar10' | 'cifar100';
  readonly labelBytes: number;
  /** Images in each file of a split of the official data set. */
  readonly recordsPerFile: Readonly<Record<Split, number>>;
  readonly labels: Readonly<Partial<Record<LabelKind, CifarLabels>>>;
  readonly layouts: Readonly<Record<LayoutName, CifarLayout>>;
  /** The python file with the class names. */
  readonly meta: string;
}

const BATCHES = [1, 2, 3, 4, 5].map((number) => `data_batch_${number}`);

export const CIFAR10: CifarSpec = {
  id: 'cifar10',
  labelBytes: 1,
  recordsPerFile: { train: 10_000, val: 10_000 },
  labels: {
    fine: {
      classes: 10,
      byte: 0,
      namesFile: 'batches.meta.txt',
      key: 'labels',
      namesKey: 'label_names',
    },
  },
  layouts: {
    binary: {
      folder: 'cifar-10-batches-bin',
      archive: 'cifar-10-binary.tar.gz',
      md5: 'c32a1d4ab5d03f1284b67883e8d87530',
      train: BATCHES.map((name) => `${name}.bin`),
      val: ['test_batch.bin'],
    },
    python: {
      folder: 'cifar-10-batches-py',
      archive: 'cifar-10-python.tar.gz',
      md5: 'c58f30108f718f92721af3b95e74349a',
      train: BATCHES,
      val: ['test_batch'],
    },
  },
  meta: 'batches.meta',
};

export const CIFAR100: CifarSpec = {
  id: 'cifar100',
  labelBytes: 2,
  recordsPerFile: { train: 50_000, val: 10_000 },
  labels: {
    fine: {
      classes: 100,
      byte: 1,
      namesFile: 'fine_label_names.txt',
      key: 'fine_labels',
      namesKey: 'fine_label_names',
    },
    coarse: {
      classes: 20,
      byte: 0,
      namesFile: 'coarse_label_names.txt',
      key: 'coarse_labels',
      namesKey: 'coarse_label_names',
    },
  },
  layouts: {
    binary: {
      folder: 'cifar-100-binary',
      archive: 'cifar-100-binary.tar.gz',
      md5: '03b5dce01913d631647c71ecec9e9cb8',
      train: ['train.bin'],
      val: ['test.bin'],
    },
    python: {
      folder: 'cifar-100-python',
      archive: 'cifar-100-python.tar.gz',
      md5: 'eb9058c3a382ffc7106e4002c42a8d85',
      train: ['train'],
      val: ['test'],
    },
  },
  meta: 'meta',
};

/** The labels of one kind. @throws RequestError for CIFAR-10's coarse ones, which do not exist */
export function cifarLabels(spec: CifarSpec, kind: LabelKind): CifarLabels {
  const labels = spec.labels[kind];
  if (labels === undefined) {
    throw new RequestError(
      `${spec.id} has no ${kind} labels; it has ${Object.keys(spec.labels).join(' and ')}.`,
    );
  }
  return labels;
}

/** Some images and their labels: what one file holds. */
export interface CifarPart {
  /** [N, 3, 32, 32] */
  readonly images: Uint8Array;
  /** [N] */
  readonly labels: Int32Array;
}

/** The number of bytes that a binary file of `records` images has. */
export function cifarFileBytes(spec: CifarSpec, records: number): number {
  return records * (spec.labelBytes + CIFAR_PIXELS);
}

/**
 * Reads one file of the binary layout.
 *
 * @param source its name, for messages
 * @param kind which labels (default 'fine')
 * @throws FileError when it is no whole number of records, or a label is out of range
 */
export function parseCifarBinary(
  bytes: Uint8Array,
  spec: CifarSpec,
  source: string,
  kind: LabelKind = 'fine',
): CifarPart {
  const { byte, classes } = cifarLabels(spec, kind);
  const record = cifarFileBytes(spec, 1);
  const count = Math.floor(bytes.length / record);
  if (count === 0 || bytes.length !== count * record) {
    throw new FileError(
      `${source}: expected a whole number of records of ${record} bytes, found ${bytes.length} bytes ` +
        `(${count} records and ${bytes.length - count * record} bytes). ${whatElse(bytes)}`,
    );
  }
  const images = new Uint8Array(count * CIFAR_PIXELS);
  const labels = new Int32Array(count);
  for (let index = 0; index < count; index++) {
    const start = index * record;
    labels[index] = bytes[start + byte] ?? 0;
    images.set(bytes.subarray(start + spec.labelBytes, start + record), index * CIFAR_PIXELS);
  }
  checkLabels(labels, classes, source);
  return { images, labels };
}

function whatElse(bytes: Uint8Array): string {
  const kind = fileKind(bytes);
  return kind ? `It is ${kind.what}.` : 'It was cut off, or belongs to another data set.';
}

/**
 * Reads the class names of the binary layout: one a line, blank lines aside.
 *
 * @throws FileError when there are not as many as classes
 */
export function parseClassNames(text: string, classes: number, source: string): string[] {
  const names = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (names.length !== classes) {
    throw new FileError(`${source}: expected ${classes} class names, found ${names.length}.`);
  }
  return names;
}

/**
 * One split of a CIFAR data set out of the contents of its files, in the order given.
 *
 * @param classes the class names, in label order
 */
export function cifarDataset(
  spec: CifarSpec,
  split: Split,
  parts: readonly CifarPart[],
  classes: readonly string[],
): ImageDataset {
  const [only] = parts;
  return imageDataset({
    name: spec.id,
    split,
    classes,
    channels: 3,
    height: 32,
    width: 32,
    ...(parts.length === 1 && only !== undefined ? only : concatenate(parts)),
    normalization: CIFAR_NORMALIZATION,
  });
}

function concatenate(parts: readonly CifarPart[]): CifarPart {
  const count = parts.reduce((total, { labels }) => total + labels.length, 0);
  const images = new Uint8Array(count * CIFAR_PIXELS);
  const labels = new Int32Array(count);
  let at = 0;
  for (const part of parts) {
    images.set(part.images, at * CIFAR_PIXELS);
    labels.set(part.labels, at);
    at += part.labels.length;
  }
  return { images, labels };
}
