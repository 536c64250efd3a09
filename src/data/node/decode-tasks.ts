/** What is done with picture files, in a thread or in the program's own: looked at, decoded, made parts of a batch. */
import { isAbsolute, join } from 'node:path';
import { FileError, FoveaError } from '../../errors.js';
import {
  decodePicture,
  readPictureFile,
  type Channels,
} from '../../formats/node/pictures/decode.js';
import { readPngIndices } from '../../formats/node/pictures/png-indices.js';
import type { BatchPlan } from '../batches.js';
import { countBytes, countPixels, IGNORED, type DataInfo, type Example } from '../dataset.js';
import { fitted } from '../fitted.js';
import { emptyFields, placeExample, type BatchFields } from '../place-example.js';

/** Where an example lies. */
export interface FileEntry {
  /** Of the picture, within the data set's folder; '/' between names. */
  readonly path: string;
  readonly label?: number;
  /** Of the mask. */
  readonly mask?: string;
}

/** What is the same for all tasks of a thread. */
export interface DecodeContext {
  /** The folder that paths lie in. */
  readonly root: string;
  readonly info: DataInfo & { readonly channels: Channels };
  /** How batches are made. Not needed to look at files. */
  readonly plan?: BatchPlan;
}

/** What looking at some files tells. */
export interface LookedAt {
  /** Files that cannot be used: the place in the task, and why. */
  readonly problems: readonly (readonly [place: number, reason: string])[];
  /** [C, 256]: how often each byte occurs in those that are counted, at the data set's size. */
  readonly counts: Float64Array;
  /** [256]: how often each number occurs in masks. */
  readonly maskCounts: Float64Array;
}

/** The results of tasks, by their kind. */
export interface DecodeResults {
  look: LookedAt;
  examples: readonly Example[];
  fields: BatchFields;
}

/** Something to do with some files. */
export interface DecodeTask<Kind extends keyof DecodeResults = keyof DecodeResults> {
  readonly kind: Kind;
  readonly files: readonly FileEntry[];
  /** To look: whether a file's pixels count for the statistics. Not given: all. */
  readonly counted?: readonly boolean[];
  /** To look: masks may have smaller numbers only, or {@link IGNORED}. Not given: any. */
  readonly pixelClasses?: number;
  /** Of a batch: the places that key the random choices. */
  readonly indices?: readonly number[];
  /** Of a batch: see `BatchRequest`. */
  readonly epoch?: number;
}

/**
 * Does a task.
 * @param onFile told the place of each file before it is decoded
 * @throws FileError naming a file that cannot be read or decoded; but looking at files collects them
 */
export async function perform<Kind extends keyof DecodeResults>(
  context: DecodeContext,
  task: DecodeTask<Kind>,
  onFile: (place: number) => void = () => undefined,
): Promise<DecodeResults[Kind]> {
  const doing: { readonly [K in keyof DecodeResults]: () => Promise<DecodeResults[K]> } = {
    look: () => look(context, task, onFile),
    examples: () => decodeAll(context, task.files, onFile),
    fields: () => makeFields(context, task, onFile),
  };
  return doing[task.kind]();
}

/** An example at its own size. Its label is not looked at. */
export async function readExample(
  { root, info }: Pick<DecodeContext, 'root' | 'info'>,
  file: FileEntry,
): Promise<Example> {
  return decodeExample(info.channels, file, await readBytes(root, file));
}

/** The bytes of a picture and of its mask. */
interface FileBytes {
  readonly image: Uint8Array;
  readonly mask?: Uint8Array;
}

/** The path of a file of a data set. Lists may name files anywhere. */
export function pathOf(root: string, path: string): string {
  return isAbsolute(path) ? path : join(root, path);
}

async function readBytes(root: string, { path, mask }: FileEntry): Promise<FileBytes> {
  const image = await readPictureFile(pathOf(root, path));
  if (mask === undefined) return { image };
  return { image, mask: await readPictureFile(pathOf(root, mask)) };
}

