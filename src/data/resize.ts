/**
 * Other sizes of pictures and masks, with the very bytes of Pillow's `Image.resize`, by which most
 * networks are trained: a picture by the triangle filter, which widens when it makes smaller (BILINEAR),
 * a mask by the nearest pixel (NEAREST).
 */
import type { Frame } from './augmentation.js';
import type { Pixels } from './dataset.js';

/** Weights are whole numbers: this many bits stand after the point. */
const PRECISION = 22;
const HALF = 1 << (PRECISION - 1);

/** How every place along one side of the new picture is a mean of places of the old one. */
interface Filter {
  /** Room for the weights of one place, a multiple of 4. */
  readonly taps: number;
  /** [to]: the first old place that counts. */
  readonly starts: Int32Array;
  /** [to]: how many count. */
  readonly counts: Int32Array;
  /** [to, taps], which add up to 2^22 for every place, but for rounding. */
  readonly weights: Int32Array;
}

/**
 * A picture at another size. The channels do not mix: one of transparency is taken as any other, where
 * Pillow weighs colours by it.
 * @param height rows that are wanted, at least 1
 * @param width columns that are wanted, at least 1
 * @returns a picture of its own, or the same one if it has that size already
 */
export function resizePixels(pixels: Pixels, height: number, width: number): Pixels {
  const { channels } = pixels;
  let { data } = pixels;
  // One side after the other, rounded to bytes in between, as Pillow does.
  if (width !== pixels.width) {
    data = resizeRows(data, channels * pixels.height, pixels.width, width);
  }
  if (height !== pixels.height) data = resizeColumns(data, channels, pixels.height, height, width);
  return data === pixels.data ? pixels : { channels, height, width, data };
}

/**
 * A mask at another size: every pixel is that of the old mask which lies nearest to its middle.
 * @param mask [H, W] of `from`
 * @returns [H, W] of `to`
 */
export function resizeMask(mask: Uint8Array, from: Frame, to: Frame): Uint8Array {
  if (from.height === to.height && from.width === to.width) return mask;
  const [rows, columns] = [
    nearestPlaces(from.height, to.height),
    nearestPlaces(from.width, to.width),
  ];
  const out = new Uint8Array(to.height * to.width);
  for (let y = 0, at = 0; y < to.height; y++) {
    const row = (rows[y] ?? 0) * from.width;
    for (let x = 0; x < to.width; x++, at++) out[at] = mask[row + (columns[x] ?? 0)] ?? 0;
  }
  return out;
}

/** [to]: the old place for each new one. The steps are added up, since Pillow's rounding comes of that. */
function nearestPlaces(from: number, to: number): Int32Array {
  const places = new Int32Array(to);
  const step = from / to;
  for (let place = 0, middle = step * 0.5; place < to; place++, middle += step) {
    places[place] = Math.min(Math.trunc(middle), from - 1);
  }
  return places;
}

/** Every row of `from` values becomes one of `to`. */
function resizeRows(data: Uint8Array, rows: number, from: number, to: number): Uint8Array {
  const { taps, starts, counts, weights } = triangleFilter(from, to);
  const out = new Uint8Array(rows * to);
  // Four rows at once, for which a weight is fetched once; past the end the last row is made again.
  for (let row = 0; row < rows; row += 4) {
    const row1 = Math.min(row + 1, rows - 1);
    const row2 = Math.min(row + 2, rows - 1);
    const row3 = Math.min(row + 3, rows - 1);
    for (let x = 0; x < to; x++) {
      const first = x * taps;
      const start = (starts[x] ?? 0) - first;
      const last = first + (counts[x] ?? 0);
      let [sum, sum1, sum2, sum3] = [HALF, HALF, HALF, HALF];
      for (let tap = first; tap < last; tap++) {
        const weight = weights[tap] ?? 0;
        const place = start + tap;
        sum += Math.imul(data[row * from + place] ?? 0, weight);
        sum1 += Math.imul(data[row1 * from + place] ?? 0, weight);
        sum2 += Math.imul(data[row2 * from + place] ?? 0, weight);
        sum3 += Math.imul(data[row3 * from + place] ?? 0, weight);
      }
      out[row * to + x] = byteOf(sum);
      out[row1 * to + x] = byteOf(sum1);
      out[row2 * to + x] = byteOf(sum2);
      out[row3 * to + x] = byteOf(sum3);
    }
  }
  return out;
}

