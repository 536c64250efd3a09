import { describe, expect, it } from 'vitest';
import { RandomStream } from '../random/index.js';
import { jsonFixture } from '../testing/golden-files.js';
import type { Augmentation, Picture } from './augmentation.js';
import {
  colorJitter,
  contrastiveViews,
  flip,
  gaussianBlur,
  mixup,
  randAugment,
  randomCrop,
  randomErasing,
  randomResizedCrop,
  standardAugmentation,
} from './augmentations/index.js';
import { batches, type BatchPlan } from './batches.js';
import { IGNORED, imageDataset, type ImageDataset } from './dataset.js';
import { field } from './fields.js';
import { normalizeInto } from './place-example.js';

interface TransformCase {
  readonly image_chw_uint8: number[][][];
  readonly padding: number;
  readonly top: number;
  readonly left: number;
  readonly flip: boolean;
  readonly output_chw: number[][][];
  readonly validation_output_chw: number[][][];
}

const fixture = jsonFixture('seed-transform') as {
  mean: number[];
  std: number[];
  cases: TransformCase[];
};

/** A stream that gives the numbers it is told, as `integer` asks for them. */
class Told extends RandomStream {
  private readonly numbers: number[];

  constructor(...numbers: number[]) {
    super(0, 'told');
    this.numbers = numbers;
  }

  override integer(): number {
    return this.numbers.shift() ?? NaN;
  }
}

function pictureOf(image: number[][][]): Picture {
  const [height, width] = [image[0]?.length ?? 0, image[0]?.[0]?.length ?? 0];
  return {
    image: { channels: image.length, height, width, data: Uint8Array.from(image.flat(2)) },
  };
}

function apply(list: readonly Augmentation[], picture: Picture, random: RandomStream): Picture {
  const frame = { height: picture.image.height, width: picture.image.width };
  return list.reduce((before, one) => one.apply?.(before, random, frame) ?? before, picture);
}

function worst(picture: Picture, expected: number[][][]): number {
  const flat = expected.flat(2);
  const out = new Float32Array(flat.length).fill(NaN);
  normalizeInto(picture.image.data, fixture, out);
  return Math.max(...flat.map((value, at) => Math.abs(value - (out[at] ?? NaN))));
}

