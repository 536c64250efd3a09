/**
 * The embedded data set: one coloured shape in clutter, 32 x 32, with the mask of the shape.
 *
 * Ten classes (circle, square, triangle, cross, ring, star, diamond, crescent, arrow, hourglass) at
 * random places, sizes, angles and colours, over a mottled background with strokes and soft blobs of
 * other colours. Neither colour nor place tells the class: a linear classifier on pixels hardly beats
 * chance, while a small residual network learns it in a minute. Because the place of the object is
 * known, attention maps can be scored against the mask.
 */
import { RequestError } from '../errors.js';
import { RandomStream } from '../random/index.js';
import { imageDataset, type ImageDataset, type Normalization, type Split } from './dataset.js';
import { OUTLINES, segmentDistance, type Outline } from './shape-outlines.js';

/** Which shapes to make. */
export interface ShapesOptions {
  /** How many images, 1 to 100000. */
  readonly size: number;
  /** Which set. Default 0. */
  readonly seed?: number;
  /** Training and validation images of one seed have nothing in common. Default 'train'. */
  readonly split?: Split;
}

const SIDE = 32;
const PLANE = SIDE * SIDE;
const MOST = 100_000;

/** Of 4000 training images of seed 0, to three digits. */
export const SHAPES_NORMALIZATION: Normalization = {
  mean: [0.445, 0.445, 0.445],
  std: [0.184, 0.184, 0.184],
};

type Color = readonly [red: number, green: number, blue: number];

/**
 * Makes the data set. Image i depends only on (seed, split, i), so a smaller set is the beginning of a
 * larger one, and each ten images in a row hold every class once.
 *
 * @returns images [size, 3, 32, 32] and masks [size, 32, 32]: 0 where there is no object, else its label + 1
 * @throws RequestError for a size that is not a whole number from 1 to 100000, or a wrong seed
 */
export function makeShapes({ size, seed = 0, split = 'train' }: ShapesOptions): ImageDataset {
  if (!Number.isInteger(size) || size < 1 || size > MOST) {
    throw new RequestError(
      `Cannot make ${size} images of shapes: expected a whole number from 1 to ${MOST}.`,
    );
  }
  const part = split === 'train' ? 0 : 1;
  const classes = Object.keys(OUTLINES);
  const outlines = Object.values(OUTLINES);
  const images = new Uint8Array(size * 3 * PLANE);
  const masks = new Uint8Array(size * PLANE);
  const labels = new Int32Array(size);
  const canvas = new Canvas();

  let order: Uint32Array = new Uint32Array(0);
  for (let index = 0; index < size; index++) {
    const place = index % classes.length;
    if (place === 0) {
      order = new RandomStream(seed, 'shapes.labels', part, index).permutation(classes.length);
    }
    const label = order[place] ?? 0;
    labels[index] = label;
    const outline = outlines[label];
    if (outline === undefined) continue;
    drawScene(canvas, new RandomStream(seed, 'shapes', part, index), outline);
    canvas.copyTo(
      images.subarray(index * 3 * PLANE, (index + 1) * 3 * PLANE),
      masks.subarray(index * PLANE, (index + 1) * PLANE),
      label + 1,
    );
  }
  return imageDataset({
    name: 'shapes',
    split,
    classes,
    channels: 3,
    height: SIDE,
    width: SIDE,
    images,
    labels,
    masks,
    normalization: SHAPES_NORMALIZATION,
  });
}

/** One image in the making: colours from 0 to 1, and how far each pixel is covered by what is drawn. */
class Canvas {
  /** [3, 32, 32] */
  readonly pixels = new Float32Array(3 * PLANE);
  /** [32, 32], 0 to 1: of the thing drawn last. */
  readonly cover = new Float32Array(PLANE);

  /** Sets `cover` to `coverage(x, y)` at the pixels' middles within a square, and to 0 elsewhere. */
  stencil(
    centerX: number,
    centerY: number,
    reach: number,
    coverage: (x: number, y: number) => number,
  ): void {
    this.cover.fill(0);
    const clamp = (value: number): number => Math.min(SIDE, Math.max(0, value));
    const right = clamp(Math.ceil(centerX + reach));
    const bottom = clamp(Math.ceil(centerY + reach));
    for (let y = clamp(Math.floor(centerY - reach)); y < bottom; y++) {
      for (let x = clamp(Math.floor(centerX - reach)); x < right; x++) {
        const covered = coverage(x + 0.5, y + 0.5);
        this.cover[y * SIDE + x] = Math.min(1, Math.max(0, covered));
      }
    }
  }

