import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { makeShapes } from './shapes.js';

const PLANE = 32 * 32;
const set = makeShapes({ size: 2000 });
const masks = set.masks ?? new Uint8Array(0);

/** The mean of each channel over the pixels of an image where the mask is `where`. */
function meanColor(index: number, where: 0 | 1): number[] {
  return [0, 1, 2].map((channel) => {
    let [sum, count] = [0, 0];
    for (let at = 0; at < PLANE; at++) {
      if (Math.sign(masks[index * PLANE + at] ?? 0) !== where) continue;
      sum += set.images[(index * 3 + channel) * PLANE + at] ?? 0;
      count++;
    }
    return sum / count;
  });
}

describe('makeShapes', () => {
  it('makes ten classes, equally often in every run of ten images', () => {
    expect(set.classes).toHaveLength(10);
    expect(set).toMatchObject({ name: 'shapes', channels: 3, height: 32, width: 32 });
    for (let start = 0; start < 2000; start += 10) {
      expect(new Set(set.labels.subarray(start, start + 10)).size).toBe(10);
    }
  });

  it('makes an image from the seed, the split and its index alone', () => {
    const few = makeShapes({ size: 25 });
    expect(few.images).toEqual(set.images.subarray(0, 25 * 3 * PLANE));
    expect(few.masks).toEqual(masks.subarray(0, 25 * PLANE));
    expect(few.labels).toEqual(set.labels.subarray(0, 25));
    expect(makeShapes({ size: 25, seed: 1 }).images).not.toEqual(few.images);
    expect(makeShapes({ size: 25, split: 'val' }).images).not.toEqual(few.images);
  });

  it('shows the object whole: its mask is of a fair size and keeps off the border', () => {
    for (let index = 0; index < 2000; index++) {
      const mask = masks.subarray(index * PLANE, (index + 1) * PLANE);
      const area = mask.filter((value) => value !== 0).length;
      expect(area).toBeGreaterThan(PLANE * 0.03);
      expect(area).toBeLessThan(PLANE * 0.4);
    }
    // Discs: the mask's middle row is as wide as its middle column is high.
    const disc = set.classes.indexOf('circle');
    const index = set.labels.indexOf(disc);
    const points = Array.from({ length: PLANE }, (_, at) => at).filter(
      (at) => masks[index * PLANE + at] !== 0,
    );
    const columns = points.map((at) => at % 32);
    const rows = points.map((at) => Math.floor(at / 32));
    const width = Math.max(...columns) - Math.min(...columns) + 1;
    const height = Math.max(...rows) - Math.min(...rows) + 1;
    expect(Math.abs(width - height)).toBeLessThanOrEqual(1);
    expect(points.length / (width * height)).toBeCloseTo(Math.PI / 4, 1);
  });

  it('makes the object stand out from what is around it', () => {
    let clear = 0;
    for (let index = 0; index < 500; index++) {
      const [inside, outside] = [meanColor(index, 1), meanColor(index, 0)];
      const distance = Math.hypot(...inside.map((value, at) => value - (outside[at] ?? 0)));
      if (distance > 40) clear++;
    }
    expect(clear).toBeGreaterThan(450);
  });

  it('does not give the class away by colour: classes have the same mean colours', () => {
    const sums = set.classes.map(() => [0, 0, 0, 0]);
    const all: number[] = [];
    for (let index = 0; index < 2000; index++) {
      const sum = sums[set.labels[index] ?? 0];
      if (sum === undefined) continue;
      meanColor(index, 1).forEach((value, channel) => {
        sum[channel] = (sum[channel] ?? 0) + value;
        all.push(value);
      });
      sum[3] = (sum[3] ?? 0) + 1;
    }
    const grand = all.reduce((a, b) => a + b, 0) / all.length;
    const deviation = Math.sqrt(all.reduce((a, b) => a + (b - grand) ** 2, 0) / all.length);
    for (const [red = 0, green = 0, blue = 0, count = 1] of sums) {
      for (const value of [red, green, blue]) {
        expect(Math.abs(value / count - grand)).toBeLessThan((4.5 * deviation) / Math.sqrt(count));
      }
    }
  });

  it('does not give the class away by place: nearest class mean on pixels is near chance', () => {
    const train = set.labels.subarray(0, 1500);
    const record = 3 * PLANE;
    const means = set.classes.map(() => new Float64Array(record));
    train.forEach((label, index) => {
      const mean = means[label];
      for (let at = 0; mean && at < record; at++) {
        mean[at] = (mean[at] ?? 0) + (set.images[index * record + at] ?? 0) / 150;
      }
    });
    let right = 0;
    for (let index = 1500; index < 2000; index++) {
      const distances = means.map((mean) => {
        let distance = 0;
        for (let at = 0; at < record; at++) {
          const difference = (set.images[index * record + at] ?? 0) - (mean[at] ?? 0);
          distance += difference * difference;
        }
        return distance;
      });
      if (distances.indexOf(Math.min(...distances)) === set.labels[index]) right++;
    }
    expect(right / 500).toBeLessThan(0.25);
  });

  it('is normalised by its own statistics', () => {
    const values = set.images;
    const mean = values.reduce((a, b) => a + b, 0) / values.length / 255;
    const square = values.reduce((a, b) => a + b * b, 0) / values.length / 255 ** 2;
    expect(mean).toBeCloseTo(set.normalization.mean[0] ?? 0, 1.5);
    expect(Math.sqrt(square - mean * mean)).toBeCloseTo(set.normalization.std[0] ?? 0, 1.5);
  });

  it.each([0, -5, 2.5, 100_001])('refuses to make %d images', (size) => {
    expect(() => makeShapes({ size })).toThrow(RequestError);
    expect(() => makeShapes({ size })).toThrow(`Cannot make ${size} images`);
  });
});