function decodeExample(channels: Channels, file: FileEntry, bytes: FileBytes): Example {
  const image = decodePicture(bytes.image, file.path, channels);
  const label = file.label === undefined ? {} : { label: file.label };
  if (bytes.mask === undefined || file.mask === undefined) return { image, ...label };
  const mask = readPngIndices(bytes.mask, file.mask);
  if (mask.width !== image.width || mask.height !== image.height) {
    throw new FileError(
      `${file.mask} has ${mask.width} x ${mask.height} pixels, but its image ${file.path} has ${image.width} x ${image.height}. A mask says what is at every pixel of its image, upright.`,
    );
  }
  return { image, mask: mask.data, ...label };
}

/** An example in the making. */
interface Decoding {
  readonly place: number;
  readonly file: FileEntry;
  readonly example: Promise<Example>;
}

/** Decodes files one after the other; all are read from the disk meanwhile. */
function* decoding(
  { root, info }: DecodeContext,
  files: readonly FileEntry[],
  onFile: (place: number) => void,
): Generator<Decoding> {
  const reads = files.map((file) => ({ file, bytes: readBytes(root, file) }));
  // What fails is told when its turn comes.
  for (const { bytes } of reads) bytes.catch(() => undefined);
  for (const [place, { file, bytes }] of reads.entries()) {
    onFile(place);
    yield { place, file, example: bytes.then((read) => decodeExample(info.channels, file, read)) };
  }
}

async function decodeAll(
  context: DecodeContext,
  files: readonly FileEntry[],
  onFile: (place: number) => void,
): Promise<Example[]> {
  const examples: Example[] = [];
  for (const { example } of decoding(context, files, onFile)) examples.push(await example);
  return examples;
}

async function makeFields(
  context: DecodeContext,
  { files, indices = [], epoch }: DecodeTask,
  onFile: (place: number) => void,
): Promise<BatchFields> {
  const { info, plan } = context;
  if (plan === undefined) throw new Error('Batches are made by a plan.');
  const batch = emptyFields(plan.fields, info, files.length);
  for (const { place, file, example } of decoding(context, files, onFile)) {
    placeExample(plan, info, await example, batch, place, {
      index: indices[place] ?? NaN,
      name: file.path,
      ...(epoch !== undefined && { epoch }),
    });
  }
  return batch;
}

async function look(
  context: DecodeContext,
  { files, counted, pixelClasses = IGNORED }: DecodeTask,
  onFile: (place: number) => void,
): Promise<LookedAt> {
  const { info } = context;
  const problems: (readonly [number, string])[] = [];
  const counts = new Float64Array(info.channels * 256);
  const histograms = Array.from({ length: info.channels }, (_, channel) =>
    counts.subarray(channel * 256, (channel + 1) * 256),
  );
  const maskCounts = new Float64Array(256);
  for (const { place, file, example } of decoding(context, files, onFile)) {
    try {
      const { image, mask } = await example;
      if (mask) countMask(mask, pixelClasses, file, maskCounts);
      if (counted?.[place] === false) continue;
      countPixels(fitted({ image }, info).image.data, histograms);
    } catch (error) {
      if (!(error instanceof FoveaError)) throw error;
      problems.push([place, error.message]);
    }
  }
  return { problems, counts, maskCounts };
}

/** @throws FileError for a number that is no class */
function countMask(
  mask: Uint8Array,
  pixelClasses: number,
  file: FileEntry,
  counts: Float64Array,
): void {
  const own = new Float64Array(256);
  countBytes(mask, own);
  const beyond = own.findIndex(
    (number, value) => number > 0 && value >= pixelClasses && value !== IGNORED,
  );
  if (beyond >= 0) {
    throw new FileError(
      `${file.mask ?? file.path} has pixels of the number ${beyond}, but there are ${pixelClasses} classes: expected 0 to ${pixelClasses - 1}, or ${IGNORED} where nobody says.`,
    );
  }
  own.forEach((number, value) => (counts[value] = (counts[value] ?? 0) + number));
}
