/** Pictures by a list: a table of paths and classes. */
import { basename, dirname, extname, posix } from 'node:path';
import { FileError, RequestError } from '../../errors.js';
import { readFileChecked } from '../../formats/node/files.js';
import { suggestion } from '../../suggest.js';
import type { Split, Splits } from '../dataset.js';
import { parseCsv, type CsvRow } from './csv.js';
import type { FileEntry } from './decode-tasks.js';
import { dividedAs, fileSplits, type FoundFiles } from './file-dataset.js';
import { checkedOptions, type CheckedOptions, type FileOptions } from './file-options.js';
import { holdOut, splitOfWord } from './held-out.js';
import { byCodePoint, requirePath } from './listing.js';

/** Options of {@link imageList}. */
export interface ListOptions extends FileOptions {
  /** Names of the classes in their order; labels are these names, or their places from 0. Default: the labels. */
  readonly classes?: readonly string[];
}

/** What the columns are called, by what they hold. */
const COLUMNS = {
  path: ['path', 'file', 'filename', 'file_name', 'image', 'image_path'],
  label: ['label', 'class', 'category'],
  split: ['split', 'set'],
} as const;
type Column = keyof typeof COLUMNS;

/** A list of more bytes is none: 256 MiB. */
const LARGEST_LIST = 2 ** 28;

/**
 * Data sets of the pictures that a table names (CSV, UTF-8): `path,label`, and perhaps `split`.
 *
 * The first line may name the columns, which then may have any order, and others beside them; without
 * it they are path, label and split. Paths are relative to the table. Labels are names or numbers: their
 * order is that of the numbers, or of the names. `split` is `train` or `val` in every line; without that
 * column the share `validation` of every class is held out. The rest is as in `imageFolder`.
 *
 * @throws RequestError for options that cannot be
 * @throws FileError naming the line of a table that cannot be read, a path that is listed twice, an unknown
 *   class or split, classes without a picture, and broken or missing pictures
 *
 * @example
 * const { train, val } = await imageList('birds/labels.csv', { size: [96, 128], channels: 1 });
 */
export async function imageList(file: string, options: ListOptions): Promise<Splits> {
  // A program without types may have given none.
  const checked = checkedOptions({ ...options });
  await requirePath(file, 'file', 'a table (CSV) with the columns path and label');
  const text = new TextDecoder().decode(await readFileChecked(file, LARGEST_LIST));
  const name = options.name ?? basename(file, extname(file));
  return fileSplits(findListed(text, file, options.classes, checked), { ...checked, name });
}

function findListed(
  text: string,
  file: string,
  named: readonly string[] | undefined,
  options: CheckedOptions,
): FoundFiles {
  const { rows, columns } = tableOf(parseCsv(text, file), file);
  const lines = rows.map(({ line, cells }) => {
    const where = `${file}, line ${line}`;
    const cell = (column: Column): string => {
      const value = cells[columns[column] ?? NaN]?.trim() ?? '';
      if (value !== '') return value;
      throw new FileError(
        `${where}: the ${column} is missing. Expected ${columns.split === undefined ? 'path,label' : 'path,label,split'}.`,
      );
    };
    const split = columns.split === undefined ? undefined : splitAt(cell('split'), where);
    return { where, path: posix.normalize(cell('path')), label: cell('label'), split };
  });
  const classes = named ?? classesOf(lines.map(({ label }) => label));
  const seen = new Map<string, string>();
  const entries = lines.map(({ where, path, label, split }) => {
    const plain = path.normalize('NFC').toLowerCase();
    const other = seen.get(plain);
    if (other !== undefined) {
      throw new FileError(
        other === path
          ? `${where}: ${path} is listed twice. List every picture once.`
          : `${where}: ${path} and ${other} differ in case only: on other computers they are one. Rename one of them.`,
      );
    }
    seen.set(plain, path);
    return { path, label: labelOf(label, classes, where), split };
  });
  requireAll(entries, classes, file);
  const bySplit = (wanted: Split): FileEntry[] =>
    entries.flatMap(({ path, label, split }) => (split === wanted ? [{ path, label }] : []));
  const base = { root: dirname(file), classes, notes: [] };
  if (columns.split === undefined) {
    return {
      ...base,
      entries: inOrder(entries),
      divide: (some) => holdOut(some, classes, options),
    };
  }
  const files = { train: bySplit('train'), val: bySplit('val') };
  requireAll(files.train, classes, `${file} (train)`);
  requireAll(files.val, classes, `${file} (val)`);
  return { ...base, ...dividedAs(files) };
}

interface Table {
  readonly rows: readonly CsvRow[];
  readonly columns: { readonly path: number; readonly label: number; readonly split?: number };
}

/** Tells the first line from the others: it names columns. */
function tableOf(rows: readonly CsvRow[], file: string): Table {
  const names = rows[0]?.cells.map((cell) => cell.trim().toLowerCase()) ?? [];
  const place = (column: Column): number =>
    names.findIndex((name) => (COLUMNS[column] as readonly string[]).includes(name));
  const [path, label, split] = [place('path'), place('label'), place('split')];
  const hasNames = path >= 0 && label >= 0;
  const data = hasNames ? rows.slice(1) : rows;
  if (data.length === 0) {
    throw new FileError(
      `${file} lists no pictures. Expected lines of a path and a class: cat/1.jpg,cat.`,
    );
  }
  if (hasNames) return { rows: data, columns: { path, label, ...(split >= 0 && { split }) } };
  const wide = rows.some(({ cells }) => cells.length > 2);
  return { rows: data, columns: { path: 0, label: 1, ...(wide && { split: 2 }) } };
}

function splitAt(word: string, where: string): Split {
  const split = splitOfWord(word);
  if (split) return split;
  throw new FileError(`${where}: the split '${word}' is unknown. Expected train or val.`);
}

/** All labels in the order of their numbers, if they are whole numbers, or of their names. */
function classesOf(labels: readonly string[]): string[] {
  const different = [...new Set(labels)];
  const numbers = different.every((label) => /^(0|[1-9]\d{0,8})$/.test(label));
  return different.sort(numbers ? (one, other) => Number(one) - Number(other) : byCodePoint);
}

function labelOf(label: string, classes: readonly string[], where: string): number {
  const place = classes.indexOf(label);
  if (place >= 0) return place;
  if (/^\d+$/.test(label) && Number(label) < classes.length) return Number(label);
  throw new RequestError(
    `${where}: the class '${label}' is unknown. ${suggestion(label, classes)}`,
  );
}

/** The order of the paths, so that the lines' order does not matter to what is held out. */
function inOrder(entries: readonly Required<Pick<FileEntry, 'path' | 'label'>>[]): FileEntry[] {
  return entries
    .map(({ path, label }) => ({ path, label }))
    .sort((one, other) => byCodePoint(one.path, other.path));
}

/** @throws FileError if a class has no picture */
function requireAll(entries: readonly FileEntry[], classes: readonly string[], what: string): void {
  const present = new Set(entries.map(({ label }) => label));
  const missing = classes.filter((_, label) => !present.has(label));
  if (missing.length === 0) return;
  throw new FileError(
    `${what} lists no picture of the ${missing.length === 1 ? 'class' : 'classes'} ${missing.map((name) => `'${name}'`).join(', ')}. Training and validation need pictures of every class.`,
  );
}
