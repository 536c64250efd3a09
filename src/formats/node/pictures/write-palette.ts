/** Writing a PNG whose pixels are numbers: W3C, Portable Network Graphics (third edition), 2025. */
import { crc32, deflateSync } from 'node:zlib';
import type { PixelIndices } from './png-indices.js';

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** Colour type of pixels that are places in a palette. */
const PALETTE = 3;

/**
 * A palette PNG of 8 bits: every pixel is stored as its number, which a viewer shows in the number's colour.
 * @param colors [256, 3], red, green and blue of each number
 */
export function writePalettePng(
  { width, height, data }: PixelIndices,
  colors: Uint8Array,
): Uint8Array {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, PALETTE, 0, 0, 0], 8);
  // Each line stands behind the number of its filter: 0, none.
  const lines = new Uint8Array(height * (width + 1));
  for (let row = 0; row < height; row++) {
    lines.set(data.subarray(row * width, (row + 1) * width), row * (width + 1) + 1);
  }
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', head),
    chunk('PLTE', colors),
    chunk('IDAT', deflateSync(lines)),
    chunk('IEND', new Uint8Array()),
  ]);
}

function chunk(name: string, content: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), content]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}
