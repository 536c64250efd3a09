/** Small picture files for tests. */
import { Transformer } from '@napi-rs/image';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';

/** A PNG of one colour. */
export function plainPng(
  width: number,
  height: number,
  [red, green, blue]: readonly [number, number, number] = [255, 0, 0],
): Buffer {
  return pictureOf(width, height, () => [red, green, blue, 255]).pngSync();
}

/** A JPEG whose colours change over it. */
export function shadedJpeg(width: number, height: number, blue = 0): Buffer {
  return pictureOf(width, height, (x, y) => [
    Math.floor((255 * x) / width),
    Math.floor((255 * y) / height),
    blue,
    255,
  ]).jpegSync(90);
}

function pictureOf(
  width: number,
  height: number,
  color: (x: number, y: number) => readonly number[],
): Transformer {
  const pixels = Array.from({ length: width * height }, (_, at) =>
    color(at % width, Math.floor(at / width)),
  );
  return Transformer.fromRgbaPixels(Uint8Array.from(pixels.flat()), width, height);
}

/** A palette PNG of 8 bits with these numbers, row by row. Each number's colour says nothing. */
export function maskPng(width: number, height: number, values: readonly number[]): Buffer {
  const chunk = (name: string, content: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(name, 'latin1'), content]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(content.length, 0);
    ends.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  const lines = Buffer.concat(
    Array.from({ length: height }, (_, y) =>
      Buffer.from([0, ...values.slice(y * width, (y + 1) * width)]),
    ),
  );
  const palette = Buffer.from(Array.from({ length: 768 }, (_, i) => (i * 37) % 256));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', head),
    chunk('PLTE', palette),
    chunk('IDAT', deflateSync(lines)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Writes files, by their paths, into a new folder. */
export function folderOf(files: Readonly<Record<string, Uint8Array | string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-data-'));
  addFiles(folder, files);
  return folder;
}

/** Writes files, by their paths, into a folder. */
export function addFiles(
  folder: string,
  files: Readonly<Record<string, Uint8Array | string>>,
): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}
