/** The files of a CIFAR data set, whether they lie in a folder or in an archive. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileError } from '../../errors.js';
import { asFileError } from '../../formats/node/files.js';
import type { CifarSpec, LayoutName } from '../cifar.js';
import type { Split } from '../dataset.js';
import { readMembers } from './archive.js';
import { downloadFolder, downloadHint, locateCifar, type Place } from './locate.js';

/** Files by name. */
export interface CifarFiles {
  readonly layout: LayoutName;
  /** Where a file is, for messages. */
  path(name: string): string;
  /** @throws FileError when there is none of that name */
  read(name: string): Promise<Uint8Array>;
}

/**
 * Finds a data set and opens it.
 *
 * @param data see `LoadOptions`
 * @param names the file with the class names, in each layout
 * @throws RequestError without `data`, FileError when nothing is found or an archive is corrupt
 */
export async function openCifar(
  spec: CifarSpec,
  data: string | undefined,
  split: Split,
  names: Readonly<Record<LayoutName, string>>,
): Promise<CifarFiles> {
  const place = await locateCifar(spec, data);
  return place.kind === 'folder'
    ? folderFiles(spec, place.path, place.layout, place)
    : archiveFiles(spec, place, split, names);
}

function folderFiles(
  spec: CifarSpec,
  folder: string,
  layout: LayoutName,
  place: Place,
): CifarFiles {
  return {
    layout,
    path: (name) => join(folder, name),
    read: async (name) => {
      const path = join(folder, name);
      try {
        return await readFile(path);
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
          throw new FileError(
            `${path} is missing: it is a part of ${spec.id}. ${downloadHint(spec.id, downloadFolder(place))}`,
            { cause: error },
          );
        }
        throw asFileError(error, 'read', path);
      }
    },
  };
}

async function archiveFiles(
  spec: CifarSpec,
  place: Place,
  split: Split,
  names: Readonly<Record<LayoutName, string>>,
): Promise<CifarFiles> {
  const members = (layout: LayoutName): string[] =>
    [names[layout], ...spec.layouts[layout][split]].map(
      (name) => `${spec.layouts[layout].folder}/${name}`,
    );
  const found = await readMembers(
    place.path,
    new Set([...members('binary'), ...members('python')]),
  );
  const layout = members('binary').some((name) => found.has(name)) ? 'binary' : 'python';
  const missing = members(layout).filter((name) => !found.has(name));
  if (missing.length > 0) {
    throw new FileError(
      `${place.path}: expected the archive to hold ${missing.join(', ')}; it is not the ${spec.id} archive. ` +
        downloadHint(spec.id, downloadFolder(place)),
    );
  }
  const path = (name: string): string => `${place.path} (${spec.layouts[layout].folder}/${name})`;
  return {
    layout,
    path,
    read: (name) =>
      Promise.resolve(found.get(`${spec.layouts[layout].folder}/${name}`) ?? new Uint8Array(0)),
  };
}
