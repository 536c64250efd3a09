/** One map over an image's places, as plain numbers. */
export interface Plane {
  readonly height: number;
  readonly width: number;
  /** [H, W] */
  readonly data: ArrayLike<number>;
}

/** The smallest and the largest value of a plane. */
export function rangeOf({ data }: Plane): [least: number, most: number] {
  let [least, most] = [Infinity, -Infinity];
  for (let at = 0; at < data.length; at++) {
    const value = data[at] ?? 0;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return [least, most];
}

/**
 * A plane of another size, bilinearly, the way PyTorch's interpolate does it with align_corners=False:
 * a place is a square, its value stands at its middle, and the borders continue outwards.
 *
 * Between equal values it gives exactly that value, so that an even map stays even.
 */
export function resizePlane(plane: Plane, height: number, width: number): Plane {
  const rows = taps(plane.height, height);
  const columns = taps(plane.width, width);
  const data = new Float64Array(height * width);
  const value = (row: number, column: number): number =>
    plane.data[row * plane.width + column] ?? 0;
  for (const [y, { first: top, second: bottom, share: down }] of rows.entries()) {
    for (const [x, { first: left, second: right, share }] of columns.entries()) {
      const above = between(value(top, left), value(top, right), share);
      const below = between(value(bottom, left), value(bottom, right), share);
      data[y * width + x] = between(above, below, down);
    }
  }
  return { height, width, data };
}

/** Which two elements an element of the result lies between, and how far towards the second. */
interface Tap {
  readonly first: number;
  readonly second: number;
  readonly share: number;
}

function taps(from: number, to: number): Tap[] {
  return Array.from({ length: to }, (_, at) => {
    const position = Math.min(from - 1, Math.max(0, ((at + 0.5) * from) / to - 0.5));
    const first = Math.floor(position);
    return { first, second: Math.min(first + 1, from - 1), share: position - first };
  });
}

function between(a: number, b: number, share: number): number {
  return a + share * (b - a);
}
