/** What has to be known of a picture file before it is decoded: its kind, size, and which way up it is. */
import { FileError } from '../../../errors.js';
import { fileKind } from '../../file-kind.js';
import type { OrientationNumber } from './exif.js';
import { jpegHeader } from './jpeg.js';
import { pngHeader } from './png.js';
import { webpHeader } from './webp.js';

/** A picture larger than this is refused before it is decoded: 100 million pixels. */
export const LARGEST_PICTURE = 100_000_000;

/** So many pixels may stand in a file of any size. */
const PIXELS_OF_ANY_FILE = 20_000_000;
/** So many more may stand in each of its bytes; photographs have fewer than ten. */
const PIXELS_OF_A_BYTE = 32;

/**
 * The most pixels that a picture in a file of this size may have. Decoding takes about ten bytes for
 * each, and an empty picture of any size fits into a small file.
 */
export function mostPixels(fileBytes: number): number {
  return Math.min(LARGEST_PICTURE, PIXELS_OF_ANY_FILE + PIXELS_OF_A_BYTE * fileBytes);
}

/** What the head of a picture file says. */
export interface PictureHeader {
  /** Pixels, before the picture is turned upright. */
  readonly width: number;
  readonly height: number;
  readonly orientation: OrientationNumber;
  /** A JPEG's Exif: a view into the file. */
  readonly exif?: Uint8Array;
}

const READERS: Readonly<Record<string, (bytes: Uint8Array) => PictureHeader | string>> = {
  'a PNG picture': pngHeader,
  'a JPEG picture': jpegHeader,
  'a WebP picture': webpHeader,
};

/**
 * Reads the head of a PNG, JPEG or WebP file, told apart by their first bytes.
 *
 * The orientation is the one that Pillow's `ImageOps.exif_transpose` turns by: of Exif in a JPEG's APP1, a
 * PNG's eXIf or a WebP's EXIF; of a PNG also in a text chunk as ImageMagick writes it, or in XMP. An
 * orientation that is missing, damaged or unknown leaves the picture as it is.
 *
 * @param source the file's name, for messages
 * @throws FileError for a file of another kind, one that ends before the picture does, and one of more pixels than
 *   {@link mostPixels} of its size
 */
export function pictureHeader(bytes: Uint8Array, source: string): PictureHeader {
  const kind = fileKind(bytes);
  const read = READERS[kind?.what ?? ''];
  if (read === undefined) {
    const isDrawn = kind?.sort === 'picture' || kind?.sort === 'document';
    const advice = isDrawn ? ' Save it as PNG first.' : '';
    throw new FileError(
      `${source} is ${kind?.what ?? 'of an unknown kind'}: expected a picture as PNG, JPEG or WebP.${advice}`,
    );
  }
  const header = read(bytes);
  if (typeof header === 'string') throw new FileError(`${source} ${header}.`);
  const { width, height } = header;
  if (width === 0 || height === 0) {
    throw new FileError(`${source} is damaged: it says that it has ${width} x ${height} pixels.`);
  }
  const most = mostPixels(bytes.length);
  if (width * height > most) {
    throw new FileError(
      `${source} says that it has ${width} x ${height} pixels; of a file of ${bytes.length} bytes, ` +
        `pictures of up to ${(most / 1e6).toFixed(0)} million pixels are read. Scale it down first.`,
    );
  }
  return header;
}
