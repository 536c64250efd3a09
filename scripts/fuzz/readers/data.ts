/** Data sets, their archives, and pictures. */
import { Transformer } from '@napi-rs/image';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { CIFAR10, CIFAR100, parseCifarBinary, parseClassNames } from '../../../src/data/cifar.js';
import { parseCifarPython, parsePythonClassNames } from '../../../src/data/cifar-python.js';
import { readMembers, unpackFolder } from '../../../src/data/node/archive.js';
import { readImage } from '../../../src/experiments/node/explain-images.js';
import { RandomStream } from '../../../src/random/index.js';
import { concat, encode, flipOneBit, mutateBytes, noise } from '../mutations/bytes.js';
import { mutatePickle } from '../mutations/pickle.js';
import { mutateJpeg, mutatePng, mutateWebp } from '../mutations/pictures.js';
import { mutateGzip, mutateTar, tar } from '../mutations/tar.js';
import { mutateText } from '../mutations/text.js';
import { fixture, fixtures, type Reader } from '../reader.js';
import { refusedOrSame } from './damage.js';

const FOLDER = CIFAR10.layouts.binary.folder;
const MEMBERS = [...CIFAR10.layouts.binary.train.slice(0, 2), 'batches.meta.txt'].map(
  (name) => `${FOLDER}/${name}`,
);

/** An archive of a data set as it is published, but for the size of its files. */
function archive(): Uint8Array {
  const [first = '', second = '', names = ''] = MEMBERS;
  const content = noise(new RandomStream(1, 'archive'), 700);
  return tar({
    [first]: content,
    [second]: content.subarray(0, 300),
    [names]: encode('airplane\nautomobile\n'),
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

const readArchive = async (input: Uint8Array, folder: string): Promise<unknown> =>
  readMembers(written(input, folder, 'archive.tar.gz'), new Set(MEMBERS));

/** A picture of few pixels, all of them different. */
function pixels(width: number, height: number): Transformer {
  const bytes = noise(new RandomStream(1, 'picture'), 4 * width * height);
  return Transformer.fromRgbaPixels(bytes, width, height);
}

const pictures = (...endings: string[]): Uint8Array[] => fixtures('cases', ...endings);

/** As `fovea explain` reads them. */
const readPicture = (input: Uint8Array, folder: string): unknown =>
  readImage(written(input, folder, 'picture'), 8, 8);

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
    seeds: () => [encode(Array.from({ length: 10 }, (_, i) => `class ${i}\n`).join(''))],
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
    what: 'archives of data sets, .tar.gz and .tar, read into memory',
    seeds: () => [gzipSync(archive()), archive()],
    mutations: [mutateGzip(mutateTar), mutateTar],
    read: readArchive,
  },
  {
    name: 'archive-unpacked',
    what: 'archives of data sets, unpacked to the disk',
    seeds: () => [gzipSync(archive())],
    mutations: [mutateGzip(mutateTar)],
    read: async (input, folder) => {
      const into = join(folder, 'into');
      mkdirSync(into, { recursive: true });
      try {
        await unpackFolder(written(input, folder, 'archive.tar.gz'), FOLDER, into);
      } finally {
        rmSync(into, { recursive: true, force: true, maxRetries: 5 });
      }
    },
  },
  refusedOrSame({
    name: 'damaged-archive',
    what: 'one bit of a .tar.gz turned over: refused, or read as before',
    seed: () => gzipSync(archive()),
    mutation: flipOneBit,
    read: readArchive,
  }),
  {
    name: 'png',
    what: 'PNG',
    seeds: async () => [
      await pixels(9, 7).png(),
      await pixels(9, 7).grayscale().png(),
      ...pictures('.png'),
    ],
    mutations: [mutatePng],
    read: readPicture,
  },
  {
    name: 'jpeg',
    what: 'JPEG',
    seeds: async () => [
      await pixels(17, 9).jpeg(80),
      await pixels(9, 17).grayscale().jpeg(90),
      ...pictures('.jpg', '.jpeg'),
    ],
    mutations: [mutateJpeg],
    read: readPicture,
  },
  {
    name: 'webp',
    what: 'WebP',
    seeds: async () => [
      await pixels(9, 7).webp(70),
      await pixels(9, 7).webpLossless(),
      ...pictures('.webp'),
    ],
    mutations: [mutateWebp],
    read: readPicture,
  },
];
