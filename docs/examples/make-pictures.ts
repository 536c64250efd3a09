/**
 * Makes a folder of pictures to try things on: three classes (discs, squares, crosses) in mixed sizes, and in
 * turn as PNG in RGB, grey, RGBA, palette and 16 bits, as JPEG, as JPEG turned by its Exif, and as WebP.
 *
 *     npx tsx docs/examples/make-pictures.ts pictures 60
 *
 * makes 60 of each class in the folder `pictures`.
 */
import { Transformer } from '@napi-rs/image';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';

type Color = readonly [red: number, green: number, blue: number];

interface Drawing {
  readonly width: number;
  readonly height: number;
  at(x: number, y: number): Color;
}

/** A class: whether a place lies in the shape, from -1 to 1 around its middle, and its usual colour. */
interface Shape {
  readonly color: Color;
  inside(x: number, y: number): boolean;
}

const SHAPES: Readonly<Record<string, Shape>> = {
  disc: { color: [190, 70, 60], inside: (x, y) => x ** 2 + y ** 2 < 0.9 },
  square: { color: [60, 170, 70], inside: (x, y) => Math.max(Math.abs(x), Math.abs(y)) < 0.85 },
  cross: {
    color: [60, 80, 190],
    inside: (x, y) =>
      Math.min(Math.abs(x), Math.abs(y)) < 0.3 && Math.max(Math.abs(x), Math.abs(y)) < 1,
  },
};

const KINDS: readonly { readonly ending: string; write(drawing: Drawing): Uint8Array }[] = [
  { ending: 'png', write: (drawing) => png(drawing, 8, 2, (color) => color) },
  { ending: 'jpg', write: (drawing) => rgba(drawing).jpegSync(92) },
  { ending: 'grey.png', write: (drawing) => png(drawing, 8, 0, (color) => [grey(color)]) },
  { ending: 'rgba.png', write: (drawing) => png(drawing, 8, 6, (color) => [...color, 200]) },
  { ending: 'webp', write: (drawing) => rgba(drawing).webpSync(90) },
  {
    ending: 'palette.png',
    write: (drawing) =>
      png(drawing, 8, 3, ([r, g, b]) => [36 * level(r) + 6 * level(g) + level(b)]),
  },
  { ending: '16bit.png', write: (drawing) => png(drawing, 16, 2, (c) => c.flatMap((v) => [v, v])) },
  { ending: 'turned.jpg', write: (drawing) => turned(drawing) },
];

/**
 * Writes the pictures.
 * @param folder gets a folder for every class
 * @param count of each class
 * @returns the names of the classes, in the order in which a data set has them
 */
export function makePictures(folder: string, count: number): string[] {
  const random = randomNumbers(1);
  for (const [name, shape] of Object.entries(SHAPES)) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let i = 0; i < count; i++) {
      const kind = KINDS[i % KINDS.length];
      if (kind === undefined) continue;
      writeFileSync(join(folder, name, `${i}.${kind.ending}`), kind.write(draw(shape, random)));
    }
  }
  return Object.keys(SHAPES).sort();
}

/** A shape in front of a shaded and grainy ground. */
function draw(shape: Shape, random: () => number): Drawing {
  const width = 48 + Math.floor(80 * random());
  const height = 48 + Math.floor(80 * random());
  const radius = (0.28 + 0.17 * random()) * Math.min(width, height);
  const [left, top] = [
    radius + random() * (width - 2 * radius),
    radius + random() * (height - 2 * radius),
  ];
  const color = shape.color.map((v) => v + 60 * (random() - 0.5));
  const ground = [0, 1, 2].map(() => 80 + 80 * random());
  const grain = Float64Array.from({ length: width * height }, () => 20 * random());
  return {
    width,
    height,
    at: (x, y) => {
      const isInside = shape.inside((x - left) / radius, (y - top) / radius);
      const shade = (20 * x) / width + (grain[y * width + x] ?? 0);
      const [r = 0, g = 0, b = 0] = (isInside ? color : ground).map((v) =>
        Math.max(0, Math.min(255, Math.round(v + shade))),
      );
      return [r, g, b];
    },
  };
}

/** The numbers of all pixels, row by row. */
function pixels(
  { width, height, at }: Drawing,
  write: (color: Color) => readonly number[],
): number[][] {
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (__, x) => write(at(x, y))).flat(),
  );
}

function png(
  drawing: Drawing,
  bits: number,
  colorType: number,
  write: (color: Color) => readonly number[],
): Uint8Array {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(drawing.width, 0);
  head.writeUInt32BE(drawing.height, 4);
  head.set([bits, colorType], 8);
  const lines = pixels(drawing, write).map((line) => Buffer.from([0, ...line]));
  // Six levels of red, green and blue each.
  const palette = Buffer.from(
    Array.from({ length: 216 }, (_, i) => [Math.floor(i / 36), Math.floor(i / 6) % 6, i % 6])
      .flat()
      .map((v) => 51 * v),
  );
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', head),
    ...(colorType === 3 ? [chunk('PLTE', palette)] : []),
    chunk('IDAT', deflateSync(Buffer.concat(lines))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(name: string, content: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), content]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(content.length, 0);
  ends.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}

function rgba(drawing: Drawing): Transformer {
  const data = pixels(drawing, (color) => [...color, 255]).flat();
  return Transformer.fromRgbaPixels(Uint8Array.from(data), drawing.width, drawing.height);
}

/** Rows and columns exchanged, and Exif's orientation 5, which exchanges them again. */
function turned({ width, height, at }: Drawing): Uint8Array {
  const jpeg = rgba({ width: height, height: width, at: (x, y) => at(y, x) }).jpegSync(92);
  const exif = Buffer.from(
    'ffe100224578696600004d4d002a00000008000101120003000000010005000000000000',
    'hex',
  );
  return Buffer.concat([jpeg.subarray(0, 2), exif, jpeg.subarray(2)]);
}

function grey([r, g, b]: Color): number {
  return Math.round(0.299 * r + 0.587 * g + 0.114 * b);
}

/** One of six levels. */
function level(value: number): number {
  return Math.round(value / 51);
}

/** Random numbers in [0, 1), the same every time: a linear congruential generator. */
function randomNumbers(seed: number): () => number {
  let state = BigInt(seed);
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number(state >> 32n) / 2 ** 32;
  };
}

if (process.argv[1] === import.meta.filename) {
  const [folder = 'pictures', count = '60'] = process.argv.slice(2);
  makePictures(folder, Number(count));
}
