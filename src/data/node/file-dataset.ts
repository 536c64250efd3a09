/** From lists of files to data sets: looked through once, then read from the disk as batches need them. */
import { basename, join, resolve } from 'node:path';
import { FileError, RequestError } from '../../errors.js';
import { IGNORED, type Dataset, type Split, type Splits } from '../dataset.js';
import { openFileLoader } from './file-loader.js';
import { workerCount } from './decode-pool.js';
import { readExample, type DecodeContext, type FileEntry } from './decode-tasks.js';
import type { CheckedOptions } from './file-options.js';
import { CACHE_FOLDER } from './listing.js';
import { scanPictures, type Findings } from './picture-scan.js';

/** Files by what they are for. */
export type FileSplit = Readonly<Record<Split, readonly FileEntry[]>>;

/** Files that were found, and what they are. */
export interface FoundFiles {
  /** The folder that paths lie in. */
  readonly root: string;
  readonly entries: readonly FileEntry[];
  /**
   * Which of them are for what.
   * @param entries all, or those that are not broken
   */
  readonly divide: (entries: readonly FileEntry[]) => FileSplit;
  /** Names of the labels; not given where there are masks. */
  readonly classes?: readonly string[];
  /** Names of the numbers in masks, where a person says them. Default, where there are masks: the numbers. */
  readonly pixelClasses?: readonly string[];
  readonly notes: readonly string[];
}

/** How many broken pictures a message names. */
const NAMED = 5;

/**
 * Data sets of files. All pictures are looked through first, unless that was done before.
 * @throws FileError naming broken pictures, unless they are to be left out, and a class that has none left
 */
export async function fileSplits(found: FoundFiles, options: CheckedOptions): Promise<Splits> {
  const { root } = found;
  const { channels, height, width, name = basename(resolve(root)), cache } = options;
  const workers = workerCount(options.workers);
  const base = { name, classes: found.classes ?? [], channels, height, width };
  const scan = (files: FileSplit): ReturnType<typeof scanPictures> =>
    scanPictures({
      // Pictures are looked at as they are.
      context: { root, info: { ...base, normalization: { mean: [], std: [] } } },
      files,
      workers,
      cache: cache ?? join(root, CACHE_FOLDER),
      ...(found.pixelClasses && { pixelClasses: found.pixelClasses.length }),
      onProgress: options.onProgress,
    });
  const first = found.divide(found.entries);
  const all = await scan(first);
  const broken = brokenNotes(all.findings, found.entries.length, name, options.skipBroken);
  const left = withoutBroken(all.findings, found, name);
  // Where broken ones were held out, others are in their place, and the statistics are of other pictures.
  const { findings, notes } = isWithin(left, first) ? all : await scan(left);
  const hasMasks = found.entries.some(({ mask }) => mask !== undefined);
  const pixelClasses = hasMasks ? pixelClassesOf(findings, found.pixelClasses, name) : undefined;
  const normalization = options.normalization ?? findings.normalization;
  if (normalization?.mean.length !== channels || normalization.std.length !== channels) {
    throw new RequestError(
      `The normalization of ${name} has other channels than its images: expected ${channels} numbers in mean and in std.`,
    );
  }
  const info = {
    ...base,
    // What a picture shows is what its masks tell apart.
    ...(pixelClasses && { classes: pixelClasses, pixelClasses }),
    normalization,
  };
  const part = (split: Split): Dataset => fileDataset({ root, info }, split, left[split], workers);
  const unseen = (pixelClasses ?? []).filter((_, value) => findings.maskCounts[value] === 0);
  const missing =
    unseen.length === 0
      ? []
      : [`No mask of ${name} shows ${unseen.map((one) => `'${one}'`).join(', ')}.`];
  return {
    train: part('train'),
    val: part('val'),
    notes: [...found.notes, ...broken, ...missing, ...notes],
  };
}

