/** Pictures of images with maps laid over them, as plain pixels. */
import { resizePixels } from '../data/resize.js';
import { inferno, type Rgb } from './inferno.js';
import { rangeOf, resizePlane, type Plane } from './plane.js';
import type { Cell } from './views.js';

/** A picture in memory. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** [height, width, 4], red, green, blue and opacity, 0 to 255. */
  readonly pixels: Uint8Array;
}

/** An image as data sets hold them. */
export interface ImageBytes {
  /** Of one image, [C, H, W], 0 to 255; one channel is grey. */
  readonly data: Uint8Array;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** How much of an overlaid pixel is the map's colour; the rest is the image in grey. */
const OPACITY = 0.65;

/**
 * The image enlarged by a whole number, its pixels as squares.
 * @param least pixels that the longer side should have at least
 */
export function enlargeImage({ data, channels, height, width }: ImageBytes, least = 192): Picture {
  const factor = Math.max(1, Math.ceil(least / Math.max(height, width)));
  // One channel is grey, and of two the second is no colour either.
  const colors = channels < 3 ? 1 : 3;
  return paint(width * factor, height * factor, (x, y) => {
    const at = Math.floor(y / factor) * width + Math.floor(x / factor);
    const channel = (c: number): number => data[Math.min(c, colors - 1) * height * width + at] ?? 0;
    return [channel(0), channel(1), channel(2)];
  });
}

/** The longer side of a drawn picture has at most so many pixels. */
const LARGEST_SIDE = 1024;

/** A whole image to draw maps over: at its own size, enlarged if it is tiny and made smaller if it is huge. */
export function drawable(image: ImageBytes): Picture {
  const scale = LARGEST_SIDE / Math.max(image.height, image.width);
  if (scale >= 1) return enlargeImage(image);
  const side = (pixels: number): number => Math.max(1, Math.round(pixels * scale));
  return enlargeImage(resizePixels(image, side(image.height), side(image.width)));
}

/**
 * A map over an image: the image in grey, and over it the map, enlarged bilinearly, in the colours of
 * inferno from its smallest value (black) to its largest (pale yellow). An even map is black.
 */
export function overlay(image: Picture, map: Plane): Picture {
  const { width, height, pixels } = image;
  const [least, most] = rangeOf(map);
  const { data } = resizePlane(map, height, width);
  return paint(width, height, (x, y) => {
    const at = y * width + x;
    const channel = (c: number): number => pixels[4 * at + c] ?? 0;
    // Luma of ITU-R BT.601.
    const grey = 0.299 * channel(0) + 0.587 * channel(1) + 0.114 * channel(2);
    const mixed = (part: number): number => Math.round(OPACITY * part + (1 - OPACITY) * grey);
    const color = inferno(most > least ? ((data[at] ?? 0) - least) / (most - least) : 0);
    return [mixed(color[0]), mixed(color[1]), mixed(color[2])];
  });
}

/** The picture with a frame around one cell of a map: white, in a thin dark one, to stand out anywhere. */
export function markCell({ width, height, pixels }: Picture, cell: Cell): Picture {
  const marked = { width, height, pixels: pixels.slice() };
  const [top, bottom] = edges(cell.row, cell.height, height);
  const [left, right] = edges(cell.column, cell.width, width);
  frame(marked, [top, left, bottom, right], 0);
  frame(marked, [top + 1, left + 1, bottom - 1, right - 1], 255);
  return marked;
}

/** First and last pixel of a cell, widened to seven pixels where cells are tiny. */
function edges(cell: number, cells: number, pixels: number): [first: number, last: number] {
  const first = Math.floor((cell * pixels) / cells);
  const last = Math.floor(((cell + 1) * pixels) / cells) - 1;
  const missing = Math.max(0, 7 - (last - first + 1));
  const from = Math.max(0, first - Math.ceil(missing / 2));
  return [from, Math.min(pixels - 1, from + last - first + missing)];
}

function frame(
  { width, pixels }: Picture,
  [top, left, bottom, right]: readonly [number, number, number, number],
  level: number,
): void {
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      if (y > top && y < bottom && x > left && x < right) continue;
      const at = 4 * (y * width + x);
      pixels.fill(level, at, at + 3);
    }
  }
}

function paint(width: number, height: number, color: (x: number, y: number) => Rgb): Picture {
  const pixels = new Uint8Array(4 * width * height).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = 4 * (y * width + x);
      const rgb = color(x, y);
      for (let c = 0; c < 3; c++) pixels[at + c] = rgb[c] ?? 0;
    }
  }
  return { width, height, pixels };
}
