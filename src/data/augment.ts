/**
 * The seed's input pipeline: crop out of the zero-padded image, flip, scale to [0, 1], normalise.
 * torchvision's RandomCrop(32, padding=4), RandomHorizontalFlip, ToTensor, Normalize.
 */
import { RandomStream } from '../random/index.js';
import type { Normalization } from './dataset.js';

/** The random choices for one image. */
export interface AugmentChoice {
  /** First row of the crop in the padded image: 0 to 2 * padding. `padding` is the image's own place. */
  readonly top: number;
  /** First column, likewise. */
  readonly left: number;
  /** Whether the crop is then mirrored left to right. */
  readonly flip: boolean;
}

/** Which random choices are made. */
export interface AugmentOptions {
  readonly seed: number;
  /** Counted from 0: every epoch has its own choices. */
  readonly epoch: number;
  /** Black pixels added on every side before the crop. Default 4. */
  readonly padding?: number;
  /** Whether half of the images are mirrored. Default true. */
  readonly flip?: boolean;
}

/** The sizes of an image [C, H, W]. */
export interface ImageSize {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/**
 * The normalised value of every byte in every channel: [C, 256], (byte / 255 - mean) / std, computed in
 * float64 and rounded once.
 */
export function normalizationTable({ mean, std }: Normalization): Float32Array {
  const table = new Float32Array(mean.length * 256);
  mean.forEach((center, channel) => {
    for (let byte = 0; byte < 256; byte++) {
      table[channel * 256 + byte] = (byte / 255 - center) / (std[channel] ?? 1);
    }
  });
  return table;
}

/**
 * The choices for one image, drawn from the stream (seed, 'augment', epoch, index): top, left, flip.
 *
 * @param index the image's place in the data set
 */
export function drawChoice(
  { seed, epoch, padding = 4, flip = true }: AugmentOptions,
  index: number,
): AugmentChoice {
  const stream = new RandomStream(seed, 'augment', epoch, index);
  const places = 2 * padding + 1;
  return {
    top: stream.integer(places),
    left: stream.integer(places),
    flip: flip && stream.integer(2) === 1,
  };
}

/**
 * Crops, flips and normalises one image. With padding 0 and nothing chosen it only normalises, which is
 * what validation does.
 *
 * @param image [C, H, W] bytes
 * @param table from {@link normalizationTable}
 * @param padding black pixels on every side; a crop of the image's own size is taken
 * @param out receives [C, H, W]
 */
export function augmentImage(
  image: Uint8Array,
  { channels, height, width }: ImageSize,
  table: Float32Array,
  padding: number,
  { top, left, flip }: AugmentChoice,
  out: Float32Array,
): void {
  const rowShift = top - padding;
  const columnShift = left - padding;
  // Output columns [first, last) see the image, counted before the flip; the others see the padding.
  const first = Math.min(width, Math.max(0, -columnShift));
  const last = Math.max(first, Math.min(width, width - columnShift));
  const step = flip ? -1 : 1;

  for (let channel = 0; channel < channels; channel++) {
    const values = channel * 256;
    const black = table[values] ?? 0;
    for (let y = 0; y < height; y++) {
      const outRow = (channel * height + y) * width;
      const inY = y + rowShift;
      if (inY < 0 || inY >= height) {
        out.fill(black, outRow, outRow + width);
        continue;
      }
      const inRow = (channel * height + inY) * width + columnShift;
      let at = flip ? outRow + width - 1 : outRow;
      for (let x = 0; x < first; x++, at += step) out[at] = black;
      for (let x = first; x < last; x++, at += step) {
        out[at] = table[values + (image[inRow + x] ?? 0)] ?? 0;
      }
      for (let x = last; x < width; x++, at += step) out[at] = black;
    }
  }
}
