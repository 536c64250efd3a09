import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileError, RequestError } from '../errors.js';
import { parseCifarPython, parsePythonClassNames } from './cifar-python.js';
import { CIFAR10, CIFAR100, cifarDataset, parseCifarBinary, parseClassNames } from './cifar.js';
import { loadCifar } from './node/load-cifar.js';
import { subset } from './subset.js';

const fixture = (name: string): Uint8Array =>
  readFileSync(new URL(`../../tests/fixtures/cifar-python/${name}`, import.meta.url));

/** The pixels of the fixtures' images: see make.py beside them. */
const fixturePixels = Uint8Array.from({ length: 2 * 3072 }, (_, at) => {
  const [image, i] = [Math.floor(at / 3072), at % 3072];
  return 7 * i + 31 * Math.floor(i / 256) + 101 * image;
});

/** A binary record: labels, then one value for each of red, green and blue. */
function record(labels: number[], red: number, green: number, blue: number): number[] {
  const plane = (value: number): number[] => new Array<number>(1024).fill(value);
  return [...labels, ...plane(red), ...plane(green), ...plane(blue)];
}

describe('the binary layout', () => {
  it('of CIFAR-10 is a label, then red, green and blue', () => {
    const bytes = Uint8Array.from([...record([3], 1, 2, 3), ...record([9], 4, 5, 6)]);
    const { images, labels } = parseCifarBinary(bytes, CIFAR10, 'data_batch_1.bin');
    expect([...labels]).toEqual([3, 9]);
    expect([0, 1023, 1024, 2048, 3072, 6143].map((at) => images[at])).toEqual([1, 1, 2, 3, 4, 6]);
  });

  it('of CIFAR-100 is a coarse and a fine label, then the pixels', () => {
    const bytes = Uint8Array.from([...record([11, 99], 1, 2, 3), ...record([0, 5], 4, 5, 6)]);
    expect([...parseCifarBinary(bytes, CIFAR100, 'train.bin').labels]).toEqual([99, 5]);
    const coarse = parseCifarBinary(bytes, CIFAR100, 'train.bin', 'coarse');
    expect([...coarse.labels]).toEqual([11, 0]);
    expect(coarse.images[3072]).toBe(4);
  });

  it('is refused when it is no whole number of records', () => {
    const parse = (length: number) => () =>
      parseCifarBinary(new Uint8Array(length), CIFAR100, 'train.bin');
    expect(parse(3074 + 100)).toThrow(FileError);
    expect(parse(3074 + 100)).toThrow(
      'train.bin: expected a whole number of records of 3074 bytes, found 3174 bytes (1 records and 100 bytes)',
    );
    expect(parse(0)).toThrow('found 0 bytes');
  });

  it('is refused when a label is out of range', () => {
    const bytes = Uint8Array.from([...record([0], 1, 2, 3), ...record([10], 4, 5, 6)]);
    expect(() => parseCifarBinary(bytes, CIFAR10, 'test_batch.bin')).toThrow(
      'test_batch.bin: record 1 has the label 10, expected 0 to 9.',
    );
  });

  it('has its class names in a text file, one a line', () => {
    expect(parseClassNames('apple\nbear\r\n\n', 2, 'names.txt')).toEqual(['apple', 'bear']);
    expect(() => parseClassNames('apple\n', 2, 'names.txt')).toThrow(
      'names.txt: expected 2 class names, found 1.',
    );
  });

  it('has no coarse labels in CIFAR-10', () => {
    const parse = (): unknown => parseCifarBinary(new Uint8Array(3073), CIFAR10, 'x', 'coarse');
    expect(parse).toThrow(RequestError);
    expect(parse).toThrow('cifar10 has no coarse labels; it has fine.');
  });
});

