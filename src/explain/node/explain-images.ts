/** The images that a network is shown: of its own data set, or from files. */
import {
  CompressionType,
  FilterType,
  Orientation,
  ResizeFilterType,
  ResizeFit,
  Transformer,
} from '@napi-rs/image';
import { basename } from 'node:path';
import { datasetInfo } from '../../data/catalog.js';
import { size, type ImageDataset } from '../../data/dataset.js';
import { FileError, FoveaError, RequestError } from '../../errors.js';
import type { OrientationNumber } from '../../formats/node/pictures/exif.js';
import { pictureHeader, type PictureHeader } from '../../formats/node/pictures/picture-file.js';
import { readFileChecked } from '../../formats/node/files.js';

/** Larger files are not pictures to look at. */
const LARGEST_FILE = 2 ** 28;

/** The library's names for the numbers of Exif. */
const TURNS: Readonly<Record<OrientationNumber, Orientation>> = {
  1: Orientation.Horizontal,
  2: Orientation.MirrorHorizontal,
  3: Orientation.Rotate180,
  4: Orientation.MirrorVertical,
  5: Orientation.MirrorHorizontalAndRotate270Cw,
  6: Orientation.Rotate90Cw,
  7: Orientation.MirrorHorizontalAndRotate90Cw,
  8: Orientation.Rotate270Cw,
};

/** Images, and what is known of them. */
export interface ShownImages {
  readonly dataset: ImageDataset;
  /** Places in the data set, in the order in which they are shown. */
  readonly indices: readonly number[];
  /** What each is called. */
  readonly labels: readonly string[];
  /** The class of each; empty where it is not known. */
  readonly classes: readonly string[];
  /** Files that could not be used, and why. */
  readonly problems: readonly string[];
}

/**
 * Images of the validation set of a run, by their places in it.
 * @throws RequestError for a place that does not exist
 */
export function imagesOfDataset(dataset: ImageDataset, indices: readonly number[]): ShownImages {
  const total = size(dataset);
  const wrong = indices.filter((index) => !Number.isInteger(index) || index < 0 || index >= total);
  if (wrong.length > 0) {
    throw new RequestError(
      `There is no image ${wrong.join(', ')} among the validation images of ${dataset.name}: expected 0 to ${total - 1}.`,
    );
  }
  return {
    dataset,
    indices,
    labels: indices.map((index) => `${dataset.name} ${index}`),
    classes: indices.map((index) => dataset.classes[dataset.labels[index] ?? 0] ?? ''),
    problems: [],
  };
}

/** What images have to be like for a network: all of a data set but its images. */
export type Frame = Omit<ImageDataset, 'images' | 'labels' | 'masks'>;

/** The frame of a data set that is not at hand. Its class names are not known, so classes have numbers. */
export function frameOf(id: string): Frame {
  const { id: name, classes: count, channels, height, width, normalization } = datasetInfo(id);
  const classes = Array.from({ length: count }, (_, k) => `class ${k}`);
  return { name, split: 'val', classes, channels, height, width, normalization };
}

/**
 * Images from files (PNG, JPEG, WebP). Each is turned upright, cut around the middle to the shape of the
 * network's input, scaled to its size, and laid on white where it is transparent.
 *
 * A file that cannot be used becomes one of `problems` and does not stop the others.
 *
 * @throws FileError if none can be used
 */
export async function imagesFromFiles(
  { name, split, classes, channels, height, width, normalization }: Frame,
  files: readonly string[],
): Promise<ShownImages> {
  const problems: string[] = [];
  const read: { file: string; pixels: Uint8Array }[] = [];
  for (const file of files) {
    try {
      read.push({ file, pixels: await readImage(file, height, width) });
    } catch (error) {
      if (!(error instanceof FoveaError)) throw error;
      problems.push(error.message);
    }
  }
  if (read.length === 0) throw new FileError(problems.join('\n'));
  const record = channels * height * width;
  const images = new Uint8Array(read.length * record);
  for (const [i, { pixels }] of read.entries()) images.set(pixels, i * record);
  const labels = new Int32Array(read.length);
  return {
    dataset: { name, split, classes, channels, height, width, normalization, images, labels },
    indices: read.map((_, i) => i),
    labels: read.map(({ file }) => basename(file)),
    classes: read.map(() => ''),
    problems,
  };
}

/**
 * One image file as [3, H, W] bytes: PNG, JPEG or WebP, of up to {@link LARGEST_FILE} bytes and
 * the pixels that `mostPixels` allows for its size. Grey becomes red, green and blue alike.
 * @throws FileError if it cannot be read or decoded, or ends before the picture does
 */
export async function readImage(file: string, height: number, width: number): Promise<Uint8Array> {
  const bytes = await readFileChecked(file, LARGEST_FILE);
  const header = pictureHeader(bytes, file);
  const rgba = await decode(bytes, header, height, width).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message.trim().replace(/\s+/g, ' ') : '';
    throw new FileError(`${file} is damaged, or of a variety that is not read (${reason}).`, {
      cause: error,
    });
  });
  const area = height * width;
  return Uint8Array.from({ length: 3 * area }, (_, at) => {
    return rgba[4 * (at % area) + Math.floor(at / area)] ?? 0;
  });
}

/** Without its Exif, of which the library, where it does not like it, complains on standard error. */
function blanked(bytes: Uint8Array, exif: Uint8Array): Uint8Array {
  const start = exif.byteOffset - bytes.byteOffset;
  return bytes.slice().fill(0, start, start + exif.length);
}

/** [H, W, 4] */
async function decode(
  bytes: Uint8Array,
  header: PictureHeader,
  height: number,
  width: number,
): Promise<Uint8Array> {
  const { orientation, exif } = header;
  const turned = orientation >= 5;
  const size = turned ? { width: header.height, height: header.width } : header;
  // The largest part in the middle that has the shape wanted. Cut out before it is scaled, in a step of its
  // own, since the library scales first: a line of pixels would become a thousand times as large.
  const scale = Math.min(size.width / width, size.height / height);
  const part = {
    width: Math.min(size.width, Math.max(1, Math.round(width * scale))),
    height: Math.min(size.height, Math.max(1, Math.round(height * scale))),
  };
  const left = Math.floor((size.width - part.width) / 2);
  const top = Math.floor((size.height - part.height) / 2);
  const picture = new Transformer(exif ? blanked(bytes, exif) : bytes);
  if (orientation > 1) picture.rotate(TURNS[orientation]);
  const middle = await picture
    .crop(left, top, part.width, part.height)
    .png({ compressionType: CompressionType.Fast, filterType: FilterType.NoFilter });
  const sized = await new Transformer(middle)
    .resize({ width, height, fit: ResizeFit.Fill, filter: ResizeFilterType.Triangle })
    .png();
  const white = new Uint8Array(4 * height * width).fill(255);
  return Transformer.fromRgbaPixels(white, width, height).composite(sized).rawPixels();
}
