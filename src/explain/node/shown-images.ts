/** The images that a network is shown: of a data set, or from files. */
import { basename } from 'node:path';
import type { DataInfo, Dataset, Pixels } from '../../data/dataset.js';
import { picturesDataset } from '../../data/node/pictures-dataset.js';
import { FileError, FoveaError, RequestError } from '../../errors.js';
import { readPicture } from '../../formats/node/pictures/decode.js';

/** Images, and what is known of them. */
export interface ShownImages {
  readonly dataset: Dataset;
  /** Places in the data set, in the order in which they are shown. */
  readonly indices: readonly number[];
  /** What the image at a place of the data set is called. */
  readonly labelOf: (index: number) => string;
  /** Its class; empty where it is not known. */
  readonly classOf: (index: number) => string;
  /** The picture as a person would see it, at its own size. */
  readonly pictureOf: (index: number) => Promise<Pixels>;
  /** Files that could not be used, and why. */
  readonly problems: readonly string[];
}

/**
 * Images of a data set, by their places in it.
 * @throws RequestError for a place that does not exist
 */
export function imagesOfDataset(dataset: Dataset, indices: readonly number[]): ShownImages {
  const { name, split, size, classes, labels } = dataset;
  const wrong = indices.filter((index) => !Number.isInteger(index) || index < 0 || index >= size);
  if (wrong.length > 0) {
    const part = split === 'val' ? 'validation' : 'training';
    throw new RequestError(
      `There is no image ${wrong.join(', ')} among the ${part} images of ${name}: expected 0 to ${size - 1}.`,
    );
  }
  return {
    dataset,
    indices,
    labelOf: (index) => dataset.nameOf?.(index) ?? `${name} ${index}`,
    classOf: (index) => classes[labels?.[index] ?? NaN] ?? '',
    pictureOf: async (index) => (await dataset.example(index)).image,
    problems: [],
  };
}

/**
 * Images from files (PNG, JPEG, WebP), as a training brings its pictures to size. A file that cannot be used
 * becomes one of `problems` and does not stop the others.
 * @throws FileError if none can be used
 */
export async function imagesFromFiles(
  info: DataInfo,
  files: readonly string[],
): Promise<ShownImages> {
  const problems: string[] = [];
  const usable: string[] = [];
  for (const file of files) {
    try {
      // Only to see whether it can be: pictures are not kept, since there may be many.
      await readPicture(file, 3);
      usable.push(file);
    } catch (error) {
      if (!(error instanceof FoveaError)) throw error;
      problems.push(error.message);
    }
  }
  if (usable.length === 0) throw new FileError(problems.join('\n'));
  const names = usable.map((file) => basename(file));
  const fileOf = (index: number): string => usable[index] ?? '';
  return {
    dataset: picturesDataset(usable, info),
    indices: usable.map((_, index) => index),
    labelOf: (index) => {
      const name = basename(fileOf(index));
      return names.filter((one) => one === name).length > 1 ? fileOf(index) : name;
    },
    classOf: () => '',
    pictureOf: (index) => readPicture(fileOf(index), 3),
    problems,
  };
}
