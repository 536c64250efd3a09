/** The head of a WebP file: RIFF chunks. https://developers.google.com/speed/webp/docs/riff_container */
import { latin1 } from '../../latin1.js';
import { exifOrientation } from './exif.js';
import type { PictureHeader } from './picture-file.js';

/** The bit of the container's flags that says that there is Exif. */
const EXIF_FLAG = 8;

/** @returns what is wrong with the file, as the rest of a sentence about it, where it cannot be read */
export function webpHeader(bytes: Uint8Array): PictureHeader | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 20) return 'is damaged: it ends within its head';
  const end = 8 + view.getUint32(4, true);
  if (end > bytes.length) return `is damaged: it ends after ${bytes.length} of ${end} bytes`;
  let size: Size | undefined;
  let announced = false;
  let orientation: PictureHeader['orientation'] | undefined;
  for (let at = 12; at + 8 <= end;) {
    const name = latin1(bytes.subarray(at, at + 4));
    const length = view.getUint32(at + 4, true);
    const content = bytes.subarray(at + 8, Math.min(end, at + 8 + length));
    // The container and the picture in it each say a size: neither may be too large.
    size = larger(size, SIZES[name]?.(content));
    // As libwebp: the first one, if the container announces it.
    if (name === 'VP8X' && at === 12) announced = ((content[0] ?? 0) & EXIF_FLAG) !== 0;
    if (name === 'EXIF' && announced) orientation ??= exifOrientation(content) ?? 1;
    // Chunks stand at even places.
    at += 8 + length + (length % 2);
  }
  return size ? { ...size, orientation: orientation ?? 1 } : 'is damaged: it does not say its size';
}

type Size = Pick<PictureHeader, 'width' | 'height'>;

/** Where each kind of chunk has the size of the picture. */
const SIZES: Readonly<Record<string, (content: Uint8Array) => Size | undefined>> = {
  VP8X: (content) =>
    content.length < 10
      ? undefined
      : { width: 1 + little(content, 4, 3), height: 1 + little(content, 7, 3) },
  'VP8 ': (content) =>
    content.length < 10
      ? undefined
      : { width: little(content, 6, 2) & 0x3fff, height: little(content, 8, 2) & 0x3fff },
  VP8L: (content) => {
    if (content.length < 5) return undefined;
    const bits = little(content, 1, 4);
    return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
  },
};

function larger(one: Size | undefined, other: Size | undefined): Size | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return other.width * other.height > one.width * one.height ? other : one;
}

function little(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = count - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}
