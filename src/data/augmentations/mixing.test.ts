import { describe, expect, it } from 'vitest';
import { RequestError } from '../../errors.js';
import { RandomStream } from '../../random/index.js';
import type { MixableBatch } from '../augmentation.js';
import { drawBeta } from './beta.js';
import { boxAround, cutInto, cutmix, mixInto, mixup } from './mixing.js';

/** Images of [1, height, width]; image i is all i + 1. */
function batchOf(count: number, height: number, width: number): MixableBatch {
  const images = Float32Array.from(
    { length: count * height * width },
    (_, at) => Math.floor(at / (height * width)) + 1,
  );
  return {
    images,
    count,
    channels: 1,
    height,
    width,
    partners: Int32Array.from({ length: count }, (_, at) => at),
    shares: new Float32Array(count).fill(1),
  };
}

describe('mixInto', () => {
  it('is the worked example: 0.75 of each image and 0.25 of its partner', () => {
    const images = Float32Array.of(4, 8, 0, 100, -4, 20);
    const batch = { ...batchOf(3, 1, 2), images };
    mixInto(batch, 0.75, [1, 2, 0]);
    // 0.75 * 4 + 0.25 * 0, 0.75 * 8 + 0.25 * 100; 0.75 * 0 + 0.25 * -4, ..; 0.75 * -4 + 0.25 * 4, ..
    expect([...images]).toEqual([3, 31, -1, 80, -2, 17]);
    expect([...batch.partners]).toEqual([1, 2, 0]);
    expect([...batch.shares]).toEqual([0.75, 0.75, 0.75]);
  });

  it('mixes with the images as they were, whatever the permutation', () => {
    for (let index = 0; index < 50; index++) {
      const batch = batchOf(9, 1, 1);
      const permutation = new RandomStream(0, 'order', index).permutation(9);
      mixInto(batch, 0.5, permutation);
      const expected = Array.from(
        permutation,
        (partner, at) => 0.5 * (at + 1) + 0.5 * (partner + 1),
      );
      expect([...batch.images]).toEqual(expected);
    }
  });

  it('leaves images alone at a share of 1, and exchanges them at 0', () => {
    const [kept, exchanged] = [batchOf(2, 1, 1), batchOf(2, 1, 1)];
    mixInto(kept, 1, [1, 0]);
    mixInto(exchanged, 0, [1, 0]);
    expect([...kept.images, ...exchanged.images]).toEqual([1, 2, 2, 1]);
  });

  it.each([[[0, 0]], [[0]], [[0, 2]], [[0, 0.5]], [[0, 1, 2]]])(
    'refuses %j as an order of two',
    (order) => {
      expect(() => mixInto(batchOf(2, 1, 1), 0.5, order)).toThrow(RequestError);
    },
  );
});

describe('cutInto', () => {
  it('is the worked example: a box of 2 x 3 of 4 x 5 pixels', () => {
    const batch = batchOf(2, 4, 5);
    cutInto(batch, { left: 1, right: 4, top: 2, bottom: 4 }, [1, 0]);
    expect([...batch.images]).toEqual(
      [
        [1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1],
        [1, 2, 2, 2, 1],
        [1, 2, 2, 2, 1],
        [2, 2, 2, 2, 2],
        [2, 2, 2, 2, 2],
        [2, 1, 1, 1, 2],
        [2, 1, 1, 1, 2],
      ].flat(),
    );
    expect([...batch.partners]).toEqual([1, 0]);
    // 14 of 20 pixels are their own.
    expect(batch.shares[0]).toBeCloseTo(0.7, 7);
  });

  it('cuts all channels', () => {
    const images = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    cutInto(
      { ...batchOf(2, 1, 2), channels: 2, images },
      { left: 0, right: 1, top: 0, bottom: 1 },
      [1, 0],
    );
    expect([...images]).toEqual([5, 2, 7, 4, 1, 6, 3, 8]);
  });
});

