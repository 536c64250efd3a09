import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import type { Augmentation } from './augmentation.js';
import { flip, randomCrop } from './augmentations/index.js';
import { batchCount, BatchSource, batches, epochOrder, type EpochRequest } from './batches.js';
import { imageDataset, type Dataset } from './dataset.js';
import { field, type Field } from './fields.js';
import { makeShapes } from './shapes.js';
import { choose } from './subset.js';

const RECORD = 3 * 32 * 32;

/** 40 images whose bytes follow a formula, so that nothing else is pinned with them. */
const dataset = imageDataset({
  name: 'formula',
  classes: ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
  channels: 3,
  height: 32,
  width: 32,
  images: Uint8Array.from({ length: 40 * RECORD }, (_, at) => (at * 7 + (at >>> 8) * 13) & 255),
  labels: Int32Array.from({ length: 40 }, (_, index) => index % 7),
  normalization: { mean: [0.4914, 0.4822, 0.4465], std: [0.2471, 0.2435, 0.2616] },
});

const fields = { images: field.image(), labels: field.label() };
const augment = [randomCrop(4), flip()];

/** All batches of an epoch. */
async function all(
  request: EpochRequest,
  { seed = 0, data = dataset }: { readonly seed?: number; readonly data?: Dataset } = {},
): Promise<
  { images: Float32Array; labels: Int32Array; indices: Uint32Array; iteration: number }[]
> {
  const made = [];
  for await (const { fields: values, ...rest } of batches(data, {
    fields,
    augment,
    seed,
    ...request,
  })) {
    const { images, labels } = values;
    if (!(images instanceof Float32Array) || !(labels instanceof Int32Array)) throw new Error();
    made.push({ images, labels, ...rest });
  }
  return made;
}

