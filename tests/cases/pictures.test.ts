/** Pictures from files: every variety as Pillow reads it, upright, whole, and of a size that is bounded. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';

import { fitted } from '../../src/data/fitted.js';
import { FileError } from '../../src/errors.js';
import { readPicture } from '../../src/formats/node/pictures/decode.js';
import { mostPixels, pictureHeader } from '../../src/formats/node/pictures/picture-file.js';

const fixture = (name: string) => new URL(`../fixtures/cases/${name}`, import.meta.url);
const bytesOf = (name: string): Buffer => readFileSync(fixture(`pictures/${name}`));
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

const folder = mkdtempSync(join(tmpdir(), 'fovea-pictures-'));
afterAll(() => rmSync(folder, { recursive: true }));

function stored(bytes: Uint8Array): string {
  const file = join(folder, 'picture');
  writeFileSync(file, bytes);
  return file;
}

/** A picture as models are shown it, [3, H, W]; laid on white, as the expected values are. */
async function readImage(file: string, height: number, width: number): Promise<Uint8Array> {
  const frame = { channels: 4, height, width };
  const { data } = fitted({ image: await readPicture(file, 4) }, frame).image;
  const area = height * width;
  return data.subarray(0, 3 * area).map((value, at) => {
    const opacity = (data[3 * area + (at % area)] ?? 0) / 255;
    return Math.round(value * opacity + 255 * (1 - opacity));
  });
}

const orientation = (bytes: Uint8Array): number => pictureHeader(bytes, 'picture').orientation;

/** Exif without the prefix that JPEG has: a TIFF with one directory. */
function exif(
  value: number,
  {
    little = false,
    type = 3,
    count = 1,
    at = 8,
    before = 0,
  }: { little?: boolean; type?: 1 | 3 | 4 | 9; count?: number; at?: number; before?: number } = {},
): Buffer {
  const bytes = Buffer.alloc(at + 2 + 12 * (before + 1) + 4);
  const short = (to: number, number: number) =>
    little ? bytes.writeUInt16LE(number, to) : bytes.writeUInt16BE(number, to);
  const long = (to: number, number: number) =>
    little ? bytes.writeUInt32LE(number, to) : bytes.writeUInt32BE(number, to);
  bytes.write(little ? 'II' : 'MM');
  short(2, 42);
  long(4, at);
  short(at, before + 1);
  // Other tags before it: ImageWidth and the like.
  for (let i = 0; i < before; i++) {
    short(at + 2 + 12 * i, 0x100 + i);
    short(at + 4 + 12 * i, 3);
    long(at + 6 + 12 * i, 1);
  }
  const entry = at + 2 + 12 * before;
  short(entry, 0x112);
  short(entry + 2, type);
  long(entry + 4, count);
  if (type === 1) bytes[entry + 8] = value;
  else if (type === 3) short(entry + 8, value);
  else long(entry + 8, value);
  return bytes;
}

/** A part of a JPEG's head. */
interface Segment {
  readonly marker: number;
  readonly content: Buffer;
  readonly fill?: number;
}

/** A JPEG with segments behind its first marker; APP1 with Exif unless a marker is given. */
function jpegWith(...segments: (Buffer | Segment)[]) {
  const jpeg = bytesOf('baseline.jpg');
  const inserted = segments.map((segment) => {
    const { marker, content, fill } = Buffer.isBuffer(segment)
      ? { marker: 0xe1, content: Buffer.concat([latin1('Exif\0\0'), segment]), fill: 0 }
      : { fill: 0, ...segment };
    const length = Buffer.alloc(2);
    length.writeUInt16BE(content.length + 2);
    return Buffer.concat([Buffer.alloc(fill, 0xff), Buffer.from([0xff, marker]), length, content]);
  });
  return Buffer.concat([jpeg.subarray(0, 2), ...inserted, jpeg.subarray(2)]);
}

/** A chunk of a PNG. Its checksum is not looked at in those that may be missing. */
function pngChunk(name: string, content: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, latin1(name), content, Buffer.alloc(4)]);
}

