import { z } from 'zod';
import { defineAugmentation } from '../augmentation.js';
import { brightness, contrast, grey, saturation } from './color.js';
import { between } from './drawing.js';
import { hue } from './hue.js';
import { isOrdered, probability } from './schemas.js';

/** A strength s stands for factors from max(0, 1 - s) to 1 + s. */
const factors = z
  .union([
    z.number().min(0),
    z
      .array(z.number().min(0))
      .length(2)
      .refine(isOrdered, 'the first is above the second.')
      .readonly(),
  ])
  .meta({ values: 'a number of at least 0, or the least and the most factor' });

/** A strength s stands for turns from -s to s. */
const turns = z
  .union([
    z.number().min(0).max(0.5),
    z
      .array(z.number().min(-0.5).max(0.5))
      .length(2)
      .refine(isOrdered, 'the first is above the second.')
      .readonly(),
  ])
  .meta({ values: 'a number from 0 to 0.5, or the least and the most turn from -0.5 to 0.5' });

/**
 * Changes brightness, contrast, saturation and hue by random factors, in random order: torchvision's
 * ColorJitter, on Pillow's pictures. What is 0, as all are by default, is left out. Grey images have no
 * saturation and hue to change.
 */
export const colorJitter = defineAugmentation({
  id: 'colorJitter',
  options: {
    brightness: factors.default(0).describe('Strength s: factors from 1 - s to 1 + s; or both.'),
    contrast: factors.default(0).describe('As brightness, towards the mean grey.'),
    saturation: factors.default(0).describe('As brightness, towards grey.'),
    hue: turns.default(0).describe('Strength s: turns from -s to s of the circle; or both.'),
    probability: probability.default(1).describe('How often anything is done.'),
  },
  create: (options) => {
    const around = (strength: number | readonly number[]): readonly number[] =>
      typeof strength === 'number' ? [Math.max(0, 1 - strength), 1 + strength] : strength;
    const steps = [
      { change: brightness, range: around(options.brightness), neutral: 1 },
      { change: contrast, range: around(options.contrast), neutral: 1 },
      { change: saturation, range: around(options.saturation), neutral: 1 },
      {
        change: hue,
        range: typeof options.hue === 'number' ? [-options.hue, options.hue] : options.hue,
        neutral: 0,
      },
    ].filter(({ range, neutral }) => range.some((end) => end !== neutral));
    return {
      apply(picture, random) {
        if (random.uniform() >= options.probability) return picture;
        let { image } = picture;
        for (const place of random.permutation(steps.length)) {
          const step = steps[place];
          if (step) image = step.change(image, between(random, step.range));
        }
        return { ...picture, image };
      },
    };
  },
});

/** Makes some images grey, with as many channels as before: torchvision's RandomGrayscale. */
export const randomGrayscale = defineAugmentation({
  id: 'randomGrayscale',
  options: { probability: probability.default(0.1).describe('How often.') },
  create: ({ probability }) => ({
    apply: (picture, random) =>
      random.uniform() < probability ? { ...picture, image: grey(picture.image) } : picture,
  }),
});
