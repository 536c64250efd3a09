import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FileError, RequestError } from '../errors.js';
import { DATASETS, datasetInfo } from './catalog.js';
import { checkLabels, size, subset, type ImageDataset } from './dataset.js';

/** Images of 1 x 1 pixel whose value is their index. */
function tiny(labels: number[], classCount: number): ImageDataset {
  return {
    name: 'tiny',
    split: 'train',
    classes: Array.from({ length: classCount }, (_, label) => `class ${label}`),
    channels: 1,
    height: 1,
    width: 1,
    images: Uint8Array.from(labels, (_, index) => index),
    labels: Int32Array.from(labels),
    masks: Uint8Array.from(labels, (_, index) => index % 2),
    normalization: { mean: [0], std: [1] },
  };
}

describe('subset', () => {
  it('takes the first images of every class, in the order of the data set', () => {
    const chosen = subset(tiny([0, 0, 0, 1, 1, 2, 1, 2, 2], 3), 6);
    expect([...chosen.labels]).toEqual([0, 0, 1, 1, 2, 2]);
    expect([...chosen.images]).toEqual([0, 1, 3, 4, 5, 7]);
    expect([...(chosen.masks ?? [])]).toEqual([0, 1, 1, 0, 1, 1]);
  });

  it('gives what does not divide evenly to the lower class numbers', () => {
    const chosen = subset(tiny([2, 1, 0, 2, 1, 0], 3), 4);
    expect([...chosen.labels]).toEqual([2, 1, 0, 0]);
  });

  it('takes all of a class that is too small, and more of the others', () => {
    const chosen = subset(tiny([0, 1, 1, 1, 1, 2, 2, 2, 2], 3), 7);
    expect([...chosen.labels]).toEqual([0, 1, 1, 1, 2, 2, 2]);
  });

  it('keeps classes as equal as the data set allows, whatever the labels', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 60 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (labels, share) => {
          const n = 1 + Math.floor(share * (labels.length - 1));
          const chosen = subset(tiny(labels, 5), n);
          expect(size(chosen)).toBe(n);
          const indices = [...chosen.images];
          expect(indices).toEqual(indices.toSorted((a, b) => a - b));
          const count = (all: Iterable<number>, label: number): number =>
            [...all].filter((other) => other === label).length;
          const taken = [0, 1, 2, 3, 4].map((label) => count(chosen.labels, label));
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
