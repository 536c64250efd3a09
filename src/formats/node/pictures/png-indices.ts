/**
 * The numbers that a PNG stores for its pixels, before a palette or a scale makes colours of them: what a
 * mask consists of. W3C, Portable Network Graphics (third edition), 2025, chapters 7 to 10.
 */
import { inflateSync } from 'node:zlib';
import { FileError } from '../../../errors.js';
import { latin1 } from '../../latin1.js';
import { uprightReading } from './decode.js';
import { pictureHeader } from './picture-file.js';

/** One number for every pixel. */
export interface PixelIndices {
  readonly height: number;
  readonly width: number;
  /** [H, W] */
  readonly data: Uint8Array;
}

/** Which pixels a pass of an interlaced picture has: Adam7. */
interface Pass {
  readonly left: number;
  readonly top: number;
  readonly across: number;
  readonly down: number;
}

const ADAM7: readonly Pass[] = [
  { left: 0, top: 0, across: 8, down: 8 },
  { left: 4, top: 0, across: 8, down: 8 },
  { left: 0, top: 4, across: 4, down: 8 },
  { left: 2, top: 0, across: 4, down: 4 },
  { left: 0, top: 2, across: 2, down: 4 },
  { left: 1, top: 0, across: 2, down: 2 },
  { left: 0, top: 1, across: 1, down: 2 },
];
const WHOLE: readonly Pass[] = [{ left: 0, top: 0, across: 1, down: 1 }];

const GREY = 0;
const PALETTE = 3;
/** What pixels consist of that are no single number, by the colour type in the head. */
const COLORS: Readonly<Record<number, string>> = {
  2: 'in colours (RGB)',
  4: 'grey with transparency',
  6: 'in colours (RGBA)',
};

/**
 * Reads the numbers of a palette or grey PNG of 1, 2, 4 or 8 bits, as they are stored: places in the
 * palette, or levels of grey that are not scaled to 255. Turned upright where the file itself says so.
 *
 * @param bytes the whole file
 * @param name what messages call it
 * @throws FileError for another kind of picture, a damaged file, and one of too many pixels
 */
export function readPngIndices(bytes: Uint8Array, name: string): PixelIndices {
  const { width, height, orientation } = pictureHeader(bytes, name);
  // Only PNG begins with this byte.
  if (bytes[0] !== 0x89) {
    throw new FileError(
      `${name} is not a PNG: other formats change the numbers of pixels. Save masks as palette or grey PNG.`,
    );
  }
  const [bits = 0, color = 0, , , interlaced = 0] = bytes.subarray(24, 29);
  if (COLORS[color] !== undefined || bits > 8) {
    throw new FileError(
      `${name} is ${COLORS[color] ?? `grey of ${bits} bits`}, so its pixels are no class numbers. ` +
        'Save masks as palette or grey PNG of up to 8 bits, each pixel the number of its class (255: ignored).',
    );
  }
  if ((color !== GREY && color !== PALETTE) || ![1, 2, 4, 8].includes(bits) || interlaced > 1) {
    throw new FileError(`${name} is damaged: its head has values that PNG does not know.`);
  }
  const passes = (interlaced === 1 ? ADAM7 : WHOLE).map((pass) => ({
    ...pass,
    columns: Math.max(0, Math.ceil((width - pass.left) / pass.across)),
    rows: Math.max(0, Math.ceil((height - pass.top) / pass.down)),
  }));
  const lineBytes = (columns: number): number =>
    columns > 0 ? 1 + Math.ceil((columns * bits) / 8) : 0;
  const expected = passes.reduce((sum, { columns, rows }) => sum + rows * lineBytes(columns), 0);
  const lines = inflated(bytes, expected, name);

  const stored = new Uint8Array(width * height);
  let at = 0;
  for (const { left, top, across, down, columns, rows } of passes) {
    const length = lineBytes(columns) - 1;
    if (length < 0) continue;
    let above: Uint8Array = new Uint8Array(length);
    for (let row = 0; row < rows; row++, at += length + 1) {
      const line = lines.subarray(at + 1, at + 1 + length);
      if (!unfilter(lines[at] ?? 0, line, above)) {
        throw new FileError(`${name} is damaged: a line has a filter that PNG does not know.`);
      }
      const start = (top + row * down) * width + left;
      for (let i = 0; i < columns; i++) stored[start + i * across] = numberAt(line, i, bits);
      above = line;
    }
  }
  return upright({ width, height, data: stored }, orientation);
}

/** The picture's lines, each behind the number of its filter. */
function inflated(bytes: Uint8Array, expected: number, name: string): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [];
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const chunk = latin1(bytes.subarray(at + 4, at + 8));
    if (chunk === 'IEND') break;
    if (chunk === 'IDAT') parts.push(bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  let lines: Uint8Array;
  try {
    lines = inflateSync(Buffer.concat(parts), { maxOutputLength: expected + 1 });
  } catch (error) {
    throw new FileError(`${name} is damaged: its compressed pixels cannot be read.`, {
      cause: error,
    });
  }
  if (lines.length !== expected) {
    throw new FileError(
      `${name} is damaged: it has ${lines.length} bytes of pixels, expected ${expected}.`,
    );
  }
  return lines;
}

/** Undoes a line's filter in place; pixels of up to 8 bits have their left neighbour one byte before. */
function unfilter(filter: number, line: Uint8Array, above: Uint8Array): boolean {
  const predict = PREDICTORS[filter];
  if (predict === undefined) return false;
  if (filter === 0) return true;
  let [left, corner] = [0, 0];
  for (let i = 0; i < line.length; i++) {
    const up = above[i] ?? 0;
    line[i] = (line[i] ?? 0) + predict(left, up, corner);
    left = line[i] ?? 0;
    corner = up;
  }
  return true;
}

const PREDICTORS: readonly ((left: number, up: number, corner: number) => number)[] = [
  () => 0,
  (left) => left,
  (_, up) => up,
  (left, up) => (left + up) >> 1,
  paeth,
];

/** Whichever neighbour is nearest to left + up - corner; of equals the first in this order. */
function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

/** A number of some bits; the first of a byte are its highest. */
function numberAt(line: Uint8Array, place: number, bits: number): number {
  const bit = place * bits;
  return ((line[bit >> 3] ?? 0) >> (8 - bits - (bit & 7))) & ((1 << bits) - 1);
}

function upright(
  stored: PixelIndices,
  orientation: Parameters<typeof uprightReading>[1],
): PixelIndices {
  if (orientation === 1) return stored;
  const { width, height, start, across, down } = uprightReading(stored, orientation);
  const data = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      data[y * width + x] = stored.data[start + across * x + down * y] ?? 0;
    }
  }
  return { width, height, data };
}
