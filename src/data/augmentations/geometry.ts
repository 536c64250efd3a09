/** Pictures sheared and turned as Pillow does it with nearest pixels. What comes in is black, and IGNORED in masks. */
import type { Picture } from '../augmentation.js';
import { IGNORED } from '../dataset.js';
import { shifted } from './random-crop.js';

/**
 * Where the old pixel of a new one lies: [a, b, c, d, e, f] for x' = a x + b y + c, y' = d x + e y + f, of the
 * pixels' middles.
 */
export type Affine = readonly [number, number, number, number, number, number];

/** Shifts the rows against each other: the row y goes y * slope to the left. */
export function shearX(picture: Picture, slope: number): Picture {
  return moved(picture, [1, slope, 0, 0, 1, 0]);
}

/** Shifts the columns against each other: the column x goes x * slope up. */
export function shearY(picture: Picture, slope: number): Picture {
  return moved(picture, [1, 0, 0, slope, 1, 0]);
}

/** Turns a picture about its middle, counterclockwise. @param degrees -90 to 90 */
export function rotate(picture: Picture, degrees: number): Picture {
  const { height, width } = picture.image;
  const angle = (-degrees * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [x, y] = [width / 2, height / 2];
  return moved(picture, [cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y]);
}

/** Moves a picture to the right and down, by whole pixels. */
export function translate({ image, mask }: Picture, right: number, down: number): Picture {
  return {
    image: { ...image, data: shifted(image.data, image, -down, -right, 0) },
    ...(mask && { mask: shifted(mask, image, -down, -right, IGNORED) }),
  };
}

/** A picture with every pixel taken from where an affine map says, in Pillow's whole numbers of 16 bits after the point. */
export function moved({ image, mask }: Picture, affine: Affine): Picture {
  const places = sources(image.height, image.width, affine);
  const plane = places.length;
  const data = new Uint8Array(image.data.length);
  for (let start = 0; start < data.length; start += plane) {
    gather(
      image.data.subarray(start, start + plane),
      places,
      0,
      data.subarray(start, start + plane),
    );
  }
  if (!mask) return { image: { ...image, data } };
  const movedMask = new Uint8Array(plane);
  gather(mask, places, IGNORED, movedMask);
  return { image: { ...image, data }, mask: movedMask };
}

/** [H, W]: the place of each new pixel's old one, or -1 outside. */
function sources(height: number, width: number, [a, b, c, d, e, f]: Affine): Int32Array {
  const places = new Int32Array(height * width).fill(-1);
  const [stepX, stepY] = [fixed(a), fixed(d)];
  for (let y = 0, at = 0; y < height; y++) {
    let fromX = fixed(c + a * 0.5 + b * 0.5) + y * fixed(b);
    let fromY = fixed(f + d * 0.5 + e * 0.5) + y * fixed(e);
    for (let x = 0; x < width; x++, at++, fromX += stepX, fromY += stepY) {
      const [column, row] = [fromX >> 16, fromY >> 16];
      if (column >= 0 && column < width && row >= 0 && row < height) {
        places[at] = row * width + column;
      }
    }
  }
  return places;
}

function fixed(value: number): number {
  return Math.floor(value * 65536 + 0.5);
}

function gather(from: Uint8Array, places: Int32Array, fill: number, out: Uint8Array): void {
  for (let at = 0; at < out.length; at++) {
    const place = places[at] ?? -1;
    out[at] = place < 0 ? fill : (from[place] ?? 0);
  }
}
