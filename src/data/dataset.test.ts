import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FileError, RequestError } from '../errors.js';
import { DATASETS, datasetInfo } from './catalog.js';
import {
  checkLabels,
  imageDataset,
  normalizationOf,
  type Dataset,
  type Example,
  type ImageArrays,
} from './dataset.js';
import { choose, subset } from './subset.js';

/** Images of 1 x 1 pixel whose value is their index. */
function tiny(labels: number[], classCount: number): Dataset {
  return imageDataset({
    name: 'tiny',
    classes: Array.from({ length: classCount }, (_, label) => `class ${label}`),
    channels: 1,
    height: 1,
    width: 1,
    images: Uint8Array.from(labels, (_, index) => index),
    labels,
    masks: Uint8Array.from(labels, (_, index) => index % 2),
    normalization: { mean: [0], std: [1] },
  });
}

/** All examples of a data set in memory. */
function examples(dataset: Dataset): Example[] {
  return Array.from({ length: dataset.size }, (_, index) => dataset.example(index) as Example);
}

const pixels = (dataset: Dataset): number[] =>
  examples(dataset).flatMap(({ image }) => [...image.data]);
const masks = (dataset: Dataset): number[] =>
  examples(dataset).flatMap(({ mask = [] }) => [...mask]);
const labelsOf = ({ labels }: Dataset): number[] => [...(labels ?? [])];

describe('subset', () => {
  it('takes the first images of every class, in the order of the data set', () => {
    const chosen = subset(tiny([0, 0, 0, 1, 1, 2, 1, 2, 2], 3), 6);
    expect(labelsOf(chosen)).toEqual([0, 0, 1, 1, 2, 2]);
    expect(pixels(chosen)).toEqual([0, 1, 3, 4, 5, 7]);
    expect(masks(chosen)).toEqual([0, 1, 1, 0, 1, 1]);
  });

  it('gives what does not divide evenly to the lower class numbers', () => {
    const chosen = subset(tiny([2, 1, 0, 2, 1, 0], 3), 4);
    expect(labelsOf(chosen)).toEqual([2, 1, 0, 0]);
  });

  it('takes all of a class that is too small, and more of the others', () => {
    const chosen = subset(tiny([0, 1, 1, 1, 1, 2, 2, 2, 2], 3), 7);
    expect(labelsOf(chosen)).toEqual([0, 1, 1, 1, 2, 2, 2]);
  });

  it('keeps classes as equal as the data set allows, whatever the labels', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 60 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (labels, share) => {
          const n = 1 + Math.floor(share * (labels.length - 1));
          const chosen = subset(tiny(labels, 5), n);
          expect(chosen.size).toBe(n);
          const indices = pixels(chosen);
          expect(indices).toEqual(indices.toSorted((a, b) => a - b));
          const count = (all: Iterable<number>, label: number): number =>
            [...all].filter((other) => other === label).length;
          const taken = [0, 1, 2, 3, 4].map((label) => count(labelsOf(chosen), label));
          taken.forEach((some, label) => {
            // A class with images left over is at most one behind any other.
            if (some < count(labels, label)) {
              expect(Math.max(...taken) - some).toBeLessThanOrEqual(1);
            }
          });
        },
      ),
    );
  });

  it('gives the data set itself when all of it is asked for', () => {
    const dataset = tiny([0, 1], 2);
    expect(subset(dataset, 2)).toBe(dataset);
  });

  it.each([0, -1, 1.5, 3, NaN])('refuses to take %d of two images', (n) => {
    expect(() => subset(tiny([0, 1], 2), n)).toThrow(RequestError);
    expect(() => subset(tiny([0, 1], 2), n)).toThrow(
      `Cannot take ${n} images of tiny (train): expected a whole number from 1 to 2.`,
    );
  });
});

describe('choose', () => {
  it('gives examples by their place in the choice, under the names that they had', () => {
    const named = { ...tiny([0, 1, 1, 0], 2), nameOf: (index: number) => `${index}.png` };
    const chosen = choose(named, Uint32Array.of(3, 1));
    expect(labelsOf(chosen)).toEqual([0, 1]);
    expect(pixels(chosen)).toEqual([3, 1]);
    expect(chosen.nameOf?.(0)).toBe('3.png');
  });

  it('asks a loader for the places that examples have in the whole data set, keyed by those here', async () => {
    const asked: unknown[] = [];
    const whole: Dataset = {
      ...tiny([0, 1, 1, 0], 2),
      openLoader: () => ({
        load: (request) => {
          asked.push(request);
          return Promise.resolve({});
        },
        close: () => Promise.resolve(),
      }),
    };
    const twice = choose(choose(whole, Uint32Array.of(3, 2, 1)), Uint32Array.of(2, 0));
    const loader = twice.openLoader?.({ fields: {}, augment: [], seed: 0 }, twice);
    await loader?.load({ indices: Uint32Array.of(1, 0), epoch: 2 });
    expect(asked).toEqual([
      { indices: Uint32Array.of(1, 0), sources: Uint32Array.of(3, 1), epoch: 2 },
    ]);
  });
});

