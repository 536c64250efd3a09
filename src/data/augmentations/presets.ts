import type { Augmentation } from '../augmentation.js';
import { colorJitter, randomGrayscale } from './color-jitter.js';
import { flip } from './flip.js';
import { gaussianBlur } from './gaussian-blur.js';
import { randomCrop } from './random-crop.js';
import { randomResizedCrop } from './random-resized-crop.js';

/** What torchvision's and the documents' CIFAR pipeline does: randomCrop(4), flip(). */
export function standardAugmentation(): readonly Augmentation[] {
  return [randomCrop(4), flip()];
}

/** Images of fewer pixels a side are not blurred, as in SimCLR's work on CIFAR-10. */
const BLURRED_FROM = 96;

/**
 * SimCLR's views for contrastive learning, at half of its strength of colour as MoCo v2 has them: a piece of at
 * least a fifth, flipped, its colours changed (4 of 5 times) or taken (1 of 5), and from 96 pixels a side on
 * blurred (half of the time).
 * @param size of the images' sides in pixels; default 32
 */
export function contrastiveViews(size = 32): readonly Augmentation[] {
  return [
    randomResizedCrop({ scale: [0.2, 1] }),
    flip(),
    colorJitter({ brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, probability: 0.8 }),
    randomGrayscale({ probability: 0.2 }),
    ...(size >= BLURRED_FROM ? [gaussianBlur()] : []),
  ];
}
