import { z } from 'zod';
import { defineAugmentation, type Target } from '../augmentation.js';
import { IGNORED, type Pixels } from '../dataset.js';
import { between, betweenRatios, roundEven } from './drawing.js';
import { probability, range, shares } from './schemas.js';

/** Rectangles are drawn until one fits, so many times. */
const TRIES = 10;

/** Fills where neither a value nor the mean colour is known. */
const MIDDLE_GREY = 128;

/**
 * Erases a rectangle of some images: Zhong et al., Random Erasing Data Augmentation, AAAI 2020 (arXiv
 * 1708.04896), with torchvision's rectangles. By default it is filled with the mean colour by which images are
 * normalised, so that the network sees zeros there, as it does with torchvision (to half a level of 255).
 * Masks are ignored where nothing is to be seen any more.
 */
export const randomErasing = defineAugmentation({
  id: 'randomErasing',
  options: {
    probability: probability.default(0.25).describe('How often.'),
    scale: shares.default([0.02, 0.33]).describe("The rectangle's share of the area."),
    ratio: range
      .default([0.3, 3.3])
      .describe('Its height by its width, drawn evenly on a logarithmic scale.'),
    value: z
      .union([z.enum(['mean', 'noise']), z.number().int().min(0).max(255)])
      .default('mean')
      .describe('What fills it: the mean colour, random bytes, or one byte.'),
  },
  create: ({ probability, scale, ratio, value }) => ({
    apply({ image, mask }, random, target) {
      if (random.uniform() >= probability) return { image, ...(mask && { mask }) };
      const { channels, height, width } = image;
      for (let tries = 0; tries < TRIES; tries++) {
        const area = height * width * between(random, scale);
        const proportion = betweenRatios(random, ratio);
        const rows = roundEven(Math.sqrt(area * proportion));
        const columns = roundEven(Math.sqrt(area / proportion));
        if (rows >= height || columns >= width) continue;
        const top = random.integer(height - rows + 1);
        const left = random.integer(width - columns + 1);
        const data = image.data.slice();
        const erased = mask?.slice();
        for (let y = top; y < top + rows; y++) {
          for (let channel = 0; channel < channels; channel++) {
            const from = (channel * height + y) * width + left;
            const row = data.subarray(from, from + columns);
            if (value === 'noise') {
              for (let x = 0; x < columns; x++) row[x] = random.uint32() >>> 24;
            } else {
              row.fill(value === 'mean' ? meanByte(image, channel, target) : value);
            }
          }
          erased?.fill(IGNORED, y * width + left, y * width + left + columns);
        }
        return { image: { ...image, data }, ...(erased && { mask: erased }) };
      }
      return { image, ...(mask && { mask }) };
    },
  }),
});

function meanByte({ channels }: Pixels, channel: number, { normalization }: Target): number {
  const mean = normalization?.mean;
  if (mean?.length !== channels) return MIDDLE_GREY;
  return Math.round((mean[channel] ?? 0.5) * 255);
}
