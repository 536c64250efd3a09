import { Transformer } from '@napi-rs/image';
import { expect, it } from 'vitest';
import { readPngIndices } from './png-indices.js';
import { writePalettePng } from './write-palette.js';

const data = Uint8Array.from({ length: 7 * 300 }, (_, at) => (at * 31) % 256);
const colors = Uint8Array.from({ length: 768 }, (_, at) => (at * 7) % 256);
const bytes = writePalettePng({ height: 7, width: 300, data }, colors);

it('a palette PNG has the numbers that were written', () => {
  expect(readPngIndices(bytes, 'mask.png')).toEqual({ height: 7, width: 300, data });
});

it('another decoder, which looks at checksums, shows each number in its colour', async () => {
  const rgb = await new Transformer(bytes).rawPixels();
  expect(rgb).toHaveLength(3 * data.length);
  for (const [at, number] of data.entries()) {
    const expected = colors.subarray(3 * number, 3 * number + 3);
    expect(Buffer.compare(rgb.subarray(3 * at, 3 * at + 3), expected)).toBe(0);
  }
});
