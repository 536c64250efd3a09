import { defineAugmentation } from '../augmentation.js';
import type { Pixels } from '../dataset.js';
import { between } from './drawing.js';
import { probability, range } from './schemas.js';

/**
 * Blurs some images: Chen et al., A Simple Framework for Contrastive Learning, ICML 2020 (arXiv 2002.05709).
 * The kernel is as wide as a tenth of the image's shorter side, and 3 at least; borders are mirrored, as
 * torchvision's GaussianBlur does. All channels are blurred, masks are not.
 */
export const gaussianBlur = defineAugmentation({
  id: 'gaussianBlur',
  options: {
    sigma: range.default([0.1, 2]).describe('Standard deviation in pixels, drawn evenly.'),
    probability: probability.default(0.5).describe('How often.'),
  },
  create: ({ sigma, probability }) => ({
    apply(picture, random) {
      if (random.uniform() >= probability) return picture;
      const { image } = picture;
      const radius = Math.max(1, Math.floor(Math.min(image.height, image.width) / 20));
      return { ...picture, image: blurred(image, radius, between(random, sigma)) };
    },
  }),
});

/**
 * An image blurred by a Gaussian.
 * @param radius pixels to either side that count
 * @param sigma standard deviation in pixels
 */
export function blurred(image: Pixels, radius: number, sigma: number): Pixels {
  const { channels, height, width } = image;
  // Five deviations away a pixel weighs less than a hundred-thousandth of the middle.
  const reach = Math.min(radius, Math.ceil(5 * sigma));
  const weights = Float64Array.from({ length: 2 * reach + 1 }, (_, tap) =>
    Math.exp(-0.5 * ((tap - reach) / sigma) ** 2),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const kernel = weights.map((weight) => weight / total);
  const [columns, rows] = [mirror(width, reach), mirror(height, reach)];
  const plane = height * width;
  const data = new Uint8Array(image.data.length);
  const across = new Float64Array(plane);
  const padded = new Float64Array(columns.length);
  const sums = new Float64Array(width);
  for (let start = 0; start < channels * plane; start += plane) {
    for (let row = 0; row < plane; row += width) {
      for (let x = 0; x < padded.length; x++) {
        padded[x] = image.data[start + row + (columns[x] ?? 0)] ?? 0;
      }
      sums.fill(0);
      for (let tap = 0; tap < kernel.length; tap++) add(padded, tap, kernel[tap] ?? 0, sums);
      across.set(sums, row);
    }
    for (let y = 0, at = start; y < height; y++) {
      sums.fill(0);
      for (let tap = 0; tap < kernel.length; tap++) {
        add(across, (rows[y + tap] ?? 0) * width, kernel[tap] ?? 0, sums);
      }
      for (let x = 0; x < width; x++, at++) data[at] = Math.round(sums[x] ?? 0);
    }
  }
  return { ...image, data };
}

/** Adds a part of `from`, times a weight, to the sums. */
function add(from: Float64Array, start: number, weight: number, sums: Float64Array): void {
  for (let x = 0; x < sums.length; x++) sums[x] = (sums[x] ?? 0) + weight * (from[start + x] ?? 0);
}

/** The places -radius .. size - 1 + radius, with those outside mirrored at the outermost pixels. */
function mirror(size: number, radius: number): Int32Array {
  const period = Math.max(1, 2 * (size - 1));
  return Int32Array.from({ length: size + 2 * radius }, (_, at) => {
    const place = Math.abs(at - radius) % period;
    return Math.min(place, period - place);
  });
}
