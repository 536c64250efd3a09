/** The augmentations: see docs/augmentation.md. */
export { colorJitter, randomGrayscale } from './color-jitter.js';
export { flip } from './flip.js';
export { gaussianBlur } from './gaussian-blur.js';
export { boxAround, cutInto, cutmix, mixInto, mixup, type Box } from './mixing.js';
export { contrastiveViews, standardAugmentation } from './presets.js';
export { randAugment } from './rand-augment.js';
export { randomCrop } from './random-crop.js';
export { randomErasing } from './random-erasing.js';
export { randomResizedCrop } from './random-resized-crop.js';
export {
  augmentationOf,
  augmentations,
  augmentationsText,
  parseAugmentations,
} from './registry.js';