function fileDataset(
  context: DecodeContext,
  split: Split,
  files: readonly FileEntry[],
  workers: number,
): Dataset {
  const { info } = context;
  const labelled = files.every(({ label }) => label !== undefined);
  const at = (index: number): FileEntry => {
    const file = files[index];
    if (file) return file;
    throw new RequestError(
      `There is no image ${index} in ${info.name} (${split}): expected 0 to ${files.length - 1}.`,
    );
  };
  return {
    ...info,
    split,
    size: files.length,
    ...(labelled && { labels: Int32Array.from(files, ({ label = NaN }) => label) }),
    example: async (index) => readExample(context, at(index)),
    nameOf: (index) => at(index).path,
    ...(workers > 0 && {
      openLoader: (plan, own) =>
        openFileLoader(
          { ...context, info: { ...own, channels: context.info.channels }, plan },
          files,
          workers,
        ),
    }),
  };
}

/** @throws FileError if there are broken pictures, unless they are to be left out */
function brokenNotes(
  { broken }: Findings,
  total: number,
  name: string,
  skipBroken: boolean,
): string[] {
  if (broken.length === 0) return [];
  const reasons = broken
    .slice(0, NAMED)
    .map(({ path, reason }) => `  ${reason.includes(path) ? '' : `${path}: `}${reason}`);
  const more = broken.length > NAMED ? [`  and ${broken.length - NAMED} more`] : [];
  const list = [...reasons, ...more].join('\n');
  const count = `${broken.length} of ${total} pictures of ${name}`;
  if (skipBroken) return [`${count} cannot be used and are left out:\n${list}`];
  throw new FileError(
    `${count} cannot be used:\n${list}\nRepair or remove them, or leave them out with --skip-broken (in code skipBroken: true).`,
  );
}

/** @throws FileError if nothing is left, or nothing of a class */
function withoutBroken(
  { broken }: Findings,
  { entries, classes = [], divide }: FoundFiles,
  name: string,
): FileSplit {
  if (broken.length === 0) return divide(entries);
  const bad = new Set(broken.map(({ path }) => path));
  const left = entries.filter(({ path }) => !bad.has(path));
  const refuse = (what: string): never => {
    throw new FileError(
      `All pictures of ${name}${what} are broken. The first: ${broken[0]?.reason ?? ''}`,
    );
  };
  if (left.length === 0) refuse('');
  const labels = new Set(left.map(({ label }) => label));
  const lost = classes.find((_, label) => !labels.has(label));
  if (lost !== undefined) refuse(` of the class '${lost}'`);
  const files = divide(left);
  for (const split of ['train', 'val'] as const) {
    const inSplit = new Set(files[split].map(({ label }) => label));
    const gone = classes.find((_, label) => !inSplit.has(label));
    if (gone !== undefined) refuse(` (${split}) of the class '${gone}'`);
    if (files[split].length === 0) refuse(` (${split})`);
  }
  return files;
}

/** Whether no file has another purpose than before. */
function isWithin(files: FileSplit, before: FileSplit): boolean {
  return (['train', 'val'] as const).every((split) => {
    const known = new Set(before[split]);
    return files[split].every((file) => known.has(file));
  });
}

/** A division that files have from the start. */
export function dividedAs(files: FileSplit): Pick<FoundFiles, 'entries' | 'divide'> {
  const forTraining = new Set(files.train);
  return {
    entries: [...files.train, ...files.val],
    divide: (entries) => ({
      train: entries.filter((entry) => forTraining.has(entry)),
      val: entries.filter((entry) => !forTraining.has(entry)),
    }),
  };
}

/** @throws FileError for masks that tell nothing apart */
function pixelClassesOf(
  { maskCounts }: Findings,
  named: readonly string[] | undefined,
  name: string,
): readonly string[] {
  const seen = maskCounts.flatMap((count, value) =>
    count > 0 && value !== IGNORED ? [value] : [],
  );
  if (seen.length <= 1) {
    const ignored = (maskCounts[IGNORED] ?? 0) > 0;
    throw new FileError(
      `The masks of ${name} have only ${seen.length === 0 ? 'ignored pixels' : `the number ${seen[0] ?? 0}`}` +
        `${ignored ? ` and ${IGNORED}, which means that a pixel is ignored` : ''}. Expected the number of a class at every pixel: 0, 1, ..`,
    );
  }
  return named ?? Array.from({ length: 1 + Math.max(...seen) }, (_, value) => String(value));
}
