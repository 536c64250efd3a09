/** Which way up a photograph was taken: the orientation in Exif, which is a small TIFF file. */

/** 1: as it is. 2 to 8: mirrored or turned, numbered as in Exif and TIFF 6.0. */
export type OrientationNumber = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

const ORIENTATION = 0x0112;
const ENTRY_BYTES = 12;
/** How a value is read, by its TIFF type: BYTE, SHORT, LONG. */
const READERS: Readonly<Record<number, (view: DataView, at: number, little: boolean) => number>> = {
  1: (view, at) => view.getUint8(at),
  3: (view, at, little) => view.getUint16(at, little),
  4: (view, at, little) => view.getUint32(at, little),
};

/**
 * The orientation in a block of Exif.
 *
 * @param exif with or without the `Exif\0\0` that JPEG puts before it
 * @returns undefined where there is none, or the block is damaged; 1 for a number that Exif does not know
 */
export function exifOrientation(exif: Uint8Array): OrientationNumber | undefined {
  const tiff = withoutPrefix(exif);
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  if (tiff.length < 8) return undefined;
  const order = view.getUint16(0);
  const little = order === 0x4949;
  if ((!little && order !== 0x4d4d) || view.getUint16(2, little) !== 42) return undefined;
  const directory = view.getUint32(4, little);
  if (directory + 2 > tiff.length) return undefined;
  const entries = view.getUint16(directory, little);
  // Of several the last counts, as in Pillow.
  let found: OrientationNumber | undefined;
  for (let entry = 0; entry < entries; entry++) {
    const at = directory + 2 + entry * ENTRY_BYTES;
    if (at + ENTRY_BYTES > tiff.length) break;
    if (view.getUint16(at, little) !== ORIENTATION) continue;
    const read = READERS[view.getUint16(at + 2, little)];
    const readable = read !== undefined && view.getUint32(at + 4, little) === 1;
    found = readable ? knownOrientation(read(view, at + 8, little)) : undefined;
  }
  return found;
}

/** The number itself if Exif knows it, or else 1: the picture as it is. */
export function knownOrientation(value: number): OrientationNumber {
  return Number.isInteger(value) && value >= 2 && value <= 8 ? (value as OrientationNumber) : 1;
}

function withoutPrefix(exif: Uint8Array): Uint8Array {
  const prefixed = exif[0] === 0x45 && exif[1] === 0x78 && exif[2] === 0x69 && exif[3] === 0x66;
  return prefixed && exif[4] === 0 ? exif.subarray(6) : exif;
}
