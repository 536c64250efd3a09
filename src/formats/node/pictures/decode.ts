/** The one way from the bytes of a picture file to pixels: data sets, `predict` and `explain` all read by it. */
import { FileError } from '../../../errors.js';
import { readFileChecked } from '../files.js';
import type { Pixels } from '../../pixels.js';
import type { OrientationNumber } from './exif.js';
import { imageLibrary } from './library.js';
import { pictureHeader } from './picture-file.js';

/** How many numbers a pixel has: grey; red, green and blue; or those and how opaque it is. */
export type Channels = 1 | 3 | 4;

/** What a library's pixel consists of. */
interface Layout {
  /** 1 or 3 colours, then perhaps opacity. */
  readonly colors: 1 | 3;
  readonly alpha: boolean;
  /** Bytes of each number. */
  readonly bytes: 1 | 2;
}

/** The layout of a library's color type; undefined for floating point. */
function layoutOf(colorType: number): Layout | undefined {
  const { JsColorType } = imageLibrary();
  const layouts: Partial<Record<number, Layout>> = {
    [JsColorType.L8]: { colors: 1, alpha: false, bytes: 1 },
    [JsColorType.La8]: { colors: 1, alpha: true, bytes: 1 },
    [JsColorType.Rgb8]: { colors: 3, alpha: false, bytes: 1 },
    [JsColorType.Rgba8]: { colors: 3, alpha: true, bytes: 1 },
    [JsColorType.L16]: { colors: 1, alpha: false, bytes: 2 },
    [JsColorType.La16]: { colors: 1, alpha: true, bytes: 2 },
    [JsColorType.Rgb16]: { colors: 3, alpha: false, bytes: 2 },
    [JsColorType.Rgba16]: { colors: 3, alpha: true, bytes: 2 },
  };
  return layouts[colorType];
}

/** Of numbers of 16 bits, as this machine stores them, the place of the high byte. */
const HIGH_BYTE = new Uint8Array(Uint16Array.of(0x0001).buffer)[0] === 1 ? 1 : 0;

/**
 * Decodes a PNG, JPEG or WebP file, at the picture's own size and turned upright as its Exif says.
 *
 * Channels are converted as Pillow's `convert` does it: grey is copied to red, green and blue; colours
 * become grey by (19595 R + 38470 G + 7471 B + 32768) / 65536; opacity is dropped, so that what is
 * transparent has the colour that is stored there; with 4 channels, what has no opacity is opaque (255).
 * A palette is looked up, CMYK becomes RGB, and of 16 bits the high byte counts.
 *
 * @param bytes the whole file
 * @param name what messages call it
 * @param channels of the result
 * @returns [channels, H, W]
 * @throws FileError for a file of another kind, a damaged one, one that ends early and one of too many
 *   pixels (see `pictureHeader`)
 */
export function decodePicture(bytes: Uint8Array, name: string, channels: Channels): Pixels {
  const { orientation, exif } = pictureHeader(bytes, name);
  const { Transformer } = imageLibrary();
  try {
    const picture = new Transformer(exif ? blanked(bytes, exif) : bytes);
    const { colorType, width, height } = picture.metadataSync(false);
    const layout = layoutOf(colorType);
    if (layout === undefined) throw new Error('pixels of floating point');
    return planes(picture.rawPixelsSync(), { width, height }, layout, orientation, channels);
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim().replace(/\s+/g, ' ') : '';
    throw new FileError(`${name} is damaged, or of a variety that is not read (${reason}).`, {
      cause: error,
    });
  }
}

/** Larger files are not pictures to look at: 256 MiB. */
const LARGEST_FILE = 2 ** 28;

/**
 * The bytes of a picture file.
 * @throws FileError if it cannot be read, or has more than 256 MiB
 */
export function readPictureFile(path: string): Promise<Uint8Array> {
  return readFileChecked(path, LARGEST_FILE);
}

/**
 * Reads and decodes a picture file: see {@link decodePicture}.
 * @param path what messages call it as well
 */
export async function readPicture(path: string, channels: Channels): Promise<Pixels> {
  return decodePicture(await readPictureFile(path), path, channels);
}

/** Without its Exif, of which the library, where it does not like it, complains on standard error. */
function blanked(bytes: Uint8Array, exif: Uint8Array): Uint8Array {
  const start = exif.byteOffset - bytes.byteOffset;
  return bytes.slice().fill(0, start, start + exif.length);
}

/** Where the pixels of an upright picture lie in the stored one: at `start + across * x + down * y`. */
export interface Reading {
  /** Of the upright picture. */
  readonly width: number;
  readonly height: number;
  readonly start: number;
  readonly across: number;
  readonly down: number;
}

/**
 * How a stored picture is read so that it is upright.
 * @param size of the stored picture
 */
export function uprightReading(
  { width, height }: { readonly width: number; readonly height: number },
  orientation: OrientationNumber,
): Reading {
  // From 5 on, the rows of the stored picture are columns of the upright one.
  const turned = orientation >= 5;
  const fromRight = [2, 3, 7, 8].includes(orientation);
  const fromBottom = [3, 4, 6, 7].includes(orientation);
  const [alongRow, alongColumn] = [fromRight ? -1 : 1, fromBottom ? -width : width];
  return {
    width: turned ? height : width,
    height: turned ? width : height,
    start: (fromRight ? width - 1 : 0) + (fromBottom ? (height - 1) * width : 0),
    across: turned ? alongColumn : alongRow,
    down: turned ? alongRow : alongColumn,
  };
}

/** Interleaved pixels as upright planes with the channels wanted. */
function planes(
  stored: Uint8Array,
  size: { readonly width: number; readonly height: number },
  { colors, alpha, bytes }: Layout,
  orientation: OrientationNumber,
  channels: Channels,
): Pixels {
  const { width, height, start, across, down } = uprightReading(size, orientation);
  const area = width * height;
  const pixel = (colors + (alpha ? 1 : 0)) * bytes;
  const high = bytes === 2 ? HIGH_BYTE : 0;
  const data = new Uint8Array(channels * area);
  const [green, blue] = colors === 3 ? [bytes, 2 * bytes] : [0, 0];
  const mixes = channels === 1 && colors === 3;
  for (let y = 0, to = 0; y < height; y++) {
    let from = (start + down * y) * pixel + high;
    for (let x = 0; x < width; x++, to++, from += across * pixel) {
      const first = stored[from] ?? 0;
      if (channels === 1) {
        data[to] = mixes ? luma(first, stored[from + green] ?? 0, stored[from + blue] ?? 0) : first;
        continue;
      }
      data[to] = first;
      data[to + area] = stored[from + green] ?? 0;
      data[to + 2 * area] = stored[from + blue] ?? 0;
      if (channels === 4) data[to + 3 * area] = alpha ? (stored[from + colors * bytes] ?? 0) : 255;
    }
  }
  return { channels, height, width, data };
}

/** ITU-R 601-2 in whole numbers, as Pillow computes it. */
function luma(red: number, green: number, blue: number): number {
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}
