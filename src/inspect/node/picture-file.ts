/** What has to be known of a picture file before it is decoded: its kind, size, and which way up it is. */
import { FileError } from '../../errors.js';
import { fileKind } from '../../file-kind.js';
import type { OrientationNumber } from './exif.js';
import { jpegHeader } from './jpeg.js';
import { pngHeader } from './png.js';
import { webpHeader } from './webp.js';

/** A picture larger than this is refused before it is decoded: 100 million pixels. */
export const LARGEST_PICTURE = 100_000_000;

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
 * @throws FileError for a file of another kind, one that ends before the picture does, and one of more than
 *   {@link LARGEST_PICTURE} pixels
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
  if (width * height > LARGEST_PICTURE) {
    throw new FileError(
      `${source} says that it has ${width} x ${height} pixels; pictures of up to ` +
        `${LARGEST_PICTURE / 1e6} million pixels are read. Scale it down first.`,
    );
  }
  return header;
}
