import { describe, expect, it } from 'vitest';
import { jsonFixture } from '../testing/golden-files.js';
import { augmentImage, drawChoice, normalizationTable } from './augment.js';

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

/** Runs a case and gives the largest difference from what is expected. */
function worst(
  image: number[][][],
  padding: number,
  choice: { top: number; left: number; flip: boolean },
  expected: number[][][],
): number {
  const sizes = {
    channels: image.length,
    height: image[0]?.length ?? 0,
    width: image[0]?.[0]?.length ?? 0,
  };
  const flat = expected.flat(2);
  const out = new Float32Array(flat.length).fill(NaN);
  const table = normalizationTable(fixture);
  augmentImage(Uint8Array.from(image.flat(2)), sizes, table, padding, choice, out);
  return Math.max(...flat.map((value, at) => Math.abs(value - (out[at] ?? NaN))));
}

describe('augmentImage', () => {
  it.each(fixture.cases)(
    'crops, flips and normalises as torchvision does: padding $padding, top $top, left $left, flip $flip',
    ({ image_chw_uint8: image, padding, top, left, flip, output_chw: expected }) => {
      expect(worst(image, padding, { top, left, flip }, expected)).toBeLessThan(2e-7);
    },
  );

  it('only normalises for validation', () => {
    for (const { image_chw_uint8: image, validation_output_chw: expected } of fixture.cases) {
      expect(worst(image, 0, { top: 0, left: 0, flip: false }, expected)).toBeLessThan(2e-7);
    }
  });

  it('agrees with a plain pad-crop-flip for every place and both directions', () => {
    const [channels, height, width, padding] = [2, 3, 4, 5];
    const image = Uint8Array.from({ length: channels * height * width }, (_, at) => at + 1);
    const table = normalizationTable({ mean: [0, 0], std: [1 / 255, 1 / 255] });
    for (let top = 0; top <= 2 * padding; top++) {
      for (let left = 0; left <= 2 * padding; left++) {
        for (const flip of [false, true]) {
          const out = new Float32Array(image.length).fill(NaN);
          const choice = { top, left, flip };
          augmentImage(image, { channels, height, width }, table, padding, choice, out);
          const expected = Array.from(image, (_, at) => {
            const x = at % width;
            const y = Math.floor(at / width) % height;
            const channel = Math.floor(at / (width * height));
            const inX = (flip ? width - 1 - x : x) + left - padding;
            const inY = y + top - padding;
            const inside = inX >= 0 && inX < width && inY >= 0 && inY < height;
            return inside ? (image[(channel * height + inY) * width + inX] ?? 0) : 0;
          });
          expect(Array.from(out, Math.round)).toEqual(expected);
        }
      }
    }
  });
});

describe('drawChoice', () => {
  const choices = Array.from({ length: 16_200 }, (_, index) =>
    drawChoice({ seed: 1, epoch: 2 }, index),
  );

  it('makes all 81 places and both directions equally likely', () => {
    const counts = new Map<string, number>();
    for (const { top, left, flip } of choices) {
      const name = `${top} ${left} ${flip}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect(counts.size).toBe(162);
    // Chi-squared with 161 degrees of freedom: five standard deviations above its mean.
    const chi = [...counts.values()].reduce((sum, count) => sum + (count - 100) ** 2 / 100, 0);
    expect(chi).toBeLessThan(161 + 5 * Math.sqrt(2 * 161));
  });

  it('depends on the seed, the epoch and the image, and on nothing else', () => {
    expect(drawChoice({ seed: 1, epoch: 2 }, 100)).toEqual(choices[100]);
    const differs = (seed: number, epoch: number): number =>
      choices
        .slice(0, 1000)
        .filter(
          (choice, index) =>
            JSON.stringify(drawChoice({ seed, epoch }, index)) !== JSON.stringify(choice),
        ).length;
    expect(differs(2, 2)).toBeGreaterThan(980);
    expect(differs(1, 3)).toBeGreaterThan(980);
  });

  it('never flips when flipping is off', () => {
    for (let index = 0; index < 100; index++) {
      const { flip, top } = drawChoice({ seed: 1, epoch: 0, flip: false, padding: 0 }, index);
      expect([flip, top]).toEqual([false, 0]);
    }
  });
});
