import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FileError } from '../../../errors.js';
import { decodePicture, type Channels } from './decode.js';
import { readPngIndices } from './png-indices.js';

const fixture = (name: string): Buffer =>
  readFileSync(new URL(`../../../../tests/fixtures/${name}`, import.meta.url));

interface Seen {
  readonly height: number;
  readonly width: number;
  readonly L: number[];
  readonly RGB: number[];
  readonly RGBA: number[];
}

/** What Pillow reads: see tests/fixtures/make-decoded-pictures.py. */
const { pictures, masks } = JSON.parse(fixture('decoded/expected.json').toString()) as {
  pictures: Record<string, Seen>;
  masks: Record<string, number[]>;
};

const MODES: readonly (readonly [Channels, 'L' | 'RGB' | 'RGBA'])[] = [
  [1, 'L'],
  [3, 'RGB'],
  [4, 'RGBA'],
];

/** Decoders of lossy formats may differ: by a rounding, and in how halved colours are enlarged. */
function allowed(name: string): number {
  if (name.endsWith('half.jpg')) return 12;
  if (name.endsWith('.jpg')) return 2;
  return name.endsWith('lossy.webp') ? 2 : 0;
}

describe('decodePicture', () => {
  it.each(Object.entries(pictures))('reads what Pillow reads: %s', (name, seen) => {
    for (const [channels, mode] of MODES) {
      const { data, ...size } = decodePicture(fixture(name), name, channels);
      expect(size).toEqual({ channels, height: seen.height, width: seen.width });
      expect(data.length).toBe(seen[mode].length);
      const off = seen[mode].map((value, i) => Math.abs(value - (data[i] ?? NaN)));
      expect(Math.max(...off)).toBeLessThanOrEqual(allowed(name));
    }
  });

  it('takes the high byte of 16 bits of grey', () => {
    const { data } = decodePicture(fixture('cases/pictures/grey-16.png'), 'grey-16.png', 1);
    // The low byte is the same in this file; (x + y) 15 was stored.
    expect([...data.subarray(0, 3)]).toEqual([0, 15, 30]);
    expect(decodePicture(fixture('cases/pictures/grey-16.png'), 'x', 4).data.at(-1)).toBe(255);
  });

  it.each([
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n'],
    ['a web page (HTML)', '<!DOCTYPE html><html></html>'],
    ['an empty file', ''],
    ['a GIF picture', 'GIF89a\x01\0\x01\0'],
  ])('says what a file is that is no picture: %s', (what, text) => {
    const decode = (): unknown => decodePicture(Buffer.from(text, 'latin1'), 'cat/7.jpg', 3);
    expect(decode).toThrow(FileError);
    expect(decode).toThrow(`cat/7.jpg is ${what}`);
  });

  it('names a damaged file', () => {
    const bytes = fixture('decoded/colors.png');
    const damaged = Buffer.from(bytes).fill(
      0,
      bytes.indexOf('IDAT') + 8,
      bytes.indexOf('IDAT') + 60,
    );
    expect(() => decodePicture(damaged, 'dog/1.png', 3)).toThrow(/^dog\/1\.png is damaged/);
  });
});

describe('a spoiled picture', () => {
  it.each([
    'decoded/mask-palette-2-interlaced.png',
    'decoded/palette-alphas.png',
    'decoded/smooth.jpg',
    'cases/pictures/alpha.webp',
  ])('is read or refused, whatever byte of it is wrong: %s', (name) => {
    const whole = fixture(name);
    const spoiled = fc.tuple(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length));
    fc.assert(
      fc.property(spoiled, ([at, value, end]) => {
        const bytes = Buffer.from(whole);
        bytes[at] = value;
        for (const part of [bytes, bytes.subarray(0, end)]) {
          for (const read of [
            () => decodePicture(part, name, 3).data.length,
            () => readPngIndices(part, name).data.length,
          ]) {
            try {
              expect(read()).toBeGreaterThan(0);
            } catch (error) {
              expect(error).toBeInstanceOf(FileError);
            }
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('readPngIndices', () => {
  it.each(Object.entries(masks))('reads the numbers as they are stored: %s', (name, values) => {
    const { data, height, width } = readPngIndices(fixture(`decoded/${name}`), name);
    expect(height * width).toBe(values.length);
    expect([...data]).toEqual(values);
  });

  it('refuses pictures whose pixels are no single number of up to 8 bits', () => {
    const refused = (file: string, reason: string): void => {
      const read = (): unknown => readPngIndices(fixture(file), 'masks/1.png');
      expect(read).toThrow(FileError);
      expect(read).toThrow(reason);
    };
    refused(
      'decoded/colors.png',
      'masks/1.png is in colours (RGB), so its pixels are no class numbers.',
    );
    refused('decoded/colors-alpha.png', 'in colours (RGBA)');
    refused('decoded/grey-alpha.png', 'grey with transparency');
    refused('cases/pictures/grey-16.png', 'grey of 16 bits');
    refused('decoded/smooth.jpg', 'masks/1.png is not a PNG');
  });

  it('refuses what is damaged, whatever part of it', () => {
    const whole = fixture('decoded/mask-palette-8.png');
    const data = whole.indexOf('IDAT') + 4;
    for (const at of [data, data + 10, whole.lastIndexOf('IDAT') + 12]) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      expect(() => readPngIndices(damaged, 'm.png')).toThrow(/^m\.png is damaged/);
    }
    const taller = Buffer.from(whole);
    taller.writeUInt32BE(8, 20);
    expect(() => readPngIndices(taller, 'm.png')).toThrow('it has 84 bytes of pixels, expected 96');
    const shorter = Buffer.from(whole);
    shorter.writeUInt32BE(3, 20);
    expect(() => readPngIndices(shorter, 'm.png')).toThrow(/^m\.png is damaged/);
  });
});
