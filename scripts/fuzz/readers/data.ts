/** Data sets, their archives, and pictures. */
import { Transformer } from '@napi-rs/image';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { CIFAR10, CIFAR100, parseCifarBinary, parseClassNames } from '../../../src/data/cifar.js';
import { parseCifarPython, parsePythonClassNames } from '../../../src/data/cifar-python.js';
import { loadCifar } from '../../../src/data/node/load-cifar.js';
import { fitted } from '../../../src/data/fitted.js';
import { readPicture as readFile } from '../../../src/formats/node/pictures/decode.js';
import { exifOrientation } from '../../../src/formats/node/pictures/exif.js';
import { pictureHeader } from '../../../src/formats/node/pictures/picture-file.js';
import { RandomStream } from '../../../src/random/index.js';
import type { Mutate } from '../dice.js';
import { concat, encode, flipOneBit, mutateBytes, noise } from '../mutations/bytes.js';
import { mutatePickle } from '../mutations/pickle.js';
import { exif, mutateExif, mutateJpeg, mutatePng, mutateWebp } from '../mutations/pictures.js';
import { mutateGzip, mutateTar, tar } from '../mutations/tar.js';
import { mutateText } from '../mutations/text.js';
import { fixture, fixtures, ReadWrongly, type Reader } from '../reader.js';
import { refusedOrSame } from './damage.js';

const { folder: FOLDER, val: IMAGES } = CIFAR10.layouts.binary;
const CLASSES = Array.from({ length: 10 }, (_, i) => `class ${i}\n`).join('');

/** An archive of a data set as it is published, but for the number of its images. */
function archive(): Uint8Array {
  const images = new Uint8Array(3073).fill(3);
  const files = Object.fromEntries(IMAGES.map((name) => [`${FOLDER}/${name}`, images]));
  return tar({
    [`${FOLDER}/batches.meta.txt`]: encode(CLASSES),
    ...files,
    [`${FOLDER}/readme.html`]: encode('<html></html>'),
  });
}

/** `{'label_names': ['a', 'b', ..]}` as Python 2 pickles it. */
function pickledNames(): Uint8Array {
  const names = Array.from('abcdefghij', (name) =>
    concat(encode('U'), Uint8Array.of(1), encode(name)),
  );
  const key = concat(encode('U'), Uint8Array.of(11), encode('label_names'));
  return concat(Uint8Array.of(0x80, 2), encode('}'), key, encode(']('), ...names, encode('es.'));
}

function written(input: Uint8Array, folder: string, name: string): string {
  const path = join(folder, name);
  writeFileSync(path, input);
  return path;
}

/** As `fovea train --data ARCHIVE` does. */
const readArchive = async (input: Uint8Array, folder: string): Promise<unknown> => {
  const { images, labels, classes } = await loadCifar(isXz(input) ? CIFAR100 : CIFAR10, {
    data: written(input, folder, 'archive'),
    split: 'val',
  });
  return { images, labels, classes };
};

const isXz = (input: Uint8Array): boolean => input[0] === 0xfd && input[1] === 0x37;

/** A picture of few pixels, all of them different. */
function pixels(width: number, height: number): Transformer {
  const bytes = noise(new RandomStream(1, 'picture'), 4 * width * height);
  return Transformer.fromRgbaPixels(bytes, width, height);
}

const pngs = async (): Promise<Uint8Array[]> => [
  await pixels(9, 7).png(),
  await pixels(9, 7).grayscale().png(),
  ...fixtures('cases', '.png'),
];

const jpegs = async (): Promise<Uint8Array[]> => [
  await pixels(17, 9).jpeg(80),
  await pixels(9, 17).grayscale().jpeg(90),
  ...fixtures('cases', '.jpg', '.jpeg'),
];

const webps = async (): Promise<Uint8Array[]> => [
  await pixels(9, 7).webp(70),
  await pixels(9, 7).webpLossless(),
  ...fixtures('cases', '.webp'),
];

const mutatePicture: Mutate = (random, bytes, other) => {
  const mutate = { 0x89: mutatePng, 0xff: mutateJpeg, 0x52: mutateWebp }[bytes[0] ?? 0];
  return (mutate ?? mutateBytes)(random, bytes, other);
};