describe('randomCrop and flip', () => {
  it.each(fixture.cases)(
    "are torchvision's: padding $padding, top $top, left $left, flip $flip",
    ({ image_chw_uint8: image, padding, top, left, flip: isFlipped, output_chw: expected }) => {
      const random = new Told(top, left, isFlipped ? 1 : 0);
      const seen = apply([randomCrop(padding), flip()], pictureOf(image), random);
      expect(worst(seen, expected)).toBeLessThan(2e-7);
    },
  );

  it('are not there for validation: pixels are only normalised', () => {
    for (const { image_chw_uint8: image, validation_output_chw: expected } of fixture.cases) {
      expect(worst(pictureOf(image), expected)).toBeLessThan(2e-7);
    }
  });

  it('agree with a plain pad, crop and flip for every place and both directions, masks too', () => {
    const [channels, height, width, padding] = [2, 3, 4, 5];
    const data = Uint8Array.from({ length: channels * height * width }, (_, at) => at + 1);
    const mask = data.slice(0, height * width);
    const picture = { image: { channels, height, width, data }, mask };
    for (let top = 0; top <= 2 * padding; top++) {
      for (let left = 0; left <= 2 * padding; left++) {
        for (const isFlipped of [false, true]) {
          const seen = apply(
            [randomCrop(padding), flip()],
            picture,
            new Told(top, left, isFlipped ? 1 : 0),
          );
          const expected = (fill: number): number[] =>
            Array.from(data, (_, at) => {
              const x = at % width;
              const y = Math.floor(at / width) % height;
              const channel = Math.floor(at / (width * height));
              const inX = (isFlipped ? width - 1 - x : x) + left - padding;
              const inY = y + top - padding;
              const inside = inX >= 0 && inX < width && inY >= 0 && inY < height;
              return inside ? (data[(channel * height + inY) * width + inX] ?? 0) : fill;
            });
          expect([...seen.image.data]).toEqual(expected(0));
          expect([...(seen.mask ?? [])]).toEqual(expected(IGNORED).slice(0, height * width));
        }
      }
    }
  });

  it('make all 81 places and both directions equally likely', () => {
    const counts = new Map<string, number>();
    const data = Uint8Array.from({ length: 256 }, (_, at) => at);
    const picture = { image: { channels: 1, height: 16, width: 16, data } };
    for (let index = 0; index < 16_200; index++) {
      const seen = apply(standardAugmentation(), picture, new RandomStream(1, 'augment', 2, index));
      // The two pixels in the middle say where the piece lies, and which way round.
      const name = `${seen.image.data[8 * 16 + 7]} ${seen.image.data[8 * 16 + 8]}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect(counts.size).toBe(162);
    // Chi-squared with 161 degrees of freedom: five standard deviations above its mean.
    const chi = [...counts.values()].reduce((sum, count) => sum + (count - 100) ** 2 / 100, 0);
    expect(chi).toBeLessThan(161 + 5 * Math.sqrt(2 * 161));
  });
});

/** 24 noisy images of [3, 12, 12] with masks. */
const dataset: ImageDataset = imageDataset({
  images: noise(24 * 3 * 144),
  labels: Array.from({ length: 24 }, (_, at) => at % 4),
  classes: ['a', 'b', 'c', 'd'],
  channels: 3,
  height: 12,
  width: 12,
  masks: noise(24 * 144).map((byte) => byte % 5),
});

function noise(length: number): Uint8Array {
  const random = new RandomStream(4, 'noise');
  return Uint8Array.from({ length }, () => random.integer(256));
}

async function imagesOf(
  request: Partial<BatchPlan> & { batchSize: number; order?: Uint32Array; epoch?: number },
): Promise<Map<number, string>> {
  const seen = new Map<number, string>();
  const fields = { images: field.image(), masks: field.mask() };
  for await (const batch of batches(dataset, { fields, epoch: 0, ...request })) {
    const [images, masks] = [batch.fields['images'], batch.fields['masks']];
    batch.indices.forEach((index, place) => {
      const image = images?.slice(place * 432, (place + 1) * 432);
      const mask = masks?.slice(place * 144, (place + 1) * 144);
      seen.set(index, `${image?.join() ?? ''} ${mask?.join() ?? ''}`);
    });
  }
  return seen;
}

const everything = [
  ...contrastiveViews(96),
  randAugment(),
  randomErasing({ probability: 0.5, value: 'noise' }),
];

describe('what an image becomes', () => {
  it('depends on seed, epoch and place, not on the batch or the order', async () => {
    const plain = await imagesOf({ augment: everything, seed: 3, epoch: 5, batchSize: 24 });
    const order = new RandomStream(1, 'order').permutation(24);
    const shuffled = await imagesOf({
      augment: everything,
      seed: 3,
      epoch: 5,
      batchSize: 7,
      order,
    });
    for (const [index, bytes] of plain) expect(shuffled.get(index)).toBe(bytes);
    for (const other of [
      await imagesOf({ augment: everything, seed: 4, epoch: 5, batchSize: 24 }),
      await imagesOf({ augment: everything, seed: 3, epoch: 6, batchSize: 24 }),
    ]) {
      for (const [index, bytes] of plain) expect(other.get(index)).not.toBe(bytes);
    }
  });

  it('does not change when images are mixed as well', async () => {
    const fields = {
      images: field.image(),
      partners: field.partner(),
      shares: field.share(),
    };
    const request = { fields, seed: 3, epoch: 2, batchSize: 6 };
    const alone: Float32Array[] = [];
    for await (const batch of batches(dataset, { ...request, augment: everything })) {
      alone.push(batch.fields['images'] as Float32Array);
    }
    let at = 0;
    let mixed = 0;
    for await (const batch of batches(dataset, { ...request, augment: [...everything, mixup()] })) {
      const [images, before] = [batch.fields['images'] as Float32Array, alone[at++]!];
      const [share = NaN] = batch.fields['shares']!;
      // The mean over a batch is what mixing by a permutation keeps.
      for (let pixel = 0; pixel < 432; pixel++) {
        let difference = 0;
        for (let place = 0; place < 6; place++) {
          difference += images[place * 432 + pixel]! - before[place * 432 + pixel]!;
        }
        expect(Math.abs(difference)).toBeLessThan(1e-4);
      }
      if (share < 1) mixed++;
    }
    expect(mixed).toBe(4);
  });

  it('leaves the data set as it was', async () => {
    const before = dataset.images.slice();
    const masks = dataset.masks?.slice();
    await imagesOf({ augment: everything, seed: 1, batchSize: 5 });
    expect(dataset.images).toEqual(before);
    expect(dataset.masks).toEqual(masks);
  });

  it('is refused if a list cannot be applied, or the task does not know of mixing', async () => {
    await expect(
      imagesOf({ augment: [flip(), randomResizedCrop()], batchSize: 4 }),
    ).rejects.toThrow('randomResizedCrop cuts its piece out of the original picture');
    await expect(imagesOf({ augment: [mixup()], batchSize: 4 })).rejects.toThrow(
      "the task does not ask which and by how much (the fields 'partner' and 'share')",
    );
  });
});

describe('every augmentation', () => {
  const kinds: [string, readonly Augmentation[]][] = [
    ['randomCrop', [randomCrop(2)]],
    ['flip', [flip()]],
    ['randomResizedCrop', [randomResizedCrop()]],
    ['colorJitter', [colorJitter({ brightness: 1, contrast: 1, saturation: 1, hue: 0.5 })]],
    ['gaussianBlur', [gaussianBlur({ probability: 1 })]],
    ['randAugment', [randAugment({ ops: 3, magnitude: 30 })]],
    ['randomErasing', [randomErasing({ probability: 1 })]],
    ['contrastiveViews', contrastiveViews(96)],
  ];

  it.each(kinds)('%s takes images of 1 to 4 channels and 1 pixel or more', (_, list) => {
    for (const channels of [1, 2, 3, 4]) {
      for (const [height = 0, width = 0] of [
        [1, 1],
        [1, 7],
        [2, 2],
        [9, 5],
        [16, 31],
      ]) {
        const plane = height * width;
        const picture: Picture = {
          image: { channels, height, width, data: noise(channels * plane) },
          mask: noise(plane).map((byte) => byte % 3),
        };
        for (let index = 0; index < 25; index++) {
          const { image, mask } = apply(list, picture, new RandomStream(2, 'augment', 0, index));
          expect([image.channels, image.height, image.width]).toEqual([channels, height, width]);
          expect(image.data).toHaveLength(channels * plane);
          expect(mask).toHaveLength(plane);
          expect(mask?.every((value) => value < 3 || value === IGNORED)).toBe(true);
        }
      }
    }
  });

  it.each(kinds.slice(3, 5))('%s leaves masks where they are', (_, list) => {
    const mask = noise(64);
    const picture = { image: { channels: 3, height: 8, width: 8, data: noise(192) }, mask };
    for (let index = 0; index < 20; index++) {
      expect(apply(list, picture, new RandomStream(0, 'augment', 0, index)).mask).toBe(mask);
    }
  });

  const moving = kinds.filter(([name]) =>
    ['randomCrop', 'flip', 'randomResizedCrop', 'randomErasing'].includes(name),
  );
  it.each(moving)(
    '%s moves a mask with its image, or ignores it where the image is gone',
    (_, list) => {
      const mask = Uint8Array.from({ length: 400 }, (_, at) => (at % 20 < 10 ? 40 : 200));
      const picture = { image: { channels: 1, height: 20, width: 20, data: mask }, mask };
      for (let index = 0; index < 20; index++) {
        const seen = apply(list, picture, new RandomStream(0, 'augment', 0, index));
        seen.mask?.forEach((value, at) => {
          const byte = seen.image.data[at] ?? NaN;
          // A mean of both sides of the edge is nearer to the side of its nearest pixel.
          if (value !== IGNORED) expect(Math.abs(byte - value)).toBeLessThanOrEqual(80);
          else expect([0, 128]).toContain(byte);
        });
      }
    },
  );
});
