/** The head of a JPEG file, and whether it is whole. ITU-T T.81. */
import { latin1 } from '../../latin1.js';
import { exifOrientation } from './exif.js';
import { JpegScans, type Frame } from './jpeg-scans.js';
import type { PictureHeader } from './picture-file.js';

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const DHT = 0xc4;
const DRI = 0xdd;
const APP1 = 0xe1;
const APART =
  'keeps each colour channel by itself, with fewer lines of some: a rare kind of JPEG that is not read. ' +
  'Save it again as an ordinary one, or as PNG';
const MISSING = 'is damaged: a part of the picture is missing';

/**
 * The decoder fills what a truncated file lacks with grey, in silence. So the file is read to its end
 * here: it has to have its end marker, and every scan as many blocks as the picture has.
 *
 * @returns what is wrong with the file, as the rest of a sentence about it, where it cannot be read
 */
export function jpegHeader(bytes: Uint8Array): PictureHeader | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let exif: Uint8Array | undefined;
  let frame: Frame | undefined;
  let scans: JpegScans | undefined;
  /** Whether all of every scan was read. */
  let followed = true;
  for (let at = 2; ;) {
    at = nextMarker(bytes, at);
    const marker = bytes[at];
    if (marker === undefined) return 'is damaged: it ends before the picture does';
    at += 1;
    if (marker === EOI) break;
    if (marker === SOI || marker <= 0x01) continue;
    const end = at + 2 <= bytes.length ? at + view.getUint16(at) : Infinity;
    if (end > bytes.length) return 'is damaged: it ends within its head';
    const content = bytes.subarray(at + 2, end);
    at = end;
    if (marker === APP1 && isExif(content)) exif ??= content;
    else if (isFrame(marker)) {
      // Which of two sizes a decoder believes, nobody knows.
      if (frame) return 'is damaged: it says its size twice';
      frame = frameOf(marker, content);
      scans = frame && new JpegScans(frame);
    } else if (marker === DHT) scans?.defineTables(content);
    else if (marker === DRI) scans?.setRestartInterval(content);
    else if (marker === SOS) {
      if (frame && isApart(frame, content)) return APART;
      const whole = scans?.scan(content, bytes, at);
      if (whole === false) return MISSING;
      followed &&= whole === true;
    }
  }
  if (frame === undefined) return 'is damaged: it does not say its size';
  if (followed && scans?.hasEveryChannel === false) return MISSING;
  const { width, height } = frame;
  return exif
    ? { width, height, orientation: exifOrientation(exif) ?? 1, exif }
    : { width, height, orientation: 1 };
}

/** The place of a marker's second byte, from `at` on: behind bytes FF, and neither 00 nor a restart. */
function nextMarker(bytes: Uint8Array, at: number): number {
  for (let i = bytes.indexOf(0xff, at); i >= 0; i = bytes.indexOf(0xff, i)) {
    while (bytes[i] === 0xff) i += 1;
    const marker = bytes[i];
    if (marker !== 0x00 && !(marker !== undefined && marker >= 0xd0 && marker <= 0xd7)) return i;
  }
  return bytes.length;
}

function isExif(content: Uint8Array): boolean {
  return latin1(content.subarray(0, 5)) === 'Exif\0';
}

/** SOF0 to SOF15, between which DHT, JPG and DAC have their numbers. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

/** The decoder puts the blocks of such files in the wrong places, in silence. */
function isApart({ coding, components }: Frame, [count = 0]: Uint8Array): boolean {
  return (
    coding === 'sequential' && count < components.length && components.some(({ down }) => down > 1)
  );
}

function frameOf(marker: number, content: Uint8Array): Frame | undefined {
  const [, high = 0, low = 0, right = 0, left = 0, count = 0] = content;
  if (content.length < 6 + 3 * count) return undefined;
  const components = Array.from({ length: count }, (_, i) => {
    const [id = 0, factors = 0] = content.subarray(6 + 3 * i);
    return { id, across: factors >> 4, down: factors & 15 };
  });
  return {
    height: 256 * high + low,
    width: 256 * right + left,
    components,
    // Baseline and extended, or progressive, all with Huffman's codes; others are not followed.
    coding: marker <= 0xc1 ? 'sequential' : marker === 0xc2 ? 'progressive' : 'other',
  };
}
