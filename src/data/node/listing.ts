/** Which pictures lie in a folder and the folders in it, whatever order the file system tells them in. */
import type { Dirent, Stats } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { FileError } from '../../errors.js';
import { fileKind, KIND_BYTES } from '../../formats/file-kind.js';
import { asFileError } from '../../formats/node/files.js';
import { nearest } from '../../suggest.js';

/** Endings of pictures. Those that are not read are listed all the same, so that they are named and not missed. */
const PICTURE =
  /\.(png|apng|jpe?g|jpe|jfif|webp|gif|bmp|tiff?|avif|hei[cf]|jxl|jp2|psd|svg|ico|ppm|pgm|pbm|tga)$/i;
/** What systems and editors leave in folders. Names with a dot first are hidden anyway. */
const LEFT_BY_SYSTEMS = /^(thumbs\.db|ehthumbs\.db|desktop\.ini|__macosx|icon\r)$/i;

/** What Fovea itself leaves there: see picture-scan.ts. */
export const CACHE_FOLDER = '.fovea';

/** What was found in a folder. */
export interface Listing {
  /** Paths of picture files within the folder, with '/' between names, in the order of code points. */
  readonly files: readonly string[];
  /** Other files, by what they are: how many were passed over. */
  readonly passed: ReadonlyMap<string, number>;
}

/** Names of the folders and files in a folder, hidden ones aside. */
export interface Entries {
  readonly folders: readonly string[];
  readonly pictures: readonly string[];
}

/**
 * All picture files below a folder. Links are followed, but not into a folder that holds them.
 * @throws FileError if a folder cannot be read, or has two names that differ in case only
 */
export async function listPictures(folder: string): Promise<Listing> {
  const files: string[] = [];
  const passed = new Map<string, number>();
  const walk = async (within: string, above: readonly string[]): Promise<void> => {
    const path = join(folder, within);
    const real = await realpath(path);
    if (above.includes(real)) return count(passed, 'links to a folder above');
    const { folders, pictures } = await entriesOf(path, passed);
    for (const name of pictures) files.push(within === '' ? name : `${within}/${name}`);
    for (const name of folders) {
      await walk(within === '' ? name : `${within}/${name}`, [...above, real]);
    }
  };
  await walk('', []);
  return { files: files.sort(byCodePoint), passed };
}

/**
 * What is in a folder itself, in the order of code points.
 * @param passed gets what is passed over
 * @throws FileError if it cannot be read, or has two names that differ in case only
 */
export async function entriesOf(
  folder: string,
  passed = new Map<string, number>(),
): Promise<Entries> {
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw asFileError(error, 'read the folder', folder);
  }
  const folders: string[] = [];
  const pictures: string[] = [];
  for (const entry of entries) {
    const { name } = entry;
    if (name === CACHE_FOLDER) continue;
    if (name.startsWith('.')) count(passed, 'hidden');
    else if (LEFT_BY_SYSTEMS.test(name)) count(passed, name);
    else if (await isFolder(entry, join(folder, name))) folders.push(name);
    else if (await isPicture(name, join(folder, name))) pictures.push(name);
    else count(passed, extname(name) || 'without an ending');
  }
  checkCase(folder, [...folders, ...pictures]);
  return { folders: folders.sort(byCodePoint), pictures: pictures.sort(byCodePoint) };
}

function count(passed: Map<string, number>, what: string): void {
  passed.set(what, (passed.get(what) ?? 0) + 1);
}

async function isFolder(entry: Dirent, path: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  // A link that leads nowhere is a file that cannot be read, and named as such.
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** By its ending, or where it has none, by its first bytes. */
async function isPicture(name: string, path: string): Promise<boolean> {
  if (extname(name) !== '') return PICTURE.test(name);
  const handle = await open(path, 'r').catch(() => undefined);
  if (handle === undefined) return false;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(KIND_BYTES), 0, KIND_BYTES, 0);
    return fileKind(buffer.subarray(0, bytesRead))?.sort === 'picture';
  } finally {
    await handle.close();
  }
}

/** @throws FileError if two names would be one on a disk that does not tell upper from lower case */
function checkCase(folder: string, names: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const name of [...names].sort(byCodePoint)) {
    const plain = name.normalize('NFC').toLowerCase();
    const other = seen.get(plain);
    if (other !== undefined) {
      throw new FileError(
        `${folder} has '${other}' and '${name}', which differ in case only: on other computers they are one. Rename or remove one of them.`,
      );
    }
    seen.set(plain, name);
  }
}

/**
 * The order of code points, which is the same everywhere: what `sort` needs.
 * Plain comparison of strings puts characters beyond U+FFFF before some others.
 */
export function byCodePoint(one: string, other: string): number {
  const end = Math.min(one.length, other.length);
  for (let i = 0; i < end; i++) {
    const difference = rank(one.charCodeAt(i)) - rank(other.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}

/** Halves of a pair stand for characters beyond all others. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** A sentence about what was passed over, or none. */
export function passedNote(folder: string, passed: ReadonlyMap<string, number>): string[] {
  if (passed.size === 0) return [];
  const kinds = [...passed].sort(([one], [other]) => byCodePoint(one, other));
  const total = kinds.reduce((sum, [, number]) => sum + number, 0);
  const list = kinds.map(([kind, number]) => `${number} ${kind}`).join(', ');
  return [
    `${folder}: passed over ${total} ${total === 1 ? 'file that is no picture' : 'files that are no pictures'} (${list}).`,
  ];
}

/** What several listings passed over, together. */
export function addPassed(listings: readonly Pick<Listing, 'passed'>[]): Map<string, number> {
  const sum = new Map<string, number>();
  for (const { passed } of listings) {
    for (const [kind, number] of passed) sum.set(kind, (sum.get(kind) ?? 0) + number);
  }
  return sum;
}

/**
 * Checks that a path leads to a folder, or to a file.
 * @param wanted what is expected there, for the message: `a folder of pictures`
 * @throws FileError if there is nothing, naming the nearest, or something else
 */
export async function requirePath(
  path: string,
  kind: 'folder' | 'file',
  wanted: string,
): Promise<void> {
  let found: Stats;
  try {
    found = await stat(path);
  } catch (error) {
    const missing = asFileError(error, 'read', path);
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw missing;
    const beside = await readdir(dirname(path)).catch(() => []);
    const [near] = nearest(basename(path), beside, 1);
    const advice =
      near === undefined ? 'Check the path.' : `Did you mean '${join(dirname(path), near)}'?`;
    throw new FileError(`${path}: there is no such ${kind}. Expected ${wanted}. ${advice}`);
  }
  if (found.isDirectory() === (kind === 'folder')) return;
  throw new FileError(
    `${path} is a ${kind === 'folder' ? 'file' : 'folder'}: expected ${wanted}.${kind === 'folder' ? ' An archive has to be unpacked first.' : ''}`,
  );
}