describe('boxAround', () => {
  const frame = { height: 32, width: 64 };

  it('has the area 1 - lambda where it lies inside', () => {
    expect(boxAround(frame, 30, 16, 0.75)).toEqual({ left: 14, right: 46, top: 8, bottom: 24 });
  });

  it('is cut off at the borders', () => {
    expect(boxAround(frame, 3, 30, 0.75)).toEqual({ left: 0, right: 19, top: 22, bottom: 32 });
  });

  it('is nothing for a share of 1, and may be all for 0', () => {
    const { left, right } = boxAround(frame, 5, 5, 1);
    expect(right - left).toBe(0);
    expect(boxAround(frame, 32, 16, 0)).toEqual({ left: 0, right: 64, top: 0, bottom: 32 });
  });
});

describe('mixup and cutmix', () => {
  it('give shares that agree with the images', () => {
    for (let index = 0; index < 40; index++) {
      const [mixed, cut] = [batchOf(5, 6, 7), batchOf(5, 6, 7)];
      mixup({ alpha: 1 }).mix?.(mixed, new RandomStream(0, 'mix', 0, index));
      cutmix().mix?.(cut, new RandomStream(0, 'mix', 0, index));
      for (const { images, partners, shares } of [mixed, cut]) {
        for (let place = 0; place < 5; place++) {
          const pixels = images.subarray(place * 42, (place + 1) * 42);
          const mean = pixels.reduce((sum, pixel) => sum + pixel / 42, 0);
          const share = shares[place] ?? NaN;
          const expected = share * (place + 1) + (1 - share) * ((partners[place] ?? NaN) + 1);
          expect(mean).toBeCloseTo(expected, 5);
        }
      }
    }
  });

  it('leave a batch of one image alone', () => {
    for (const one of [mixup(), cutmix()]) {
      const batch = batchOf(1, 4, 4);
      one.mix?.(batch, new RandomStream(0, 'mix'));
      batch.images.forEach((pixel) => expect(pixel).toBeCloseTo(1, 6));
      expect(batch.partners[0]).toBe(0);
    }
  });
});

describe('drawBeta', () => {
  const count = 20_000;

  it.each([
    [0.2, 0.2],
    [1, 1],
    [0.5, 2],
    [4, 1.5],
    [30, 30],
    [0.05, 0.05],
  ])('has the mean and the variance of Beta(%d, %d)', (alpha, beta) => {
    const random = new RandomStream(11, 'beta');
    const drawn = Float64Array.from({ length: count }, () => drawBeta(random, alpha, beta));
    const mean = drawn.reduce((sum, value) => sum + value / count, 0);
    const variance = drawn.reduce((sum, value) => sum + (value - mean) ** 2 / count, 0);
    const expected = (alpha * beta) / ((alpha + beta) ** 2 * (alpha + beta + 1));
    // Four standard errors; that of the variance is at most as for values of 0 and 1.
    expect(Math.abs(mean - alpha / (alpha + beta))).toBeLessThan(4 * Math.sqrt(expected / count));
    expect(Math.abs(variance - expected)).toBeLessThan(4 * Math.sqrt(expected / count) * 0.5);
  });

  it('has the distribution of Beta(0.5, 0.5), whose cumulative is an arcsine', () => {
    const random = new RandomStream(12, 'beta');
    const drawn = Float64Array.from({ length: count }, () => drawBeta(random, 0.5, 0.5)).sort();
    const distances = drawn.map((value, at) =>
      Math.abs((2 / Math.PI) * Math.asin(Math.sqrt(value)) - (at + 0.5) / count),
    );
    // Kolmogorov and Smirnov: a distance above 1.95 / sqrt(n) happens once in a thousand times.
    expect(Math.max(...distances)).toBeLessThan(1.95 / Math.sqrt(count));
  });

  it('is 0 or 1, not NaN, where alpha is so small that nothing lies between', () => {
    const random = new RandomStream(13, 'beta');
    for (let draw = 0; draw < 200; draw++) {
      const value = drawBeta(random, 1e-4, 1e-4);
      expect(value >= 0 && value <= 1).toBe(true);
    }
  });
});
