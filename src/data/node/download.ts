/** The official CIFAR archives: downloaded, checked, unpacked. */
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileError, RequestError } from '../../errors.js';
import { asFileError, makeFolder } from '../../formats/node/files.js';
import { datasetInfo } from '../catalog.js';
import {
  CIFAR10,
  CIFAR100,
  CIFAR_PIXELS,
  cifarFileBytes,
  type CifarSpec,
  type LayoutName,
} from '../cifar.js';
import { readMembers } from './archive.js';
import { fetchFile, md5OfFile } from './fetch-file.js';
import { kindOf } from './locate.js';

/** Where the archives are published. */
export const CIFAR_BASE_URL = 'https://www.cs.toronto.edu/~kriz/';

/** What a download is doing. */
export interface DownloadProgress {
  readonly phase: 'download' | 'unpack';
  /** Bytes of the archive that are there. */
  readonly received: number;
  /** Bytes of the whole archive, where the server says. */
  readonly total: number | undefined;
}

/** How to download. */
export interface DownloadOptions {
  /** Which of the two archives. Default 'binary', which is read faster. */
  readonly layout?: LayoutName;
  /** The archive's address, for a mirror. Its MD5 must be the official one. */
  readonly url?: string;
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Stops; the part of the archive that has come stays, and the next call goes on from there. */
  readonly signal?: AbortSignal;
}

/** What a download came to. */
export interface DownloadResult {
  /** The folder with the data set's files. */
  readonly folder: string;
  /** False when everything was there already. */
  readonly changed: boolean;
}

/**
 * Downloads a data set's official archive into a folder, checks its MD5 and unpacks it there. What is
 * there already is not fetched or unpacked again. A file of the data set that is not the official one (by
 * its size) is replaced and kept as NAME.old. The archive is kept beside the folder.
 *
 * @param id 'cifar10' or 'cifar100'
 * @param dir made where it does not exist
 * @throws RequestError for an unknown id or one that needs no download; FoveaError when the download fails
 *   (see `fetchFile`); FileError when the disk cannot take it, or an archive of that name is another file
 */
export async function downloadDataset(
  id: string,
  dir: string,
  options: DownloadOptions = {},
): Promise<DownloadResult> {
  const info = datasetInfo(id);
  if (info.id === 'shapes') {
    throw new RequestError(
      `The data set 'shapes' is made by the program: there is nothing to download. ` +
        `Use 'cifar10' or 'cifar100'.`,
    );
  }
  return downloadCifar(info.id === 'cifar10' ? CIFAR10 : CIFAR100, dir, options);
}

/** Downloads a CIFAR data set. See {@link downloadDataset}. */
export async function downloadCifar(
  spec: CifarSpec,
  dir: string,
  { layout = 'binary', url, onProgress, signal }: DownloadOptions,
): Promise<DownloadResult> {
  const { folder: name, archive, md5 } = spec.layouts[layout];
  const folder = join(dir, name);
  if ((await incomplete(spec, layout, folder)).length === 0) return { folder, changed: false };

  await makeFolder(dir);
  const path = join(dir, archive);
  if ((await kindOf(path)) === undefined) {
    await fetchFile({
      url: url ?? CIFAR_BASE_URL + archive,
      md5,
      path,
      ...(signal && { signal }),
      onProgress: (received, total) => onProgress?.({ phase: 'download', received, total }),
    });
  } else {
    const found = await md5OfFile(path);
    if (found !== md5) {
      throw new FileError(
        `${path}: expected the official archive with MD5 ${md5}, found a file with ${found}. ` +
          'Move it elsewhere and try again, or choose another folder with --data.',
      );
    }
  }

  signal?.throwIfAborted();
  const { size } = await stat(path);
  onProgress?.({ phase: 'unpack', received: size, total: size });
  await unpack(spec, layout, path, dir);
  return { folder, changed: true };
}

/** Unpacks what belongs to the data set beside the folder and moves the result to its name, so that a broken run leaves no half of it. */
async function unpack(
  spec: CifarSpec,
  layout: LayoutName,
  archive: string,
  dir: string,
): Promise<void> {
  const { folder: name } = spec.layouts[layout];
  const folder = join(dir, name);
  let temporary: string | undefined;
  try {
    temporary = await mkdtemp(join(dir, `.${name}-`));
    const unpacked = join(temporary, name);
    await mkdir(unpacked);
    const members = allFiles(spec, layout).map((file) => `${name}/${file}`);
    for (const [member, content] of await readMembers(archive, new Set(members))) {
      await writeFile(join(temporary, member), content);
    }
    const missing = await incomplete(spec, layout, unpacked);
    if (missing.length > 0) {
      throw new FileError(`${archive}: expected it to hold ${name}/${missing.join(`, ${name}/`)}.`);
    }
    if ((await kindOf(folder)) === undefined) {
      await rename(unpacked, folder);
    } else {
      for (const file of await incomplete(spec, layout, folder)) {
        const place = join(folder, file);
        // It may be somebody's own: a part of the data set, say.
        if ((await kindOf(place)) !== undefined) await rename(place, `${place}.old`);
        await rename(join(unpacked, file), place);
      }
    }
  } catch (error) {
    throw asFileError(error, 'unpack into', dir);
  } finally {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
  }
}

/** The files of a layout that are missing from a folder, or too short or long to be right. */
async function incomplete(spec: CifarSpec, layout: LayoutName, folder: string): Promise<string[]> {
  const { train, val } = spec.layouts[layout];
  const wrong: string[] = [];
  const check = async (file: string, expected: (bytes: number) => boolean): Promise<void> => {
    const found = await stat(join(folder, file)).catch(() => undefined);
    if (!found?.isFile() || !expected(found.size)) wrong.push(file);
  };
  for (const [split, files] of [
    ['train', train],
    ['val', val],
  ] as const) {
    const bytes = cifarFileBytes(spec, spec.recordsPerFile[split]);
    // A pickle is longer than its pixels by its labels and names; how much is not fixed.
    const pixels = spec.recordsPerFile[split] * CIFAR_PIXELS;
    for (const file of files) {
      await check(file, (found) => (layout === 'binary' ? found === bytes : found > pixels));
    }
  }
  for (const file of namesFiles(spec, layout)) await check(file, (found) => found > 0);
  return wrong;
}

/** The files with the names of the classes. */
function namesFiles(spec: CifarSpec, layout: LayoutName): string[] {
  return layout === 'binary'
    ? Object.values(spec.labels).map(({ namesFile }) => namesFile)
    : [spec.meta];
}

function allFiles(spec: CifarSpec, layout: LayoutName): string[] {
  const { train, val } = spec.layouts[layout];
  return [...train, ...val, ...namesFiles(spec, layout)];
}
