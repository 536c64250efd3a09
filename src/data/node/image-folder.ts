/** A folder of pictures with a folder for every class. */
import { join } from 'node:path';
import { FileError } from '../../errors.js';
import { nearest } from '../../suggest.js';
import type { Split, Splits } from '../dataset.js';
import type { FileEntry } from './decode-tasks.js';
import { dividedAs, fileSplits, type FoundFiles } from './file-dataset.js';
import { checkedOptions, type CheckedOptions, type FileOptions } from './file-options.js';
import { holdOut } from './held-out.js';
import { addPassed, entriesOf, listPictures, passedNote, requirePath } from './listing.js';
import { splitFolders } from './split-folders.js';

/**
 * Data sets of a folder of pictures (PNG, JPEG or WebP, of any size and kind) with a folder for every class.
 *
 * The folder has either `train` and `val` in it (or `valid`, `validation`; `test` if there is none of
 * them), with the class folders in each; or the class folders themselves, and then the share `validation`
 * of every class is held out, always the same for a `seed`. Pictures may lie in further folders of a
 * class. Classes have the order of their names. Files that are no pictures are passed over and counted in `notes`.
 *
 * All pictures are decoded once at first, to find broken ones and the mean and deviation of the training
 * pictures; what is found is kept in a folder `.fovea` and holds until a file changes. After that, pictures
 * are read as batches need them, by threads; only their paths stay in memory.
 *
 * @throws RequestError for options that cannot be
 * @throws FileError for a path that is no folder, one without classes, a class without a picture, classes
 *   that are not the same for training and validation, names that differ in case only, and broken pictures
 *
 * @example
 * const { train, val } = await imageFolder('flowers', { size: 64 });
 */
export async function imageFolder(folder: string, options: FileOptions): Promise<Splits> {
  // A program without types may have given none.
  const checked = checkedOptions({ ...options });
  await requirePath(folder, 'folder', 'a folder with a folder of pictures for every class');
  return fileSplits(await findClasses(folder, checked), checked);
}

async function findClasses(folder: string, options: CheckedOptions): Promise<FoundFiles> {
  const { folders, notes } = await splitFolders(folder);
  if (folders === undefined) {
    const all = await classFolders(folder, '');
    return {
      ...all,
      root: folder,
      divide: (entries) => holdOut(entries, all.classes, options),
      notes: [...notes, ...all.notes],
    };
  }
  const train = await classFolders(folder, folders.train);
  if (folders.val === undefined) {
    return {
      ...train,
      root: folder,
      divide: (entries) => holdOut(entries, train.classes, options),
      notes: [...notes, ...train.notes],
    };
  }
  const val = await classFolders(folder, folders.val);
  sameClasses(folder, { train: train.classes, val: val.classes }, [folders.train, folders.val]);
  return {
    root: folder,
    classes: train.classes,
    ...dividedAs({ train: train.entries, val: val.entries }),
    notes: [...notes, ...train.notes, ...val.notes],
  };
}

interface Classes {
  readonly classes: readonly string[];
  readonly entries: readonly FileEntry[];
  readonly notes: readonly string[];
}

/** @param within a folder in the data set's folder, or '' for itself */
async function classFolders(folder: string, within: string): Promise<Classes> {
  const path = join(folder, within);
  const passed = new Map<string, number>();
  const { folders: classes, pictures } = await entriesOf(path, passed);
  if (classes.length === 0) {
    const found =
      pictures.length > 0
        ? `${pictures.length} ${pictures.length === 1 ? 'picture' : 'pictures'}, but no folders`
        : passed.size > 0
          ? 'no folders and no pictures'
          : 'nothing';
    throw new FileError(
      `${path} has ${found} in it. Expected a folder for every class, with its pictures: ${join(path, 'cat', '1.jpg')}.`,
    );
  }
  const listings = [];
  const entries: FileEntry[] = [];
  for (const [label, name] of classes.entries()) {
    const listing = await listPictures(join(path, name));
    const inside = within === '' ? name : `${within}/${name}`;
    if (listing.files.length === 0) {
      const others = [...listing.passed.values()].reduce((sum, count) => sum + count, 0);
      throw new FileError(
        `${join(path, name)} is a class without a picture${others > 0 ? ` (it has ${others} other ${others === 1 ? 'file' : 'files'})` : ''}. Add pictures (PNG, JPEG or WebP), or remove the folder.`,
      );
    }
    for (const file of listing.files) entries.push({ path: `${inside}/${file}`, label });
    listings.push(listing);
  }
  const stray =
    pictures.length > 0
      ? [
          `${path}: passed over ${pictures.length} ${pictures.length === 1 ? 'picture that lies' : 'pictures that lie'} in no class folder.`,
        ]
      : [];
  return {
    classes,
    entries,
    notes: [...stray, ...passedNote(path, addPassed([{ passed }, ...listings]))],
  };
}

/** @throws FileError if a class has pictures for one purpose only */
function sameClasses(
  folder: string,
  classes: Readonly<Record<Split, readonly string[]>>,
  [train, val]: readonly [string, string],
): void {
  for (const [own, other, here, there] of [
    [classes.val, classes.train, val, train],
    [classes.train, classes.val, train, val],
  ] as const) {
    const lonely = own.filter((name) => !other.includes(name));
    const [first] = lonely;
    if (first === undefined) continue;
    const [near] = nearest(
      first,
      other.filter((name) => !own.includes(name)),
      1,
    );
    throw new FileError(
      `${lonely.length === 1 ? 'The class folder' : 'The class folders'} ${lonely.map((name) => `'${name}'`).join(', ')} ${lonely.length === 1 ? 'is' : 'are'} in ${join(folder, here)} only, not in ${join(folder, there)}.` +
        `${near === undefined ? '' : ` There is '${near}' there: did you mean the same class?`} Both need pictures of every class.`,
    );
  }
}
