import { defineAugmentation } from '../augmentation.js';

/** Mirrors half of the images left to right: torchvision's RandomHorizontalFlip. */
export const flip = defineAugmentation({
  id: 'flip',
  create: () => ({
    apply(picture, random) {
      if (random.integer(2) === 0) return picture;
      const { image, mask } = picture;
      return {
        image: { ...image, data: mirrored(image.data, image.width) },
        ...(mask && { mask: mirrored(mask, image.width) }),
      };
    },
  }),
});

function mirrored(planes: Uint8Array, width: number): Uint8Array {
  const out = planes.slice();
  for (let row = 0; row < out.length; row += width) out.subarray(row, row + width).reverse();
  return out;
}