/** Every column of `from` values becomes one of `to`, in each plane. */
function resizeColumns(
  data: Uint8Array,
  planes: number,
  from: number,
  to: number,
  width: number,
): Uint8Array {
  const { taps, starts, counts, weights } = triangleFilter(from, to);
  const out = new Uint8Array(planes * to * width);
  // Whole rows are added up, so that memory is read in its order: four of them at once, some of weight 0.
  const sums = new Int32Array(width);
  for (let plane = 0, at = 0; plane < planes; plane++) {
    for (let y = 0; y < to; y++) {
      sums.fill(HALF);
      const count = counts[y] ?? 0;
      const rowAt = (tap: number): number =>
        (plane * from + Math.min((starts[y] ?? 0) + tap, from - 1)) * width;
      for (let tap = 0, first = y * taps; tap < count; tap += 4) {
        const [row, row1, row2, row3] = [
          rowAt(tap),
          rowAt(tap + 1),
          rowAt(tap + 2),
          rowAt(tap + 3),
        ];
        const weight = weights[first + tap] ?? 0;
        const weight1 = weights[first + tap + 1] ?? 0;
        const weight2 = weights[first + tap + 2] ?? 0;
        const weight3 = weights[first + tap + 3] ?? 0;
        for (let x = 0; x < width; x++) {
          sums[x] =
            (sums[x] ?? 0) +
            Math.imul(data[row + x] ?? 0, weight) +
            Math.imul(data[row1 + x] ?? 0, weight1) +
            Math.imul(data[row2 + x] ?? 0, weight2) +
            Math.imul(data[row3 + x] ?? 0, weight3);
        }
      }
      for (let x = 0; x < width; x++, at++) out[at] = byteOf(sums[x] ?? 0);
    }
  }
  return out;
}

function byteOf(sum: number): number {
  const byte = sum >> PRECISION;
  return byte > 255 ? 255 : byte;
}

/** Random crops ask for many pairs of sizes, most of them once. */
const MOST_FILTERS = 256;
const filters = new Map<string, Filter>();

function triangleFilter(from: number, to: number): Filter {
  const key = `${from} ${to}`;
  const known = filters.get(key);
  if (known) return known;
  const made = makeTriangleFilter(from, to);
  const [oldest] = filters.keys();
  if (filters.size >= MOST_FILTERS && oldest !== undefined) filters.delete(oldest);
  filters.set(key, made);
  return made;
}

/**
 * The triangle filter reaches one old pixel to either side of a new pixel's middle, or, when the picture
 * becomes smaller, as far as one new pixel does.
 */
function makeTriangleFilter(from: number, to: number): Filter {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  const nearer = 1 / reach;
  // Rounded up to a multiple of four: what is left over has the weight 0.
  const taps = Math.ceil((Math.ceil(reach) * 2 + 1) / 4) * 4;
  const [starts, counts] = [new Int32Array(to), new Int32Array(to)];
  const weights = new Int32Array(to * taps);
  const exact = new Float64Array(taps);
  for (let place = 0; place < to; place++) {
    const middle = (place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(middle - reach + 0.5));
    const count = Math.min(from, Math.trunc(middle + reach + 0.5)) - start;
    let total = 0;
    for (let tap = 0; tap < count; tap++) {
      const distance = Math.abs((start + tap - middle + 0.5) * nearer);
      const weight = distance < 1 ? 1 - distance : 0;
      exact[tap] = weight;
      total += weight;
    }
    for (let tap = 0; tap < count; tap++) {
      const weight = (exact[tap] ?? 0) / total;
      weights[place * taps + tap] = Math.trunc(weight * 2 ** PRECISION + 0.5);
    }
    starts[place] = start;
    counts[place] = count;
  }
  return { taps, starts, counts, weights };
}