  /** Lays a colour over the pixels as far as `cover` says. */
  paint(color: Color, opacity = 1, shade: (x: number, y: number) => number = () => 0): void {
    for (let at = 0; at < PLANE; at++) {
      const covered = (this.cover[at] ?? 0) * opacity;
      if (covered === 0) continue;
      const light = shade((at % SIDE) + 0.5, Math.floor(at / SIDE) + 0.5);
      for (let channel = 0; channel < 3; channel++) {
        const below = this.pixels[channel * PLANE + at] ?? 0;
        this.pixels[channel * PLANE + at] =
          below + covered * ((color[channel] ?? 0) + light - below);
      }
    }
  }

  /** The mean colour of the pixels that `cover` covers. */
  colorBelow(): Color {
    const sums: [number, number, number] = [0, 0, 0];
    let weight = 0;
    for (let at = 0; at < PLANE; at++) {
      const covered = this.cover[at] ?? 0;
      if (covered === 0) continue;
      weight += covered;
      sums[0] += covered * (this.pixels[at] ?? 0);
      sums[1] += covered * (this.pixels[PLANE + at] ?? 0);
      sums[2] += covered * (this.pixels[2 * PLANE + at] ?? 0);
    }
    return [sums[0] / weight, sums[1] / weight, sums[2] / weight];
  }

  /** The finished image in bytes, and the mask: where the thing drawn last covers at least half. */
  copyTo(image: Uint8Array, mask: Uint8Array, pixelClass: number): void {
    for (let at = 0; at < 3 * PLANE; at++) {
      const value = Math.min(1, Math.max(0, this.pixels[at] ?? 0));
      image[at] = Math.floor(value * 255 + 0.5);
    }
    for (let at = 0; at < PLANE; at++) mask[at] = (this.cover[at] ?? 0) >= 0.5 ? pixelClass : 0;
  }
}

const between = (random: RandomStream, low: number, high: number): number =>
  low + (high - low) * random.uniform();

function drawScene(canvas: Canvas, random: RandomStream, outline: Outline): void {
  drawBackground(canvas, random);
  const strokes = 3 + random.integer(4);
  for (let i = 0; i < strokes; i++) drawStroke(canvas, random);
  const blobs = 2 + random.integer(3);
  for (let i = 0; i < blobs; i++) drawBlob(canvas, random);
  drawObject(canvas, random, outline);
  for (let at = 0; at < 3 * PLANE; at++) {
    canvas.pixels[at] = (canvas.pixels[at] ?? 0) + between(random, -0.06, 0.06);
  }
}

/** Two colours mixed by coarse noise, lightened and darkened by fine noise. */
function drawBackground(canvas: Canvas, random: RandomStream): void {
  const one = randomColor(random, 0, 0.6, 0.15, 0.9);
  const other = randomColor(random, 0, 0.6, 0.15, 0.9);
  const coarse = noise(random, 4);
  const fine = noise(random, 11);
  const grain = between(random, 0.05, 0.3);
  for (let at = 0; at < PLANE; at++) {
    const mix = coarse[at] ?? 0;
    const light = grain * ((fine[at] ?? 0) - 0.5);
    for (let channel = 0; channel < 3; channel++) {
      const from = one[channel] ?? 0;
      canvas.pixels[channel * PLANE + at] = from + mix * ((other[channel] ?? 0) - from) + light;
    }
  }
}

/** A straight stroke, thinner than any part of a shape. */
function drawStroke(canvas: Canvas, random: RandomStream): void {
  const x = between(random, 0, SIDE);
  const y = between(random, 0, SIDE);
  const [dx, dy] = direction(random);
  const half = between(random, 2.5, 9);
  const thickness = between(random, 0.4, 1.3);
  const from = [x - half * dx, y - half * dy] as const;
  const to = [x + half * dx, y + half * dy] as const;
  canvas.stencil(x, y, half + 2.5, (px, py) => 0.5 + thickness - segmentDistance(px, py, from, to));
  canvas.paint(randomColor(random, 0.2, 1, 0.2, 1), between(random, 0.5, 1));
}

