import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeShapes } from '../data/shapes.js';
import { energy, localise, pointing, shareOf } from './localisation.js';
import type { Plane } from './plane.js';

const plane = (rows: readonly (readonly number[])[]): Plane => ({
  height: rows.length,
  width: rows[0]?.length ?? 0,
  data: rows.flat(),
});

/** The object covers 2 of 8 places. */
const mask = plane([
  [0, 1, 0, 0],
  [0, 1, 0, 0],
]);

describe('localise', () => {
  it('gives 1 to a map that is the mask, for every kind of shape', () => {
    const { masks = new Uint8Array() } = makeShapes({ size: 10, split: 'val' });
    for (let i = 0; i < 10; i++) {
      const data = masks.subarray(i * 1024, (i + 1) * 1024).map(Math.sign);
      const shape = { height: 32, width: 32, data };
      const covered = shape.data.reduce((total, value) => total + value, 0) / 1024;
      expect(localise(shape, shape)).toEqual({ pointing: 1, energy: 1, share: covered });
    }
  });

  it('gives an even map of any size and value the share of the mask', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.float({ min: 0, max: 100, noNaN: true }),
        (height, width, value) => {
          const data = new Float32Array(height * width).fill(value);
          const { pointing: hit, energy: inside, share } = localise({ height, width, data }, mask);
          expect(hit).toBe(0.25);
          expect(inside).toBeCloseTo(0.25, 12);
          expect(share).toBe(0.25);
        },
      ),
    );
  });

  it('gives 0 to a map that is nothing but the background', () => {
    const background = plane([
      [1, 0, 1, 1],
      [1, 0, 1, 1],
    ]);
    expect(localise(background, mask)).toEqual({ pointing: 0, energy: 0, share: 0.25 });
  });

  it('sizes the map to the mask first', () => {
    // 1 x 2 to 2 x 4: each row is 4, 3, 1, 0 over the columns; the object's column holds 3 of 8.
    expect(localise(plane([[4, 0]]), mask)).toEqual({ pointing: 0, energy: 3 / 8, share: 0.25 });
  });
});

describe('pointing', () => {
  it('shares a maximum that is attained several times', () => {
    const tied = plane([
      [5, 5, 0, 0],
      [0, 0, 5, 5],
    ]);
    expect(pointing(tied, mask)).toBe(1 / 4);
  });

  it('finds the maximum of a map that is negative everywhere', () => {
    const negative = plane([
      [-3, -1, -2, -9],
      [-3, -2, -2, -9],
    ]);
    expect(pointing(negative, mask)).toBe(1);
  });
});

describe('energy', () => {
  it('is the sum on the object over the sum', () => {
    const map = plane([
      [1, 2, 3, 4],
      [0, 6, 0, 4],
    ]);
    expect(energy(map, mask)).toBe(8 / 20);
  });

  it('counts negative values as nothing', () => {
    const map = plane([
      [-7, 2, 0, 6],
      [0, -1, 0, 0],
    ]);
    expect(energy(map, mask)).toBe(2 / 8);
  });

  it.each([0, -1])('is the share of the mask for a map of nothing but %d', (value) => {
    const nothing = { height: 2, width: 4, data: new Float32Array(8).fill(value) };
    expect(energy(nothing, mask)).toBe(shareOf(mask));
  });
});

it('refuses a map of another size than the mask', () => {
  expect(() => energy(plane([[1]]), mask)).toThrow('A map of 1x1 cannot be compared with a mask');
});