/** As data sets, `fovea predict` and `fovea explain` read them. */
const readPicture = async (input: Uint8Array, folder: string): Promise<unknown> => {
  const image = await readFile(written(input, folder, 'picture'), 3);
  return fitted({ image }, { channels: 3, height: 8, width: 8 });
};

export const dataReaders: readonly Reader[] = [
  {
    name: 'cifar-binary',
    what: 'CIFAR in binary, of 10 and 100 classes',
    seeds: () => {
      const images = new Uint8Array(2 * 3073).fill(7);
      return [images, new Uint8Array(2 * 3074).fill(9), images.subarray(0, 3073)];
    },
    mutations: [mutateBytes],
    read: (input) => parseCifarBinary(input, input.length % 2 === 0 ? CIFAR10 : CIFAR100, 'input'),
  },
  {
    name: 'cifar-names',
    what: "CIFAR's class names as text",
    seeds: () => [encode(CLASSES)],
    mutations: [mutateText(['\n', '\r\n', 'cat'])],
    read: (input) => parseClassNames(new TextDecoder().decode(input), 10, 'input'),
  },
  {
    name: 'cifar-python',
    what: 'CIFAR as pickled by Python 2 and 3',
    seeds: () => [
      fixture('cifar-python/python2-cifar10-fortran'),
      fixture('cifar-python/python2-cifar100'),
      fixture('cifar-python/python3-protocol2-cifar100'),
      fixture('cifar-python/python3-protocol4-cifar100'),
    ],
    mutations: [mutatePickle],
    read: (input) => {
      const spec = input[input.length - 2] === 0x73 ? CIFAR10 : CIFAR100;
      return parseCifarPython(input, spec, 'input');
    },
  },
  {
    name: 'cifar-python-names',
    what: "CIFAR's pickled class names",
    seeds: () => [fixture('cifar-python/python2-meta'), pickledNames()],
    mutations: [mutatePickle],
    read: (input) => parsePythonClassNames(input, CIFAR10, 'input'),
  },
  {
    name: 'archive',
    what: 'archives of data sets: .tar.gz, .tar and .tar.xz',
    seeds: () => [gzipSync(archive()), archive(), ...fixtures('cases/cifar-tar-xz', '.xz')],
    mutations: [mutateGzip(mutateTar), mutateTar],
    read: readArchive,
  },
  refusedOrSame({
    name: 'damaged-archive',
    what: 'one bit of a .tar.gz turned over: refused, or read as before',
    seed: () => gzipSync(archive()),
    mutation: flipOneBit,
    read: readArchive,
  }),
  {
    name: 'exif',
    what: 'the orientation in EXIF',
    seeds: () => [exif(new RandomStream(1, 'exif')), exif(new RandomStream(2, 'exif'))],
    mutations: [mutateExif],
    read: (input) => {
      const orientation = exifOrientation(input) ?? 1;
      if (!Number.isInteger(orientation) || orientation < 1 || orientation > 8) {
        throw new ReadWrongly(`There is no orientation ${orientation}.`);
      }
    },
  },
  {
    name: 'picture-head',
    what: 'size and orientation of PNG, JPEG and WebP, before anything is decoded',
    seeds: async () => [...(await pngs()), ...(await jpegs()), ...(await webps())],
    mutations: [mutatePicture],
    read: (input) => pictureHeader(input, 'input'),
  },
  {
    name: 'png',
    what: 'PNG, decoded',
    seeds: pngs,
    mutations: [mutatePng],
    read: readPicture,
  },
  {
    name: 'jpeg',
    what: 'JPEG, decoded',
    seeds: jpegs,
    mutations: [mutateJpeg],
    read: readPicture,
  },
  {
    name: 'webp',
    what: 'WebP, decoded',
    seeds: webps,
    mutations: [mutateWebp],
    read: readPicture,
  },
  refusedOrSame({
    name: 'damaged-png',
    what: 'one bit of a PNG turned over: refused, or read as before',
    seed: async () => (await pngs())[0] ?? new Uint8Array(),
    mutation: flipOneBit,
    read: readPicture,
  }),
];
