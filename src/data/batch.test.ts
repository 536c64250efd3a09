import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { epochOrder, makeBatch } from './batch.js';
import type { ImageDataset } from './dataset.js';
import { makeShapes } from './shapes.js';

const RECORD = 3 * 32 * 32;

/** 40 images whose bytes follow a formula, so that nothing else is pinned with them. */
const dataset: ImageDataset = {
  name: 'formula',
  split: 'train',
  classes: ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
  channels: 3,
  height: 32,
  width: 32,
  images: Uint8Array.from({ length: 40 * RECORD }, (_, at) => (at * 7 + (at >>> 8) * 13) & 255),
  labels: Int32Array.from({ length: 40 }, (_, index) => index % 7),
  normalization: { mean: [0.4914, 0.4822, 0.4465], std: [0.2471, 0.2435, 0.2616] },
};

function batch(
  indices: Uint32Array | number[],
  augment?: { seed: number; epoch: number },
): { images: Float32Array; labels: Int32Array } {
  const target = {
    images: new Float32Array(indices.length * RECORD),
    labels: new Int32Array(indices.length),
  };
  makeBatch(dataset, indices, augment ? { augment, ...target } : target);
  return target;
}

const sha256 = (...arrays: (Float32Array | Int32Array | Uint32Array | Uint8Array)[]): string => {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of arrays) {
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest('hex');
};

// The first two hashes come from a separate Python program (NumPy, and the documented key derivation);
// the third pins the drawing code, for which there is no second author.
describe('the same seed gives the same data on every machine', () => {
  it('in the order of an epoch', () => {
    expect(sha256(epochOrder(1, 3, 50_000))).toBe(
      '3f50f6ce0cd0287ddd0917ea1d43e943d35c1503a228a73067624874aebb3a26',
    );
  });

  it('in the pixels and labels of a batch', () => {
    const order = epochOrder(1, 3, 40).subarray(0, 32);
    const { images, labels } = batch(order, { seed: 1, epoch: 3 });
    expect(sha256(images, labels)).toBe(
      '00f1a4679ac4d2bc8da80f05d42501a36933b44015ce824cfa4729a139d302ff',
    );
  });

  it('in the embedded data set', () => {
    const { images, labels, masks = new Uint8Array(0) } = makeShapes({ size: 50, seed: 1 });
    expect(sha256(images, labels, masks)).toBe(
      'b97424d38cd9b2cf5024d6acd8d1d6f566aea16852fec6a5777a7987490ba935',
    );
  });
});

describe('epochOrder', () => {
  it('visits every image once, in another order each epoch and for each seed', () => {
    const orders = [epochOrder(1, 0, 1000), epochOrder(1, 1, 1000), epochOrder(2, 0, 1000)];
    for (const order of orders) {
      expect(new Set(order).size).toBe(1000);
      expect(Math.max(...order)).toBe(999);
    }
    expect(new Set(orders.map((order) => order.join())).size).toBe(3);
  });
});

describe('makeBatch', () => {
  it('gives an image the same pixels whatever batch it is in', () => {
    const augment = { seed: 5, epoch: 1 };
    const { images } = batch([3, 17, 8], augment);
    expect(batch([17], augment).images).toEqual(images.subarray(RECORD, 2 * RECORD));
  });

  it('gives an image other pixels in another epoch, and its own without augmentation', () => {
    const once = batch([3], { seed: 5, epoch: 1 });
    expect(batch([3], { seed: 5, epoch: 2 }).images).not.toEqual(once.images);
    const plain = batch([3]);
    const byte = dataset.images[3 * RECORD + 1024 + 5] ?? 0;
    expect(plain.images[1024 + 5]).toBe(Math.fround((byte / 255 - 0.4822) / 0.2435));
    expect([...plain.labels]).toEqual([3]);
  });

  it('refuses an index outside the data set, and arrays of another size than the batch', () => {
    expect(() => batch([0, 40])).toThrow(RequestError);
    expect(() => batch([0, 40])).toThrow('no image 40 in formula (train): expected 0 to 39');
    expect(() => batch([-1])).toThrow('no image -1');
    const images = new Float32Array(2 * RECORD);
    expect(() => makeBatch(dataset, [1], { images, labels: new Int32Array(1) })).toThrow(
      'A batch of 1 images [3, 32, 32] needs arrays of 3072 pixels and 1 labels, not 6144 and 1.',
    );
  });
});
