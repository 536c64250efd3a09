/** Augmentations that mix the images of a batch, whose labels are then shared out among two classes. */
import { z } from 'zod';
import { RequestError } from '../../errors.js';
import { defineAugmentation, type Frame, type MixableBatch } from '../augmentation.js';
import { drawBeta } from './beta.js';

const alpha = z.number().positive();

/**
 * Each image becomes lambda of itself and 1 - lambda of another of its batch: Zhang et al., mixup: Beyond
 * Empirical Risk Minimization, ICLR 2018 (arXiv 1710.09412). One lambda is drawn for a batch.
 */
export const mixup = defineAugmentation({
  id: 'mixup',
  options: {
    alpha: alpha
      .default(0.2)
      .describe(
        'Lambda comes from Beta(alpha, alpha): small values leave most images nearly alone.',
      ),
  },
  create: ({ alpha }) => ({
    mix(batch, random) {
      const lambda = drawBeta(random, alpha, alpha);
      mixInto(batch, lambda, random.permutation(batch.count));
    },
  }),
});

/**
 * Each image gets a rectangle of another of its batch, of 1 - lambda of its area where it lies inside: Yun et
 * al., CutMix, ICCV 2019 (arXiv 1905.04899). One lambda and one rectangle are drawn for a batch.
 */
export const cutmix = defineAugmentation({
  id: 'cutmix',
  options: {
    alpha: alpha
      .default(1)
      .describe('Lambda comes from Beta(alpha, alpha): with 1 all sizes are equally likely.'),
  },
  create: ({ alpha }) => ({
    mix(batch, random) {
      const lambda = drawBeta(random, alpha, alpha);
      const [x, y] = [random.integer(batch.width), random.integer(batch.height)];
      const box = boxAround(batch, x, y, lambda);
      cutInto(batch, box, random.permutation(batch.count));
    },
  }),
});

/** Columns from `left` up to `right`, which is outside, and rows likewise. */
export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/**
 * CutMix's rectangle: of the image's proportions and 1 - lambda of its area, about a place, cut off at the
 * borders.
 */
export function boxAround({ height, width }: Frame, x: number, y: number, lambda: number): Box {
  const half = 0.5 * Math.sqrt(1 - lambda);
  const [across, down] = [Math.trunc(half * width), Math.trunc(half * height)];
  return {
    left: Math.max(0, x - across),
    right: Math.min(width, x + across),
    top: Math.max(0, y - down),
    bottom: Math.min(height, y + down),
  };
}

/**
 * Mixup with everything known: image i becomes lambda * image i + (1 - lambda) * image permutation[i], in
 * place; partners and shares say so.
 * @param lambda 0 to 1
 * @param permutation [B] of 0 .. B - 1
 * @throws RequestError if the permutation is none
 */
export function mixInto(batch: MixableBatch, lambda: number, permutation: ArrayLike<number>): void {
  exchange(batch, permutation, lambda, (own, other) => {
    for (let at = 0; at < own.length; at++) {
      own[at] = lambda * (own[at] ?? 0) + (1 - lambda) * (other[at] ?? 0);
    }
  });
}

/**
 * CutMix with everything known: image i gets the box of image permutation[i], in place; its share is what is
 * left of its area.
 * @throws RequestError if the permutation is none
 */
export function cutInto(
  batch: MixableBatch,
  { left, right, top, bottom }: Box,
  permutation: ArrayLike<number>,
): void {
  const { channels, height, width } = batch;
  const share = 1 - ((right - left) * (bottom - top)) / (height * width);
  exchange(batch, permutation, share, (own, other) => {
    for (let channel = 0; channel < channels; channel++) {
      for (let y = top; y < bottom; y++) {
        const row = (channel * height + y) * width;
        own.set(other.subarray(row + left, row + right), row + left);
      }
    }
  });
}

/**
 * Changes each image by its partner as that was before. Along a cycle of the permutation a partner's turn comes
 * after the image's own, so only the first image of each must be kept.
 */
function exchange(
  { images, count, partners, shares }: MixableBatch,
  permutation: ArrayLike<number>,
  share: number,
  change: (own: Float32Array, other: Float32Array) => void,
): void {
  const order = Array.from(permutation);
  if (
    order.length !== count ||
    new Set(order).size !== count ||
    !order.every((at) => at in order)
  ) {
    throw new RequestError(
      `Mixing ${count} images needs a permutation of 0 to ${count - 1}, not [${order.join(', ')}].`,
    );
  }
  const length = images.length / count;
  const imageAt = (place: number): Float32Array =>
    images.subarray(place * length, (place + 1) * length);
  const first = new Float32Array(length);
  const done = new Uint8Array(count);
  for (let start = 0; start < count; start++) {
    if (done[start]) continue;
    first.set(imageAt(start));
    for (let place = start; !done[place]; place = order[place] ?? start) {
      const partner = order[place] ?? start;
      change(imageAt(place), partner === start ? first : imageAt(partner));
      partners[place] = partner;
      shares[place] = share;
      done[place] = 1;
    }
  }
}