/** A round spot that fades outwards. */
function drawBlob(canvas: Canvas, random: RandomStream): void {
  const x = between(random, 0, SIDE);
  const y = between(random, 0, SIDE);
  const radius = between(random, 2, 5);
  canvas.stencil(x, y, radius, (px, py) => {
    const squared = ((px - x) * (px - x) + (py - y) * (py - y)) / (radius * radius);
    return (1 - squared) * (1 - squared) * (squared < 1 ? 1 : 0);
  });
  canvas.paint(randomColor(random, 0.2, 1, 0.2, 1), between(random, 0.5, 1));
}

/** The shape itself: whole within the image, and of a colour that stands out from what is below. */
function drawObject(canvas: Canvas, random: RandomStream, outline: Outline): void {
  const radius = between(random, 7.5, 12);
  const x = between(random, radius, SIDE - radius);
  const y = between(random, radius, SIDE - radius);
  const [cos, sin] = direction(random);
  canvas.stencil(x, y, radius + 1, (px, py) => {
    const u = (px - x) / radius;
    const v = (py - y) / radius;
    return 0.5 - radius * outline(cos * u + sin * v, cos * v - sin * u);
  });
  const below = canvas.colorBelow();
  let color = randomColor(random, 0.2, 1, 0.2, 1);
  for (let tries = 0; tries < 20 && difference(color, below) < 0.35; tries++) {
    color = randomColor(random, 0.2, 1, 0.2, 1);
  }
  const [lightX, lightY] = direction(random);
  const slope = between(random, 0, 0.12) / radius;
  canvas.paint(color, 1, (px, py) => slope * ((px - x) * lightX + (py - y) * lightY));
}

/** A colour of any hue, with saturation and value in the given ranges. */
function randomColor(
  random: RandomStream,
  leastSaturation: number,
  mostSaturation: number,
  leastValue: number,
  mostValue: number,
): Color {
  const hue = 6 * random.uniform();
  const saturation = between(random, leastSaturation, mostSaturation);
  const value = between(random, leastValue, mostValue);
  const channel = (offset: number): number => {
    const turn = (hue + offset) % 6;
    return value * (1 - saturation * Math.min(1, Math.max(0, Math.min(turn, 4 - turn))));
  };
  return [channel(5), channel(3), channel(1)];
}

function difference(a: Color, b: Color): number {
  const [red, green, blue] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
  return Math.sqrt(red * red + green * green + blue * blue);
}

/** A point on the unit circle, every angle equally likely, without trigonometry. */
function direction(random: RandomStream): [number, number] {
  for (;;) {
    const x = between(random, -1, 1);
    const y = between(random, -1, 1);
    const squared = x * x + y * y;
    if (squared > 0.01 && squared <= 1) {
      const scale = 1 / Math.sqrt(squared);
      return [x * scale, y * scale];
    }
  }
}

/** Smooth noise [32, 32] in [0, 1): random values on a grid of `cells` x `cells`, interpolated. */
function noise(random: RandomStream, cells: number): Float32Array {
  const corners = cells + 1;
  const grid = random.fillUniform(new Float32Array(corners * corners), 0, 1);
  const out = new Float32Array(PLANE);
  for (let y = 0; y < SIDE; y++) {
    const v = (y / SIDE) * cells;
    const row = Math.floor(v);
    const fy = v - row;
    for (let x = 0; x < SIDE; x++) {
      const u = (x / SIDE) * cells;
      const column = Math.floor(u);
      const fx = u - column;
      const at = row * corners + column;
      const top = (grid[at] ?? 0) * (1 - fx) + (grid[at + 1] ?? 0) * fx;
      const bottom = (grid[at + corners] ?? 0) * (1 - fx) + (grid[at + corners + 1] ?? 0) * fx;
      out[y * SIDE + x] = top * (1 - fy) + bottom * fy;
    }
  }
  return out;
}
