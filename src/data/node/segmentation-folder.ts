/** Pictures, and for each a mask that says what is at every pixel. */
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { FileError } from '../../errors.js';
import { asFileError } from '../../formats/node/files.js';
import { IGNORED, type Splits } from '../dataset.js';
import type { FileEntry } from './decode-tasks.js';
import { dividedAs, fileSplits, type FoundFiles } from './file-dataset.js';
import { checkedOptions, type CheckedOptions, type FileOptions } from './file-options.js';
import { holdOut } from './held-out.js';
import { addPassed, entriesOf, listPictures, passedNote, requirePath } from './listing.js';
import { splitFolders, type SplitFolders } from './split-folders.js';

/** Options of {@link segmentationFolder}. */
export interface SegmentationOptions extends FileOptions {
  /** What the numbers 0, 1, .. in masks stand for. Default: the lines of `classes.txt`, or else the numbers. */
  readonly classes?: readonly string[];
}

const IMAGES = 'images';
const MASKS = 'masks';
const CLASSES = 'classes.txt';

/**
 * Data sets of a folder with the pictures in `images` and, by the same name but for its ending, their
 * masks in `masks`.
 *
 * A mask is a palette or grey PNG of up to 8 bits as large as its picture. Its numbers are read as they
 * are stored, never as colours: the number of the class at every pixel, 255 where nobody says. `train` and
 * `val` may each have `images` and `masks`, or `images` and `masks` may each have `train` and `val`;
 * otherwise the share `validation` of all pictures is held out. The rest is as in `imageFolder`.
 *
 * @throws RequestError for options that cannot be
 * @throws FileError for a picture without a mask and the other way round, two pictures of one name, a mask
 *   that is no palette or grey PNG, of another size than its picture, or with a number that is no class
 *
 * @example
 * const { train, val } = await segmentationFolder('streets', { size: [128, 256] });
 */
export async function segmentationFolder(
  folder: string,
  options: SegmentationOptions,
): Promise<Splits> {
  // A program without types may have given none.
  const checked = checkedOptions({ ...options });
  await requirePath(folder, 'folder', `a folder with the folders ${IMAGES} and ${MASKS}`);
  const pixelClasses = options.classes ?? (await readClasses(join(folder, CLASSES)));
  if (pixelClasses && (pixelClasses.length < 2 || pixelClasses.length > IGNORED)) {
    throw new FileError(
      `${folder} has ${pixelClasses.length} classes of pixels; expected 2 to ${IGNORED}.`,
    );
  }
  const found = await findPairs(folder, checked);
  return fileSplits({ ...found, ...(pixelClasses && { pixelClasses }) }, checked);
}

/** The names in a text file, one a line; undefined if there is no such file. */
async function readClasses(path: string): Promise<string[] | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    const names = text
      .replace(/^\ufeff/, '')
      .split(/\r\n|\n|\r/)
      .map((line) => line.trim());
    while (names.at(-1) === '') names.pop();
    const gap = names.indexOf('');
    if (gap < 0) return names;
    throw new FileError(`${path}: line ${gap + 1} is empty. Expected the name of class ${gap}.`);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw asFileError(error, 'read', path);
  }
}

/** Where images and masks of a split lie, within the folder. */
interface Place {
  readonly images: string;
  readonly masks: string;
}

async function findPairs(folder: string, options: CheckedOptions): Promise<FoundFiles> {
  const { folders, notes, placeOf } = await findPlaces(folder);
  const train = await pairsIn(folder, placeOf(folders?.train));
  if (folders?.val === undefined) {
    return {
      root: folder,
      entries: train.entries,
      divide: (entries) => holdOut(entries, [], options),
      notes: [...notes, ...train.notes],
    };
  }
  const val = await pairsIn(folder, placeOf(folders.val));
  return {
    root: folder,
    ...dividedAs({ train: train.entries, val: val.entries }),
    notes: [...notes, ...train.notes, ...val.notes],
  };
}

/** The folders of splits may stand above `images` and `masks`, or in them, or not be there. */
async function findPlaces(folder: string): Promise<{
  readonly folders?: SplitFolders;
  readonly notes: readonly string[];
  readonly placeOf: (split: string | undefined) => Place;
}> {
  const { folders: inside } = await entriesOf(folder);
  if (!inside.includes(IMAGES)) {
    const above = await splitFolders(folder);
    if (above.folders) {
      return {
        ...above,
        placeOf: (split = '') => ({ images: `${split}/${IMAGES}`, masks: `${split}/${MASKS}` }),
      };
    }
    throw new FileError(
      `${folder} has no folder '${IMAGES}'. Expected ${IMAGES}/1.jpg and ${MASKS}/1.png, in it or in folders called train and val.`,
    );
  }
  return {
    ...(await splitFolders(join(folder, IMAGES))),
    placeOf: (split) =>
      split === undefined
        ? { images: IMAGES, masks: MASKS }
        : { images: `${IMAGES}/${split}`, masks: `${MASKS}/${split}` },
  };
}

async function pairsIn(
  folder: string,
  { images, masks }: Place,
): Promise<{ readonly entries: FileEntry[]; readonly notes: readonly string[] }> {
  const [imagePath, maskPath] = [join(folder, images), join(folder, masks)];
  await requirePath(imagePath, 'folder', 'a folder of pictures');
  await requirePath(maskPath, 'folder', 'a folder of masks, by the names of the pictures');
  const [pictures, found] = [await listPictures(imagePath), await listPictures(maskPath)];
  if (pictures.files.length === 0) throw new FileError(`${imagePath} has no pictures in it.`);
  const maskOf = byName(found.files, maskPath);
  const entries = [...byName(pictures.files, imagePath)].map(([name, file]) => {
    const mask = maskOf.get(name);
    if (mask === undefined) {
      throw new FileError(
        `${join(imagePath, file)} has no mask: expected ${join(maskPath, `${name}.png`)}. Add it, or remove the picture.`,
      );
    }
    maskOf.delete(name);
    return { path: `${images}/${file}`, mask: `${masks}/${mask}` };
  });
  for (const mask of maskOf.values()) {
    throw new FileError(
      `${join(maskPath, mask)} is the mask of no picture: there is none of its name in ${imagePath}. Add it, or remove the mask.`,
    );
  }
  return {
    entries,
    notes: [
      ...passedNote(imagePath, addPassed([pictures])),
      ...passedNote(maskPath, addPassed([found])),
    ],
  };
}

/** Files by their path without its ending. @throws FileError if two have the same */
function byName(files: readonly string[], folder: string): Map<string, string> {
  const named = new Map<string, string>();
  for (const file of files) {
    const name = file.slice(0, file.length - extname(file).length);
    const other = named.get(name);
    if (other !== undefined) {
      throw new FileError(
        `${folder} has ${other} and ${file}: two files of one name, so it is not clear which belongs to the other folder's. Remove or rename one.`,
      );
    }
    named.set(name, file);
  }
  return named;
}
