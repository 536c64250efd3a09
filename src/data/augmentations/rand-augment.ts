import { z } from 'zod';
import { defineAugmentation, type Frame, type Picture } from '../augmentation.js';
import type { Pixels } from '../dataset.js';
import { brightness, contrast, saturation } from './color.js';
import { roundEven } from './drawing.js';
import { rotate, shearX, shearY, translate } from './geometry.js';
import { autoContrast, equalize, posterize, sharpness, solarize } from './tone.js';

/** Magnitudes are these whole numbers: 0 .. 30. */
const STRONGEST = 30;

/** One of the changes among which RandAugment draws. */
interface Operation {
  /** What the magnitude 0 to 30 means to it, in its own unit. */
  readonly strength: (magnitude: number, frame: Frame) => number;
  /** Whether half of the time the strength is taken negative. */
  readonly signed: boolean;
  readonly apply: (picture: Picture, strength: number) => Picture;
}

const upTo = (most: number) => (magnitude: number) => linear(0, most, magnitude);
const none = () => 0;

/** A factor of 1 + strength. */
const factorOf = (change: (image: Pixels, factor: number) => Pixels, most = 0.9): Operation => ({
  strength: upTo(most),
  signed: true,
  apply: ({ image, ...rest }, strength) => ({ ...rest, image: change(image, 1 + strength) }),
});

const toneOf = (
  strength: Operation['strength'],
  change: (image: Pixels, strength: number) => Pixels,
): Operation => ({
  strength,
  signed: false,
  apply: ({ image, ...rest }, amount) => ({ ...rest, image: change(image, amount) }),
});

/** torchvision's operations and what its 31 magnitudes mean, by the names of the paper. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  Identity: { strength: none, signed: false, apply: (picture) => picture },
  ShearX: { strength: upTo(0.3), signed: true, apply: shearX },
  ShearY: { strength: upTo(0.3), signed: true, apply: shearY },
  TranslateX: {
    strength: (magnitude, { width }) => linear(0, (150 / 331) * width, magnitude),
    signed: true,
    apply: (picture, strength) => translate(picture, Math.trunc(strength), 0),
  },
  TranslateY: {
    strength: (magnitude, { height }) => linear(0, (150 / 331) * height, magnitude),
    signed: true,
    apply: (picture, strength) => translate(picture, 0, Math.trunc(strength)),
  },
  Rotate: { strength: upTo(30), signed: true, apply: rotate },
  Brightness: factorOf(brightness),
  Color: factorOf(saturation),
  Contrast: factorOf(contrast),
  Sharpness: factorOf(sharpness),
  Posterize: toneOf((magnitude) => 8 - roundEven(magnitude / (STRONGEST / 4)), posterize),
  Solarize: toneOf((magnitude) => linear(255, 0, magnitude), solarize),
  AutoContrast: toneOf(none, autoContrast),
  Equalize: toneOf(none, equalize),
};

const drawn = Object.values(OPERATIONS);

/**
 * Some operations one after the other, each drawn evenly from a list of fourteen: Cubuk et al., RandAugment,
 * CVPR 2020 (arXiv 1909.13719), with torchvision's operations and magnitudes. Shears, shifts and turns move
 * masks too; what comes in is black, and ignored in masks. On grey images Color does nothing.
 */
export const randAugment = defineAugmentation({
  id: 'randAugment',
  options: {
    ops: z.number().int().min(1).default(2).describe('How many operations, one after the other.'),
    magnitude: z.number().int().min(0).max(STRONGEST).default(9).describe('How strong they are.'),
  },
  create: ({ ops, magnitude }) => ({
    apply(picture, random) {
      let changed = picture;
      for (let count = 0; count < ops; count++) {
        const operation = drawn[random.integer(drawn.length)];
        if (!operation) continue;
        const strength = operation.strength(magnitude, picture.image);
        const isNegative = operation.signed && random.integer(2) === 1;
        changed = operation.apply(changed, isNegative ? -strength : strength);
      }
      return changed;
    },
  }),
});

/**
 * One of 31 evenly spaced numbers, as torch.linspace counts them: from the nearer end, in 32 bits, with a product
 * and sum rounded once.
 */
function linear(first: number, last: number, place: number): number {
  const [from, to] = [Math.fround(first), Math.fround(last)];
  const step = Math.fround(Math.fround(to - from) / STRONGEST);
  return Math.fround(
    place <= STRONGEST / 2 ? from + step * place : to - step * (STRONGEST - place),
  );
}