function pngWith(chunk: Buffer, place: 'first' | 'last' = 'first'): Buffer {
  const png = bytesOf('rgb.png');
  const at = place === 'first' ? 33 : png.length - 12;
  return Buffer.concat([png.subarray(0, at), chunk, png.subarray(at)]);
}

/** A WebP of chunks: a container, the picture itself and others. */
function webpWith(content: Buffer, place: 'first' | 'last' = 'last', flags = 8): Buffer {
  const chunk = (name: string, data: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(data.length);
    return Buffer.concat([latin1(name), length, data, Buffer.alloc(data.length % 2)]);
  };
  const picture = bytesOf('lossless.webp').subarray(12);
  const container = chunk('VP8X', Buffer.from([flags, 0, 0, 0, 9, 0, 0, 5, 0, 0]));
  const own = chunk('EXIF', content);
  const chunks = place === 'last' ? [container, picture, own] : [container, own, picture];
  const body = Buffer.concat([latin1('WEBP'), ...chunks]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([latin1('RIFF'), length, body]);
}

const pillow = JSON.parse(readFileSync(fixture('pictures/expected.json'), 'utf8')) as Record<
  string,
  { height: number; width: number; values: number[] }
>;

describe('a picture', () => {
  it.each(Object.entries(pillow))(
    'is what Pillow reads: %s',
    async (name, { height, width, values }) => {
      const pixels = await readImage(stored(bytesOf(name)), height, width);
      const largest = Math.max(...values.map((value, i) => Math.abs(value - (pixels[i] ?? NaN))));
      // Decoders of JPEG may differ by a rounding, and in how halved colours are enlarged.
      const allowed = name === 'half.jpg' ? 12 : name.endsWith('.jpg') ? 3 : 1;
      expect(largest).toBeLessThanOrEqual(allowed);
    },
  );

  it.each([
    ['img-exif-1-8/exif3.jpg', ['BR', 'BL', 'TR', 'TL']],
    ['img-exif-1-8/exif5.jpg', ['TL', 'BL', 'TR', 'BR']],
    ['img-exif-1-8/exif6.jpg', ['BL', 'TL', 'BR', 'TR']],
    ['img-exif-1-8/exif7.jpg', ['BR', 'TR', 'BL', 'TL']],
    ['img-exif-1-8/exif8.jpg', ['TR', 'BR', 'TL', 'BL']],
    ['img-exif-1-8/e_jfif.jpg', ['BL', 'TL', 'BR', 'TR']],
    ['img-png-exif/exif6.png', ['BL', 'TL', 'BR', 'TR']],
    ['img-xmp-before-exif/e_mm.jpg', ['BL', 'TL', 'BR', 'TR']],
    ['img-xmp-before-exif/e_xmp.jpg', ['BL', 'TL', 'BR', 'TR']],
  ] as const)('is turned upright: %s', async (name, from) => {
    // As stored: red, green, blue and brown in its corners.
    const colors = { TL: [255, 0, 0], TR: [0, 255, 0], BL: [0, 0, 255], BR: [200, 100, 50] };
    const pixels = await readImage(stored(readFileSync(fixture(name))), 32, 32);
    const places = [4 * 32 + 4, 4 * 32 + 28, 28 * 32 + 4, 28 * 32 + 28];
    for (const [i, corner] of from.entries()) {
      const seen = [0, 1, 2].map((channel) => pixels[1024 * channel + (places[i] ?? 0)] ?? 0);
      const off = Math.max(...seen.map((value, c) => Math.abs(value - (colors[corner][c] ?? 0))));
      expect(off).toBeLessThanOrEqual(2);
    }
  });

  it('of one pixel, or one line, fills the input', async () => {
    const head = Buffer.from(bytesOf('grey.png'));
    expect(head.readUInt32BE(16)).toBe(10);
    const line = async (width: number, height: number) => {
      const ihdr = Buffer.alloc(13);
      ihdr.writeUInt32BE(width, 0);
      ihdr.writeUInt32BE(height, 4);
      ihdr.set([8, 0, 0, 0, 0], 8);
      const rows = Buffer.alloc((width + 1) * height, 77);
      for (let y = 0; y < height; y++) rows[y * (width + 1)] = 0;
      return readImage(stored(png(ihdr, deflateSync(rows))), 8, 8);
    };
    for (const [width, height] of [
      [1, 1],
      [60_000, 1],
      [1, 60_000],
    ] as const) {
      expect(new Set(await line(width, height))).toEqual(new Set([77]));
    }
  });
});

/** A PNG of a head and data, with checksums. */
function png(head: Buffer, data: Buffer): Buffer {
  const chunk = (name: string, content: Buffer) => {
    const made = pngChunk(name, content);
    made.writeUInt32BE(crc32(made.subarray(4, -4)), made.length - 4);
    return made;
  };
  return Buffer.concat([
    latin1('\x89PNG\r\n\x1a\n'),
    chunk('IHDR', head),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Bit by bit, from the definition. */
function crc32(bytes: Uint8Array): number {
  let rest = 0xffffffff;
  for (const byte of bytes) {
    rest ^= byte;
    for (let i = 0; i < 8; i++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  }
  return ~rest >>> 0;
}

describe('the orientation', () => {
  const xmp = {
    marker: 0xe1,
    content: latin1('http://ns.adobe.com/xap/1.0/\0<x:xmpmeta tiff:Orientation="3"/>'),
  };
  const jfif = { marker: 0xe0, content: latin1('JFIF\0\x01\x01\0\0\x01\0\x01\0\0') };
  const icc = { marker: 0xe2, content: latin1(`ICC_PROFILE\0\x01\x01${'\0'.repeat(400)}`) };

  it.each([
    ['alone', jpegWith(exif(6))],
    ['in the other order of bytes', jpegWith(exif(6, { little: true }))],
    ['behind JFIF', jpegWith(jfif, exif(6))],
    ['behind XMP, which says otherwise', jpegWith(xmp, exif(6))],
    ['behind XMP and a colour profile', jpegWith(jfif, xmp, icc, exif(6, { little: true }))],
    ['behind a comment', jpegWith({ marker: 0xfe, content: latin1('Exif\0\0') }, exif(6))],
    ['before another', jpegWith(exif(6), exif(3))],
    ['behind bytes that fill', jpegWith({ ...xmp, fill: 3 }, { ...icc, fill: 1 }, exif(6))],
    ['as a long', jpegWith(exif(6, { type: 4 }))],
    ['as a byte', jpegWith(exif(6, { type: 1 }))],
    ['behind other tags, far away', jpegWith(exif(6, { at: 300, before: 9 }))],
    ['of a PNG', pngWith(pngChunk('eXIf', exif(6)))],
    ['of a PNG behind its picture', pngWith(pngChunk('eXIf', exif(6, { little: true })), 'last')],
    [
      'of a PNG with the prefix of JPEG',
      pngWith(pngChunk('eXIf', Buffer.concat([latin1('Exif\0\0'), exif(6)]))),
    ],
    [
      'of a PNG in a text',
      pngWith(
        pngChunk(
          'tEXt',
          latin1(`Raw profile type exif\0\nexif\n      26\n${exif(6).toString('hex')}\n`),
        ),
      ),
    ],
    [
      'of a PNG in a compressed text',
      pngWith(
        pngChunk(
          'zTXt',
          Buffer.concat([
            latin1('Raw profile type exif\0\0'),
            deflateSync(
              `\nexif\n      32\n${Buffer.concat([latin1('Exif\0\0'), exif(6)]).toString('hex')}\n`,
            ),
          ]),
        ),
      ),
    ],
    [
      'of a PNG in XMP',
      pngWith(pngChunk('iTXt', latin1('XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>'))),
    ],
    ['of a WebP', webpWith(exif(6))],
    ['of a WebP, with the prefix', webpWith(Buffer.concat([latin1('Exif\0\0'), exif(6)]))],
    ['of a WebP before its picture', webpWith(exif(6, { little: true }), 'first')],
  ])('is found %s', async (_, bytes) => {
    expect(orientation(bytes)).toBe(6);
    // And turned by, once: what was on the left is on top.
    const pixels = await readImage(stored(bytes), 10, 6);
    expect(pixels[0]).toBeLessThan(8);
    expect(pixels[9 * 6]).toBeGreaterThan(220);
  });

  it.each([
    ['0', jpegWith(exif(0))],
    ['9', jpegWith(exif(9))],
    ['65535', jpegWith(exif(65535, { little: true }))],
    ['9 in a PNG', pngWith(pngChunk('eXIf', exif(9)))],
    ['0 in a WebP', webpWith(exif(0))],
    ['6 in a WebP that does not announce it', webpWith(exif(6), 'last', 0)],
    ['twice', jpegWith(exif(6, { count: 2 }))],
    ['of another type', jpegWith(exif(6, { type: 9 }))],
    ['with a directory outside', jpegWith(exif(6).fill(0xff, 4, 8))],
    ['cut off', jpegWith(exif(6).subarray(0, 15))],
    ['of no bytes', jpegWith(Buffer.alloc(0))],
    ['of nonsense', jpegWith(Buffer.alloc(40, 0x4d))],
    ['a damaged text', pngWith(pngChunk('zTXt', latin1('Raw profile type exif\0\0nonsense')))],
    ['an unfinished text', pngWith(pngChunk('iTXt', latin1('XML:com.adobe.xmp')))],
  ])('leaves the picture as it is: %s', async (_, bytes) => {
    expect(orientation(bytes)).toBe(1);
    const pixels = await readImage(stored(bytes), 6, 10);
    expect(pixels[0]).toBeLessThan(8);
    expect(pixels[9]).toBeGreaterThan(220);
  });
});

describe('a picture that cannot be used', () => {
  const refused = async (bytes: Uint8Array, reason: string | RegExp) => {
    const reading = readImage(stored(bytes), 6, 10);
    await expect(reading).rejects.toThrow(FileError);
    await expect(reading).rejects.toThrow(reason);
  };

  it.each(['baseline.jpg', 'half.jpg', 'progressive.jpg', 'grey.jpg', 'cmyk.jpg'])(
    'is a JPEG that ends early, with an end marker or without: %s',
    async (name) => {
      const whole = bytesOf(name);
      const data = whole.indexOf(Buffer.from([0xff, 0xda])) + 16;
      for (const share of [0, 0.3, 0.6, 0.9]) {
        let end = Math.floor(data + share * (whole.length - 6 - data));
        // Half of a marker is none.
        while (whole[end - 1] === 0xff) end -= 1;
        const cut = whole.subarray(0, end);
        await refused(cut, /is damaged: (it ends|a part of the picture is missing)/);
        const ended = Buffer.concat([cut, Buffer.from([0xff, 0xd9])]);
        await refused(ended, /is damaged: (it ends|a part of the picture is missing)/);
      }
      await refused(whole.subarray(0, -2), 'is damaged: it ends before the picture does');
      const followed = Buffer.concat([whole, latin1('and something else')]);
      expect((await readImage(stored(followed), 6, 10)).length).toBe(180);
    },
  );

  it.each(['rgb.png', 'lossless.webp', 'lossy.webp', 'alpha.webp', 'interlaced.png'])(
    'ends early: %s',
    async (name) => {
      const whole = bytesOf(name);
      for (const share of [0.4, 0.6, 0.8]) {
        await refused(whole.subarray(0, Math.floor(share * whole.length)), 'is damaged');
      }
    },
  );

  it('has more pixels than are read, and is refused before it is decoded', async () => {
    const start = performance.now();
    const head = Buffer.alloc(13);
    head.writeUInt32BE(60_000, 0);
    head.writeUInt32BE(60_000, 4);
    head.set([8, 2, 0, 0, 0], 8);
    const bomb = png(head, deflateSync(Buffer.alloc(2 ** 20)));
    await refused(
      bomb,
      /says that it has 60000 x 60000 pixels; of a file of \d+ bytes, pictures of up to 2\d million/,
    );

    // Blank, so that it is whole: 25 million pixels in 25 kB.
    const blank = Buffer.alloc(13);
    blank.writeUInt32BE(5000, 0);
    blank.writeUInt32BE(5000, 4);
    blank.set([8, 0, 0, 0, 0], 8);
    const whole = png(blank, deflateSync(Buffer.alloc(5000 * 5001)));
    await refused(
      whole,
      /5000 x 5000 pixels; of a file of 2\d{4} bytes, pictures of up to 21 million/,
    );
    expect(mostPixels(10 * 2 ** 20)).toBe(100_000_000);

    const jpeg = bytesOf('baseline.jpg');
    const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
    jpeg.set([0xff, 0xff, 0xff, 0xff], frame + 5);
    await refused(jpeg, /a part of the picture is missing|65535 x 65535 pixels/);

    const webp = webpWith(exif(1));
    webp.set([0xff, 0x3f, 0, 0xff, 0x3f, 0], 24);
    await refused(webp, 'says that it has 16384 x 16384 pixels');
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it.each([0, 1, 62, 3 * 257])(
    'has a palette of %i bytes, of which decoders die',
    async (length) => {
      const palette = bytesOf('palette.png');
      const at = palette.indexOf('PLTE') - 4;
      const end = at + 12 + palette.readUInt32BE(at);
      const chunk = pngChunk('PLTE', Buffer.alloc(length));
      chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), chunk.length - 4);
      const bytes = Buffer.concat([palette.subarray(0, at), chunk, palette.subarray(end)]);
      await refused(bytes, `is damaged: its palette has ${length} bytes`);
    },
  );

  it('says that it has no pixels, or its size twice', async () => {
    const empty = bytesOf('rgb.png').fill(0, 16, 20);
    await refused(empty, 'says that it has 0 x 6 pixels');
    // Blank, so that it is whole: 25 million pixels in 25 kB.
    const blank = Buffer.alloc(13);
    blank.writeUInt32BE(5000, 0);
    blank.writeUInt32BE(5000, 4);
    blank.set([8, 0, 0, 0, 0], 8);
    const whole = png(blank, deflateSync(Buffer.alloc(5000 * 5001)));
    await refused(
      whole,
      /5000 x 5000 pixels; of a file of 2\d{4} bytes, pictures of up to 21 million/,
    );
    expect(mostPixels(10 * 2 ** 20)).toBe(100_000_000);

    const jpeg = bytesOf('baseline.jpg');
    const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
    const again = Buffer.concat([jpeg.subarray(0, frame + 19), jpeg.subarray(frame)]);
    await refused(again, 'is damaged: it says its size twice');
  });

  it.each([
    ['a BMP picture', latin1('BM\x36\x10\0\0\0\0\0\0\x36\0\0\0')],
    ['a GIF picture', latin1('GIF89a')],
    ['a TIFF picture', latin1('II*\0\x08\0\0\0')],
    ['a TIFF picture', latin1('MM\0*\0\0\0\x08')],
    ['an AVIF picture', latin1('\0\0\0\x20ftypavif')],
    ['a HEIC picture', latin1('\0\0\0\x20ftypheic')],
    ['a JPEG XL picture', latin1('\xff\x0a\0\0')],
    ['an SVG drawing', latin1('<?xml version="1.0"?>\n<svg xmlns="..."></svg>')],
    ['a web page (HTML)', latin1('\n<!DOCTYPE html><html>')],
    ['a PDF document', latin1('%PDF-1.7')],
    ['a zip archive', latin1('PK\x03\x04')],
    ['a Git LFS pointer', latin1('version https://git-lfs.github.com/spec/v1\n')],
    ['a text', latin1('not a picture at all')],
    ['an empty file', Buffer.alloc(0)],
    ['of an unknown kind', Buffer.from([1, 2, 3, 4, 5])],
  ])('is %s', async (kind, bytes) => {
    await refused(bytes, `is ${kind}`);
    await refused(bytes, 'expected a picture as PNG, JPEG or WebP');
  });

  it('is too large a file, which is not read', async () => {
    const file = stored(bytesOf('rgb.png'));
    truncateSync(file, 2 ** 28 + 1);
    await expect(readImage(file, 6, 10)).rejects.toThrow(
      'has 268435457 bytes; files of this kind may have up to 268435456',
    );
  });
});
