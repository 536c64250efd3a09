/**
 * Changes of colour with Pillow's rounding, which is torchvision's on Pillow's pictures. They take images of
 * any number of channels: of three or more, the first three are red, green and blue; of one or two, the
 * first is grey. What is left, transparency, stays as it is.
 */
import type { Pixels } from '../dataset.js';
import { greyInto } from '../fitted.js';

/** How many planes of an image are colours. */
export function colorPlanes({ channels }: Pixels): number {
  return channels >= 3 ? 3 : 1;
}

/** New bytes for all colours. @param table [256] */
export function mapped(image: Pixels, table: Uint8Array): Pixels {
  const data = image.data.slice();
  const end = colorPlanes(image) * image.height * image.width;
  for (let at = 0; at < end; at++) data[at] = table[data[at] ?? 0] ?? 0;
  return { ...image, data };
}

/** New bytes for every colour by a table of its own. @param tableOf makes it from how often each byte occurs, [256] */
export function mappedEach(image: Pixels, tableOf: (counts: Uint32Array) => Uint8Array): Pixels {
  const data = image.data.slice();
  const plane = image.height * image.width;
  for (let color = 0; color < colorPlanes(image); color++) {
    const bytes = data.subarray(color * plane, (color + 1) * plane);
    const counts = new Uint32Array(256);
    for (let at = 0; at < plane; at++) {
      const byte = bytes[at] ?? 0;
      counts[byte] = (counts[byte] ?? 0) + 1;
    }
    const table = tableOf(counts);
    for (let at = 0; at < plane; at++) bytes[at] = table[bytes[at] ?? 0] ?? 0;
  }
  return { ...image, data };
}

/**
 * A byte between two, or beyond the second: from + factor (to - from), in Pillow's 32 bits, cut to 0 .. 255.
 * @param factor rounded to float32
 */
export function blend(from: number, to: number, factor: number): number {
  const value = Math.fround(from + Math.fround(factor * (to - from)));
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value);
}

/** Between black (factor 0) and the image (1), or brighter (above 1). */
export function brightness(image: Pixels, factor: number): Pixels {
  return mapped(image, blendTable(0, factor));
}

/** Between the image's mean grey (factor 0) and the image (1), or beyond. */
export function contrast(image: Pixels, factor: number): Pixels {
  const plane = image.height * image.width;
  const grey = greyOf(image);
  let sum = 0;
  for (let at = 0; at < plane; at++) sum += grey[at] ?? 0;
  return mapped(image, blendTable(Math.trunc(sum / plane + 0.5), factor));
}

/** Between the image in grey (factor 0) and the image (1), or beyond. A grey image stays as it is. */
export function saturation(image: Pixels, factor: number): Pixels {
  if (image.channels < 3) return image;
  const data = image.data.slice();
  const grey = greyOf(image);
  const plane = grey.length;
  const rounded = Math.fround(factor);
  for (let color = 0, at = 0; color < 3; color++) {
    for (let place = 0; place < plane; place++, at++) {
      data[at] = blend(grey[place] ?? 0, data[at] ?? 0, rounded);
    }
  }
  return { ...image, data };
}

/** The image in grey, with as many channels as before. */
export function grey(image: Pixels): Pixels {
  if (image.channels < 3) return image;
  const data = image.data.slice();
  const plane = image.height * image.width;
  greyInto(image, data.subarray(0, plane));
  data.copyWithin(plane, 0, plane);
  data.copyWithin(2 * plane, 0, plane);
  return { ...image, data };
}

/** [H, W] */
function greyOf(image: Pixels): Uint8Array {
  const plane = image.height * image.width;
  if (image.channels < 3) return image.data.subarray(0, plane);
  const out = new Uint8Array(plane);
  greyInto(image, out);
  return out;
}

function blendTable(from: number, factor: number): Uint8Array {
  const rounded = Math.fround(factor);
  return Uint8Array.from({ length: 256 }, (_, byte) => blend(from, byte, rounded));
}
