/**
 * The outlines of the ten shapes, as signed distances: negative inside, in a plane where the shape
 * fits the unit circle. Only + - * / and square root are used here and where they are drawn, so that
 * the pictures are the same on every machine.
 */

/** The signed distance of the point (x, y) from an outline. */
export type Outline = (x: number, y: number) => number;

type Point = readonly [x: number, y: number];

const length = (x: number, y: number): number => Math.sqrt(x * x + y * y);

const circle =
  (radius: number): Outline =>
  (x, y) =>
    length(x, y) - radius;

/**
 * A polygon, by the nearest edge; a point is inside when a ray from it crosses the edges an odd number
 * of times, so edges may cross one another.
 */
function polygon(points: readonly Point[]): Outline {
  const edges = points.map(([ax, ay], index) => {
    const [bx, by] = points[(index + 1) % points.length] ?? [ax, ay];
    const dx = bx - ax;
    const dy = by - ay;
    return { ax, ay, by, dx, dy, squared: dx * dx + dy * dy };
  });
  return (x, y) => {
    let nearest = Infinity;
    let inside = false;
    for (const { ax, ay, by, dx, dy, squared } of edges) {
      const px = x - ax;
      const py = y - ay;
      const along = Math.min(1, Math.max(0, (px * dx + py * dy) / squared));
      const ex = px - along * dx;
      const ey = py - along * dy;
      nearest = Math.min(nearest, ex * ex + ey * ey);
      if (ay > y !== by > y && px < (dx * py) / dy) inside = !inside;
    }
    return inside ? -Math.sqrt(nearest) : Math.sqrt(nearest);
  };
}

function box(halfWidth: number, halfHeight: number): Outline {
  return polygon([
    [-halfWidth, -halfHeight],
    [halfWidth, -halfHeight],
    [halfWidth, halfHeight],
    [-halfWidth, halfHeight],
  ]);
}

/** Corners by turns on the unit circle and on one of radius `inner`, 36 degrees apart. */
function starPoints(inner: number): Point[] {
  const cos36 = (1 + Math.sqrt(5)) / 4;
  const sin36 = Math.sqrt(10 - 2 * Math.sqrt(5)) / 4;
  const points: Point[] = [];
  let [x, y] = [0, -1];
  for (let corner = 0; corner < 10; corner++) {
    const radius = corner % 2 === 0 ? 1 : inner;
    points.push([radius * x, radius * y]);
    [x, y] = [x * cos36 - y * sin36, x * sin36 + y * cos36];
  }
  return points;
}

const upright = box(0.3, 0.95);
const lying = box(0.95, 0.3);
const crescentBody = circle(0.92);
const crescentBite = circle(0.74);

/** Every shape by its class name, in label order. */
export const OUTLINES: Readonly<Record<string, Outline>> = {
  circle: circle(0.85),
  square: box(0.72, 0.72),
  triangle: polygon([
    [0, -1],
    [Math.sqrt(3) / 2, 0.5],
    [-Math.sqrt(3) / 2, 0.5],
  ]),
  cross: (x, y) => Math.min(upright(x, y), lying(x, y)),
  ring: (x, y) => Math.abs(length(x, y) - 0.7) - 0.2,
  star: polygon(starPoints(0.42)),
  diamond: polygon([
    [0, -1],
    [0.5, 0],
    [0, 1],
    [-0.5, 0],
  ]),
  crescent: (x, y) => Math.max(crescentBody(x, y), -crescentBite(x - 0.42, y)),
  arrow: polygon([
    [0, -1],
    [0.75, -0.1],
    [0.28, -0.1],
    [0.28, 0.95],
    [-0.28, 0.95],
    [-0.28, -0.1],
    [-0.75, -0.1],
  ]),
  hourglass: polygon([
    [-0.65, -0.8],
    [0.65, -0.8],
    [-0.65, 0.8],
    [0.65, 0.8],
  ]),
};

/** The distance of (x, y) from the segment between two points. */
export function segmentDistance(x: number, y: number, [ax, ay]: Point, [bx, by]: Point): number {
  const dx = bx - ax;
  const dy = by - ay;
  const along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy);
  const nearest = Math.min(1, Math.max(0, along));
  return length(x - ax - nearest * dx, y - ay - nearest * dy);
}