describe('imageDataset', () => {
  const arrays: ImageArrays = {
    images: Uint8Array.of(0, 255, 10, 20, 51, 102, 30, 40),
    labels: [1, 0],
    classes: ['a', 'b'],
    channels: 2,
    height: 1,
    width: 2,
  };

  it('hands out each image with its label, mask and values', () => {
    const dataset = imageDataset({
      ...arrays,
      masks: Uint8Array.of(0, 1, 2, 255),
      values: { box: Float32Array.of(1, 2, 3, 4), age: Int32Array.of(7, 8) },
    });
    expect(dataset.example(1)).toEqual({
      image: { channels: 2, height: 1, width: 2, data: Uint8Array.of(51, 102, 30, 40) },
      label: 0,
      mask: Uint8Array.of(2, 255),
      values: { box: Float32Array.of(3, 4), age: Int32Array.of(8) },
    });
    expect(dataset).toMatchObject({ name: 'images', split: 'train', size: 2 });
    expect(dataset.pixelClasses).toEqual(['background', 'a', 'b']);
    expect(imageDataset({ ...arrays, split: 'val' }).pixelClasses).toBeUndefined();
  });

  it('is normalised by the mean and deviation of its own pixels, unless others are given', () => {
    const { normalization } = imageDataset(arrays);
    // (0 + 1 + 0.2 + 0.4) / 4, and by hand sqrt((0.16 + 0.36 + 0.04 + 0) / 4).
    expect(normalization.mean[0]).toBeCloseTo(0.4, 12);
    expect(normalization.std[0]).toBeCloseTo(Math.sqrt(0.14), 12);
    expect(normalization.mean[1]).toBeCloseTo(25 / 255, 12);
    const given = { mean: [0.5, 0.5], std: [0.2, 0.2] };
    expect(imageDataset({ ...arrays, normalization: given }).normalization).toBe(given);
  });

  it.each<[string, Partial<ImageArrays>, string]>([
    ['no image', { images: new Uint8Array(0), labels: [] }, 'images (train) has no images'],
    [
      'a label too few',
      { labels: [1] },
      'has 1 labels, but its 8 pixel values are 2 images of [2, 1, 2]',
    ],
    ['half an image', { images: new Uint8Array(6) }, 'its 6 pixel values are 1.5 images'],
    [
      'masks of another size',
      { masks: new Uint8Array(3) },
      'masks of 3 pixels; 2 images of 1 x 2 need 4',
    ],
    ['values that do not divide', { values: { box: new Float32Array(3) } }, "3 values of 'box'"],
    [
      'a label beyond the classes',
      { labels: [1, 2] },
      'label 1 is 2, but there are 2 classes: expected a whole number from 0 to 1.',
    ],
    ['half a label', { labels: [0.5, 1] }, 'label 0 is 0.5'],
    [
      'a mask beyond the classes',
      { masks: Uint8Array.of(0, 1, 255, 3) },
      "mask's pixel 3 is 3, but there are 3 classes: expected a whole number from 0 to 2, or 255",
    ],
    [
      'a normalization of other channels',
      { normalization: { mean: [0], std: [1] } },
      'needs 2 numbers',
    ],
    [
      'images of another type',
      { images: new Float32Array(8) as unknown as Uint8Array },
      'images that are not a Uint8Array',
    ],
  ])('refuses %s', (_, wrong, reason) => {
    const make = (): unknown => imageDataset({ ...arrays, ...wrong });
    expect(make).toThrow(RequestError);
    expect(make).toThrow(reason);
  });
});

describe('normalizationOf', () => {
  it('is the mean and the deviation of all bytes, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2, maxLength: 200 }), (bytes) => {
        const counts = new Float64Array(256);
        for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
        const { mean, std } = normalizationOf([counts]);
        const scaled = Array.from(bytes, (byte) => byte / 255);
        const average = scaled.reduce((sum, x) => sum + x, 0) / scaled.length;
        const square = scaled.reduce((sum, x) => sum + (x - average) ** 2, 0) / scaled.length;
        expect(mean[0]).toBeCloseTo(average, 12);
        expect(std[0]).toBeCloseTo(new Set(bytes).size === 1 ? 1 : Math.sqrt(square), 6);
      }),
    );
  });

  it('leaves a channel of one value as it is', () => {
    const counts = new Float64Array(256);
    counts[255] = 9;
    expect(normalizationOf([counts])).toEqual({ mean: [1], std: [1] });
  });
});

describe('checkLabels', () => {
  it('names the record, the label and the range', () => {
    const check = (): void => checkLabels(Int32Array.of(0, 9, 10, 11), 10, 'data_batch_1.bin');
    expect(check).toThrow(FileError);
    expect(check).toThrow('data_batch_1.bin: record 2 has the label 10, expected 0 to 9.');
    expect(() => checkLabels(Int32Array.of(-1), 10, 'x')).toThrow('record 0 has the label -1');
  });
});

describe('datasetInfo', () => {
  it('knows every data set by its id', () => {
    for (const [id, info] of Object.entries(DATASETS)) expect(datasetInfo(id)).toBe(info);
  });

  it('suggests the nearest name for an unknown one', () => {
    expect(() => datasetInfo('cifar-100')).toThrow(RequestError);
    expect(() => datasetInfo('cifar-100')).toThrow(
      "Unknown data set 'cifar-100'. Did you mean 'cifar100'",
    );
    expect(() => datasetInfo('toString')).toThrow("Known: 'cifar10', 'cifar100', 'shapes'.");
  });
});
