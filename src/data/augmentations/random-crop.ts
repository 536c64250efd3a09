import { z } from 'zod';
import { defineAugmentation, type Augmentation, type Frame } from '../augmentation.js';
import { IGNORED } from '../dataset.js';

/** The kind behind {@link randomCrop}. */
export const randomCropKind = defineAugmentation({
  id: 'randomCrop',
  options: {
    padding: z.number().int().min(0).default(4).describe('Black pixels on every side.'),
  },
  create: ({ padding }) => ({
    apply({ image, mask }, random) {
      const top = random.integer(2 * padding + 1) - padding;
      const left = random.integer(2 * padding + 1) - padding;
      return {
        image: { ...image, data: shifted(image.data, image, top, left, 0) },
        ...(mask && { mask: shifted(mask, image, top, left, IGNORED) }),
      };
    },
  }),
});

/**
 * Pads every side with black and cuts a piece of the image's own size out of it, anywhere: torchvision's
 * RandomCrop(size, padding). Masks are {@link IGNORED} in the padding.
 * @param padding in pixels; default 4
 * @throws RequestError for a padding that is no whole number of at least 0
 */
export function randomCrop(padding = 4): Augmentation {
  return randomCropKind({ padding });
}

/**
 * Planes moved by some rows and columns.
 * @param planes [N, H, W]
 * @param top rows that go out at the top; below 0, rows that come in there
 * @param fill what comes in
 */
export function shifted(
  planes: Uint8Array,
  { height, width }: Frame,
  top: number,
  left: number,
  fill: number,
): Uint8Array {
  const out = new Uint8Array(planes.length).fill(fill);
  const first = Math.max(0, -left);
  const last = Math.min(width, width - left);
  if (last <= first) return out;
  for (let start = 0; start < planes.length; start += height * width) {
    for (let y = Math.max(0, -top); y < Math.min(height, height - top); y++) {
      const from = start + (y + top) * width + left;
      out.set(planes.subarray(from + first, from + last), start + y * width + first);
    }
  }
  return out;
}
