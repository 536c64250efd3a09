/** The head of a PNG file. W3C, Portable Network Graphics (third edition), 2025. */
import { latin1 } from '../../latin1.js';
import { inflateSync } from 'node:zlib';
import { exifOrientation, knownOrientation, type OrientationNumber } from './exif.js';
import type { PictureHeader } from './picture-file.js';

/** No text that says which way up a picture is, is as long; a longer one is left alone. */
const LONGEST_TEXT = 2 ** 20;

/** @returns what is wrong with the file, as the rest of a sentence about it, where it cannot be read */
export function pngHeader(bytes: Uint8Array): PictureHeader | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 33 || latin1(bytes.subarray(12, 16)) !== 'IHDR') {
    return 'is damaged: it does not begin with a head';
  }
  const found: Found = {};
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const chunk = latin1(bytes.subarray(at + 4, at + 8));
    // What follows the end is not looked at.
    if (chunk === 'IEND') break;
    if (at + 12 + length > bytes.length) return 'is damaged: it ends within a part of the picture';
    if (chunk === 'PLTE' && !isPalette(length)) {
      return `is damaged: its palette has ${length} bytes, expected 3 for each of 1 to 256 colours`;
    }
    lookInto(found, chunk, bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  const { exif, profile, xmp } = found;
  return {
    width: view.getUint32(16),
    height: view.getUint32(20),
    orientation: exifOrientation(exif ?? profile ?? new Uint8Array()) ?? xmp ?? 1,
  };
}

/** Of a palette that is none the decoder dies, and takes the process with it. */
function isPalette(length: number): boolean {
  return length > 0 && length % 3 === 0 && length <= 3 * 256;
}

/** Where a PNG may say which way up it is. */
interface Found {
  /** eXIf. */
  exif?: Uint8Array;
  /** Exif in a text, as ImageMagick writes it. */
  profile?: Uint8Array;
  xmp?: OrientationNumber;
}

function lookInto(found: Found, chunk: string, content: Uint8Array): void {
  if (chunk === 'eXIf') {
    found.exif ??= content;
  } else if (chunk === 'tEXt' || chunk === 'zTXt') {
    const { keyword, rest } = split(content);
    if (keyword !== 'Raw profile type exif') return;
    // Behind a compressed text's keyword stands the number of the method; there is only one.
    const text = chunk === 'tEXt' ? rest : inflated(rest.subarray(1));
    if (text) found.profile ??= fromProfile(latin1(text));
  } else if (chunk === 'iTXt') {
    const { keyword, rest } = split(content);
    if (keyword !== 'XML:com.adobe.xmp') return;
    // Whether it is compressed, the method, then language and translated keyword, each ended by 0.
    const text = split(split(rest.subarray(2)).rest).rest;
    const xml = latin1((rest[0] === 1 ? inflated(text) : text) ?? new Uint8Array());
    const value = /tiff:Orientation(?:="|>)([0-9])/.exec(xml)?.[1];
    if (value !== undefined) found.xmp ??= knownOrientation(Number(value));
  }
}

/** A text up to its first 0, and what is behind that. */
function split(content: Uint8Array): { keyword: string; rest: Uint8Array } {
  const end = content.indexOf(0);
  if (end < 0) return { keyword: '', rest: new Uint8Array() };
  return { keyword: latin1(content.subarray(0, end)), rest: content.subarray(end + 1) };
}

/** A line break, the profile's name, its length, and then its bytes in hexadecimal. */
function fromProfile(text: string): Uint8Array {
  return Buffer.from(text.split('\n').slice(3).join(''), 'hex');
}

/** Undefined where it is damaged or too long. */
function inflated(content: Uint8Array): Uint8Array | undefined {
  try {
    return inflateSync(content, { maxOutputLength: LONGEST_TEXT });
  } catch {
    return undefined;
  }
}