/** One batch of these images. */
async function batch(
  indices: number[] | Uint32Array,
  keys?: { seed: number; epoch: number },
): Promise<{ images: Float32Array; labels: Int32Array }> {
  const [only] = await all(
    {
      batchSize: indices.length,
      order: Uint32Array.from(indices),
      ...(keys && { epoch: keys.epoch }),
    },
    { seed: keys?.seed ?? 0 },
  );
  if (only === undefined) throw new Error('There is no batch.');
  return only;
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

  it('in the pixels and labels of a batch', async () => {
    const order = epochOrder(1, 3, 40).subarray(0, 32);
    const { images, labels } = await batch(order, { seed: 1, epoch: 3 });
    expect(sha256(images, labels)).toBe(
      '00f1a4679ac4d2bc8da80f05d42501a36933b44015ce824cfa4729a139d302ff',
    );
  });

  it('in the embedded data set', () => {
    const { images, labels, masks = new Uint8Array(0) } = makeShapes({ size: 50, seed: 1 });
    const where = masks.map((value) => Math.sign(value));
    expect(sha256(images, labels, where)).toBe(
      'b97424d38cd9b2cf5024d6acd8d1d6f566aea16852fec6a5777a7987490ba935',
    );
    // What the object is, is its image's label.
    const wrong = masks.findIndex(
      (value, at) => value !== 0 && value !== (labels[at >> 10] ?? 0) + 1,
    );
    expect(wrong).toBe(-1);
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

describe('a batch', () => {
  it('gives an image the same pixels whatever batch it is in', async () => {
    const keys = { seed: 5, epoch: 1 };
    const { images } = await batch([3, 17, 8], keys);
    expect((await batch([17], keys)).images).toEqual(images.subarray(RECORD, 2 * RECORD));
  });

  it('gives an image other pixels in another epoch, and its own without augmentation', async () => {
    const once = await batch([3], { seed: 5, epoch: 1 });
    expect((await batch([3], { seed: 5, epoch: 2 })).images).not.toEqual(once.images);
    const plain = await batch([3]);
    const { images } = dataset;
    const byte = images[3 * RECORD + 1024 + 5] ?? 0;
    expect(plain.images[1024 + 5]).toBe(Math.fround((byte / 255 - 0.4822) / 0.2435));
    expect([...plain.labels]).toEqual([3]);
  });

  it('refuses an index outside the data set', async () => {
    await expect(batch([0, 40])).rejects.toThrow(RequestError);
    await expect(batch([0, 40])).rejects.toThrow(
      'no image 40 in formula (train): expected 0 to 39',
    );
  });

  it('has two views of an image that differ, the first as if it were alone', async () => {
    const views = { one: field.image(0), two: field.image(1) };
    const request = { fields: views, augment, seed: 5, batchSize: 1, order: Uint32Array.of(3) };
    for await (const { fields: made } of batches(dataset, { ...request, epoch: 1 })) {
      expect(made['one']).toEqual((await batch([3], { seed: 5, epoch: 1 })).images);
      expect(made['two']).not.toEqual(made['one']);
    }
    for await (const { fields: made } of batches(dataset, request)) {
      expect(made['two']).toEqual(made['one']);
    }
  });

  it('says what a data set lacks that the task asks for', async () => {
    const ask = (one: Field): Promise<unknown> =>
      batches(dataset, { fields: { x: one }, batchSize: 2 }).next();
    await expect(ask(field.mask())).rejects.toThrow('formula (train) has no masks');
    await expect(ask(field.values('age'))).rejects.toThrow("image 0 has no values called 'age'");
  });
});

describe('the batches of an epoch', () => {
  it('hold every image once, the last batch what is left, unless that is dropped', async () => {
    const order = epochOrder(1, 0, 40);
    const made = await all({ batchSize: 12, order, epoch: 0 });
    expect(made.map(({ labels }) => labels.length)).toEqual([12, 12, 12, 4]);
    expect(made.flatMap(({ indices }) => [...indices])).toEqual([...order]);
    const whole = await all({ batchSize: 12, order, epoch: 0, dropLast: true });
    expect(whole.map(({ labels }) => labels.length)).toEqual([12, 12, 12]);
    expect([batchCount(40, 12), batchCount(40, 12, true), batchCount(36, 12)]).toEqual([4, 3, 3]);
  });

  it('are the same when they begin in the middle, as when a run goes on', async () => {
    const request = { batchSize: 8, order: epochOrder(2, 3, 40), epoch: 3 };
    const whole = await all(request, { seed: 2 });
    expect(await all({ ...request, from: 3 }, { seed: 2 })).toEqual(whole.slice(3));
  });

  it('are those of the whole for a part of a data set that is in memory', async () => {
    const part = choose(dataset, Uint32Array.of(9, 4));
    const [made] = await all({ batchSize: 2 }, { data: part });
    expect(made?.images).toEqual((await batch([9, 4])).images);
    expect([...(made?.labels ?? [])]).toEqual([2, 4]);
  });

  it('ask for no more than a few ahead, and for none after they are left', async () => {
    let [asked, closed] = [0, 0];
    const counting: Dataset = {
      ...dataset,
      openLoader: () => ({
        load: ({ indices }) => {
          asked++;
          return Promise.resolve({
            images: new Float32Array(indices.length * RECORD),
            labels: new Int32Array(indices.length),
          });
        },
        close: () => {
          closed++;
          return Promise.resolve();
        },
      }),
    };
    for await (const { iteration } of batches(counting, { fields, batchSize: 2 })) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(asked).toBe(iteration + 4);
      if (iteration === 2) break;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([asked, closed]).toEqual([6, 1]);
  });

  it('tell of a failure when its batch is due, and not before', async () => {
    const failing: Dataset = {
      ...dataset,
      example: (index) => {
        if (index === 5) throw new RequestError('The sixth is broken.');
        return dataset.example(index);
      },
    };
    const seen: number[] = [];
    const run = async (): Promise<void> => {
      for await (const { iteration } of batches(failing, { fields, batchSize: 2 })) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        seen.push(iteration);
      }
    };
    await expect(run()).rejects.toThrow('The sixth is broken.');
    expect(seen).toEqual([0, 1]);
  });

  it('are mixed as a whole, by keys of the epoch and the batch', async () => {
    const swap: Augmentation = {
      name: 'swap',
      options: {},
      mix({ count, partners, shares }, random) {
        const step = 1 + random.integer(count - 1);
        for (let i = 0; i < count; i++) {
          partners[i] = (i + step) % count;
          shares[i] = 0.25;
        }
      },
    };
    const mixed = { ...fields, partner: field.partner(), share: field.share() };
    const request = { fields: mixed, augment: [swap], batchSize: 20 };
    const partners: number[][] = [];
    for await (const { fields: made } of batches(dataset, { ...request, epoch: 4 })) {
      const { labels = [], partner = [], share = [] } = made;
      expect([...share]).toEqual(new Array(20).fill(0.25));
      expect([...partner].sort()).toEqual([...labels].sort());
      partners.push([...partner]);
    }
    const again: number[][] = [];
    for await (const { fields: made } of batches(dataset, { ...request, epoch: 4 })) {
      again.push([...(made['partner'] ?? [])]);
    }
    expect(again).toEqual(partners);
    for await (const { fields: made } of batches(dataset, request)) {
      expect(made['partner']).toEqual(made['labels']);
      expect(made['share']).toEqual(new Float32Array(20).fill(1));
    }
  });
});

describe('BatchSource', () => {
  it('serves several epochs', async () => {
    const source = new BatchSource(dataset, { fields, augment, seed: 5 });
    for (const epoch of [0, 1]) {
      for await (const { fields: made } of source.epoch({ batchSize: 40, epoch })) {
        const order = Array.from({ length: 40 }, (_, i) => i);
        expect(made['images']).toEqual((await batch(order, { seed: 5, epoch })).images);
      }
    }
    await source.close();
  });
});
