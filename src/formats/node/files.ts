/**
 * Files as checkpoints need them: a write either happens whole or leaves the old file as it was,
 * and whatever goes wrong is said in words, with what to do.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { FileError } from '../../errors.js';
import { readSafetensors, writeSafetensors } from '../safetensors.js';
import type { Safetensors, StoredTensor } from '../safetensors.js';

const WHAT_TO_DO: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder: check the path, or make the folder first',
  ENOTDIR: 'a part of the path is a file, not a folder: check the path',
  EISDIR: 'it is a folder, not a file: give the path of a file',
  EEXIST: 'a file of that name is in the way: move it or choose another path',
  EACCES: 'permission denied: choose a place you may use, or change its permissions',
  EPERM: 'permission denied: choose a place you may use, or change its permissions',
  EROFS: 'the file system is read-only: choose another place',
  ENOSPC: 'the disk is full: free some space or choose another disk',
  EDQUOT: 'your disk quota is used up: free some space or choose another disk',
  EFBIG: 'the file is larger than the system allows: choose another disk or raise the limit',
  ENAMETOOLONG: 'the name is too long: choose a shorter one',
  ERR_FS_FILE_TOO_LARGE: 'files of more than 2 GiB are not read: split it into smaller ones',
  EMFILE: 'too many files are open: close some, or raise the limit (ulimit -n)',
};

/**
 * Writes a file so that a reader, or a crash at any moment, finds either the old content or the
 * new, never a part: the bytes go to a temporary file in the same folder, are flushed to the disk
 * and then take the file's name. A symbolic link is followed and an existing file's mode is kept.
 *
 * @param path the file; its folder must exist
 * @param content bytes, or text to be stored as UTF-8
 * @param keepAs a path in the same folder under which the old content is kept, in the place of what
 *   was there. It takes that name when the new content is safe on the disk and just before it takes
 *   its own, so that there is a whole file under one of the two names at every moment
 * @throws FileError when it cannot be written; the old content is then still there
 */
export async function writeFileAtomic(
  path: string,
  content: Uint8Array | string,
  keepAs?: string,
): Promise<void> {
  // A name of its own for every write: writers that meet do not share a half-written file.
  const target = await realpath(path).catch(() => path);
  const temporary = join(dirname(target), temporaryName(basename(target)));
  try {
    const old = await stat(target).catch(() => undefined);
    const handle = await open(temporary, 'wx');
    try {
      if (old?.isFile()) await handle.chmod(old.mode & 0o777);
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (old !== undefined && keepAs !== undefined) await rename(target, keepAs);
    await rename(temporary, target);
    await syncFolder(dirname(target));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw asFileError(error, 'write', path);
  }
}

function temporaryName(name: string): string {
  return `.${name.slice(0, 200)}.${randomBytes(6).toString('hex')}.tmp`;
}

const TEMPORARY = /^\.(.+)\.[0-9a-f]{12}\.tmp$/;

/** Whether a file's name is one that {@link writeFileAtomic} gives while it writes. */
export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

/**
 * Removes the temporary files that {@link writeFileAtomic} had no time to remove, when its process
 * was killed. Nobody else may be writing in the folder.
 *
 * @param folder where the files are
 * @param names of the files that were to be written
 * @throws FileError when the folder cannot be read or a file not be removed
 */
export async function removeTemporaryFiles(
  folder: string,
  names: readonly string[],
): Promise<void> {
  try {
    for (const found of await readdir(folder)) {
      const name = TEMPORARY.exec(found)?.[1];
      if (name !== undefined && names.includes(name)) await rm(join(folder, found));
    }
  } catch (error) {
    throw asFileError(error, 'clean', folder);
  }
}

/**
 * Reads a whole file.
 *
 * @param most bytes that it may have; the system's own limit is 2 GiB
 * @throws FileError when it is missing, cannot be read or is larger
 */
export async function readFileChecked(path: string, most = Infinity): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > most) {
      throw new FileError(`${path} has ${size} bytes; files of this kind may have up to ${most}.`);
    }
    return await readFile(path);
  } catch (error) {
    throw asFileError(error, 'read', path);
  }
}

/**
 * Reads a file of JSON.
 *
 * @throws FileError when it is missing, cannot be read or is not JSON
 */
export async function readJsonFile(path: string): Promise<unknown> {
  return parseJson(new TextDecoder().decode(await readFileChecked(path)), path);
}

/**
 * The value of a text of JSON.
 *
 * @param where what errors call it
 * @throws FileError when it is not JSON
 */
export function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FileError(`${where} is not valid JSON: it was changed or cut off.`, { cause: error });
  }
}

/**
 * Writes a file of JSON for people too, whole or not at all, as {@link writeFileAtomic}.
 *
 * @throws FileError when it cannot be written; the old content is then still there
 */
export async function writeJsonFile(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}

/**
 * Makes a folder and the folders above it; one that exists is left as it is.
 *
 * @throws FileError when it cannot be made, or a file stands in its place
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeWithParents(resolve(path));
  } catch (error) {
    throw asFileError(error, 'make the folder', path);
  }
}

/** Not Node's own way (`recursive`), which never ends where a system answers ENOENT, as in /proc. */
async function makeWithParents(path: string): Promise<void> {
  if (await isFolder(path)) return;
  const parent = dirname(path);
  const above = await stat(parent).catch(() => undefined);
  if (above === undefined && parent !== path) await makeWithParents(parent);
  try {
    await mkdir(path);
  } catch (error) {
    // Another program may have been faster.
    if (!(await isFolder(path))) throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ?? false;
}

/**
 * Reads a safetensors file.
 *
 * @throws FileError when it is missing, truncated, corrupt or of another kind
 */
export async function readTensors(path: string): Promise<Safetensors> {
  return readSafetensors(await readFileChecked(path), path);
}

/**
 * Writes a safetensors file atomically. See {@link writeSafetensors} for the order of its content.
 *
 * @throws FileError when it cannot be written, RequestError when the tensors cannot be stored
 */
export async function saveTensors(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFileAtomic(path, writeSafetensors(tensors, metadata));
}

/** A failure of the file system in words; anything else is a bug and stays what it is. */
export function asFileError(error: unknown, action: string, path: string): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  const code = String(error.code);
  if (!('syscall' in error) && !Object.hasOwn(WHAT_TO_DO, code)) return error;
  const reason = WHAT_TO_DO[code] ?? error.message;
  return new FileError(`Cannot ${action} ${path}: ${reason} (${code}).`, { cause: error });
}

/** Makes the rename itself survive a power cut, where the system can flush a folder. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  if (handle === undefined) return;
  try {
    await handle.sync();
  } catch {
    // Windows and some network file systems cannot; the new file is in place all the same.
  } finally {
    await handle.close();
  }
}
