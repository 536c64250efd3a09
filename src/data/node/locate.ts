/** Finding a CIFAR data set under a path that a person gave. */
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FileError, RequestError } from '../../errors.js';
import { asFileError } from '../../formats/node/files.js';
import type { CifarLayout, CifarSpec, LayoutName } from '../cifar.js';

/** Where a data set was found: a folder of one layout, or an archive. */
export type Place =
  | { readonly kind: 'folder'; readonly path: string; readonly layout: LayoutName }
  | { readonly kind: 'archive'; readonly path: string };

const LAYOUTS: readonly LayoutName[] = ['binary', 'python'];

/** What to do about files that are missing or wrong. */
export function downloadHint(id: string, folder: string): string {
  return `\`fovea data ${id} --data ${folder}\` downloads it.`;
}

/** 'file', 'folder' or undefined where there is nothing. */
export async function kindOf(path: string): Promise<'file' | 'folder' | undefined> {
  try {
    const found = await stat(path);
    return found.isDirectory() ? 'folder' : 'file';
  } catch (error) {
    if (error instanceof Error && 'code' in error) {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    }
    throw asFileError(error, 'look at', path);
  }
}

/**
 * Finds a data set: `data` is its folder in either layout, a folder that holds that folder or the
 * archive (as it is published, or as .tar.xz or .tar), or the archive itself. Folders come before archives, binary before python.
 *
 * @throws RequestError without `data`, FileError when nothing is found
 */
export async function locateCifar(spec: CifarSpec, data: string | undefined): Promise<Place> {
  if (data === undefined) {
    throw new RequestError(
      `The data set ${spec.id} is read from files: say where they are with --data. ` +
        downloadHint(spec.id, 'DIR'),
    );
  }
  const kind = await kindOf(data);
  if (kind === 'file') {
    if (belongs(spec, basename(data))) {
      throw new FileError(
        `${data} is one file of ${spec.id}: give the folder that holds all of them, ${dirname(data)}.`,
      );
    }
    return { kind: 'archive', path: data };
  }
  if (kind === 'folder') {
    const place = await lookInto(spec, data);
    if (place !== undefined) return place;
  }
  const { binary, python } = spec.layouts;
  throw new FileError(
    `${data}: ${kind === undefined ? 'there is no such file or folder' : `found no ${spec.id} in it`}. ` +
      `Expected ${binary.folder}/ or ${python.folder}/, a folder that holds one of them, or the archive ` +
      `${binary.archive} or ${python.archive}. ${downloadHint(spec.id, data)}`,
  );
}

/** Whether a data set has a file of that name. */
function belongs(spec: CifarSpec, name: string): boolean {
  const names = Object.values(spec.labels).map(({ namesFile }) => namesFile);
  const { binary, python } = spec.layouts;
  return [binary, python]
    .flatMap(({ train, val }) => [...train, ...val])
    .concat(spec.meta, names)
    .includes(name);
}

async function lookInto(spec: CifarSpec, folder: string): Promise<Place | undefined> {
  for (const layout of LAYOUTS) {
    const { folder: name, train, val } = spec.layouts[layout];
    const named = basename(resolve(folder)) === name;
    const present = await Promise.all([...train, ...val].map((file) => kindOf(join(folder, file))));
    if (named || present.includes('file')) return { kind: 'folder', path: folder, layout };
  }
  for (const layout of LAYOUTS) {
    const path = join(folder, spec.layouts[layout].folder);
    if ((await kindOf(path)) === 'folder') return { kind: 'folder', path, layout };
  }
  for (const layout of LAYOUTS) {
    for (const name of archiveNames(spec.layouts[layout])) {
      const path = join(folder, name);
      if ((await kindOf(path)) === 'file') return { kind: 'archive', path };
    }
  }
  return undefined;
}

/** The official archive's name, and those that it has when packed otherwise. */
function archiveNames({ archive }: CifarLayout): string[] {
  return [archive, archive.replace(/\.gz$/, '.xz'), archive.replace(/\.gz$/, '')];
}

/** The folder that a download should go to so that the files at `place` are replaced. */
export function downloadFolder(place: Place): string {
  return dirname(resolve(place.path));
}