describe('the python layout', () => {
  it.each(['python2-cifar100', 'python3-protocol2-cifar100', 'python3-protocol4-cifar100'])(
    'of CIFAR-100 is read from %s',
    (name) => {
      const { images, labels } = parseCifarPython(fixture(name), CIFAR100, name);
      expect([...labels]).toEqual([19, 99]);
      expect(images).toEqual(fixturePixels);
      expect([...parseCifarPython(fixture(name), CIFAR100, name, 'coarse').labels]).toEqual([
        11, 0,
      ]);
    },
  );

  it.each(['python2-cifar10-fortran', 'python3-protocol4-cifar10-fortran'])(
    'of CIFAR-10 is read from %s, stored column by column',
    (name) => {
      const { images, labels } = parseCifarPython(fixture(name), CIFAR10, name);
      expect([...labels]).toEqual([6, 9]);
      expect(images).toEqual(fixturePixels);
    },
  );

  it('is refused when the labels are those of the other data set', () => {
    const parse = (): unknown => parseCifarPython(fixture('python2-cifar100'), CIFAR10, 'train');
    expect(parse).toThrow(FileError);
    expect(parse).toThrow("train: expected 2 numbers in 'labels', found none.");
  });

  it('has its class names in a pickle', () => {
    const two = { ...CIFAR100, labels: { fine: { ...fine, classes: 2 } } };
    expect(parsePythonClassNames(fixture('python2-meta'), two, 'meta')).toEqual(['apple', 'bear']);
    expect(() => parsePythonClassNames(fixture('python2-meta'), CIFAR100, 'meta')).toThrow(
      "meta: expected 100 class names in 'fine_label_names', found 2.",
    );
  });

  it('is refused when it is not a pickled dict with an array', () => {
    const parse = (bytes: number[]) => () =>
      parseCifarPython(Uint8Array.from(bytes), CIFAR100, 'train');
    expect(parse([0x80, 2, 0x4e, 0x2e])).toThrow('train: expected a pickled dict.');
    expect(parse([0x80, 2, 0x7d, 0x2e])).toThrow(
      "train: expected 'data' to be a uint8 array [N, 3072].",
    );
    expect(parse([...Buffer.from('<html>')])).toThrow('train, byte 1: opcode 0x3c');
  });
});

const fine = CIFAR100.labels.fine ?? { classes: 0, byte: 0, namesFile: '', key: '', namesKey: '' };

describe('cifarDataset', () => {
  it('puts the parts after one another', () => {
    const part = (value: number, ...labels: number[]) => ({
      images: new Uint8Array(labels.length * 3072).fill(value),
      labels: Int32Array.from(labels),
    });
    const dataset = cifarDataset(
      CIFAR10,
      'val',
      [part(1, 5), part(2, 6, 7)],
      Array.from('abcdefgh'),
    );
    expect(dataset).toMatchObject({ name: 'cifar10', split: 'val', channels: 3, height: 32 });
    expect([...dataset.labels]).toEqual([5, 6, 7]);
    expect([dataset.images[3071], dataset.images[3072], dataset.images.at(-1)]).toEqual([1, 2, 2]);
  });
});

/** A folder that holds cifar-100-binary/, for the checks that want the real images. */
const realData = process.env['FOVEA_CIFAR100'] ?? '';

describe.skipIf(!existsSync(realData))(
  'the real CIFAR-100 (set FOVEA_CIFAR100 to its folder)',
  () => {
    it('has 500 and 100 images of each class, and the published channel statistics', async () => {
      for (const [split, each] of [
        ['train', 500],
        ['val', 100],
      ] as const) {
        const dataset = await loadCifar(CIFAR100, { data: realData, split });
        const counts = new Array<number>(100).fill(0);
        for (const label of dataset.labels) counts[label] = (counts[label] ?? 0) + 1;
        expect(new Set(counts)).toEqual(new Set([each]));
        expect(dataset.classes.slice(0, 3)).toEqual(['apple', 'aquarium_fish', 'baby']);
        if (split === 'train') expect(statistics(dataset.images)).toEqual(PUBLISHED);
      }
    });

    it('has 2500 images of each coarse class', async () => {
      const options = { data: realData, split: 'train', labels: 'coarse' } as const;
      const dataset = await loadCifar(CIFAR100, options);
      const counts = new Array<number>(20).fill(0);
      for (const label of dataset.labels) counts[label] = (counts[label] ?? 0) + 1;
      expect(new Set(counts)).toEqual(new Set([2500]));
    });

    it('is limited evenly, and found from inside its folder as well', async () => {
      const inside = join(dirname(join(realData, 'x')), 'cifar-100-binary');
      const dataset = subset(await loadCifar(CIFAR100, { data: inside, split: 'val' }), 250);
      expect(dataset.size).toBe(250);
      const counts = new Array<number>(100).fill(0);
      for (const label of dataset.labels ?? []) counts[label] = (counts[label] ?? 0) + 1;
      expect(counts).toEqual(Array.from({ length: 100 }, (_, label) => (label < 50 ? 3 : 2)));
    });
  },
);

/** Mean and deviation of CIFAR-100's training images by channel, as widely published, to four digits. */
const PUBLISHED = {
  mean: ['0.5071', '0.4865', '0.4409'],
  std: ['0.2673', '0.2564', '0.2762'],
};

function statistics(images: Uint8Array): { mean: string[]; std: string[] } {
  const mean: string[] = [];
  const std: string[] = [];
  for (let channel = 0; channel < 3; channel++) {
    let [sum, squares, count] = [0, 0, 0];
    for (let start = channel * 1024; start < images.length; start += 3072) {
      for (let at = start; at < start + 1024; at++) {
        const value = images[at] ?? 0;
        sum += value;
        squares += value * value;
        count++;
      }
    }
    mean.push((sum / count / 255).toFixed(4));
    std.push((Math.sqrt(squares / count - (sum / count) ** 2) / 255).toFixed(4));
  }
  return { mean, std };
}
