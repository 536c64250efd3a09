/** Minimises a smooth function of many variables. */
import { addScaled, inner } from './vectors.js';

/** Fills in the gradient at a point, and returns the value. */
export type Objective = (point: Float64Array, gradient: Float64Array) => number;

export interface MinimizeOptions {
  /** At most so many steps. Default 300. */
  readonly steps?: number;
  /** Done when no element of the gradient is larger. Default 1e-6. */
  readonly tolerance?: number;
}

/** How many of the last steps the model of the curvature is made from. */
const MEMORY = 10;

/** A step and the change of the gradient over it. */
interface Pair {
  readonly step: Float64Array;
  readonly change: Float64Array;
  /** Their inner product, above 0. */
  readonly curvature: number;
}

/**
 * L-BFGS with a line search that halves the step until the value falls enough (Nocedal and Wright,
 * Numerical Optimization, 2006, algorithms 7.4 and 3.1). For convex functions.
 * @returns the point reached and its value
 */
export function minimize(
  objective: Objective,
  start: Float64Array,
  { steps = 300, tolerance = 1e-6 }: MinimizeOptions = {},
): { point: Float64Array; value: number } {
  let point = Float64Array.from(start);
  let gradient = new Float64Array(start.length);
  let value = objective(point, gradient);
  const pairs: Pair[] = [];
  for (let taken = 0; taken < steps; taken++) {
    if (gradient.every((g) => Math.abs(g) <= tolerance)) break;
    const direction = descent(gradient, pairs);
    const slope = inner(direction, gradient);
    let length = pairs.length > 0 ? 1 : 1 / Math.max(1, Math.sqrt(inner(gradient, gradient)));
    let next = point;
    let nextValue = Infinity;
    const nextGradient = new Float64Array(start.length);
    // Forty halvings are below the rounding of any step: the value falls no further.
    for (let tries = 0; tries < 40 && !(nextValue <= value + 1e-4 * length * slope); tries++) {
      if (tries > 0) length /= 2;
      next = point.map((x, i) => x + length * (direction[i] ?? 0));
      nextValue = objective(next, nextGradient);
    }
    if (!(nextValue < value)) break;
    const step = next.map((x, i) => x - (point[i] ?? 0));
    const change = nextGradient.map((g, i) => g - (gradient[i] ?? 0));
    const curvature = inner(step, change);
    if (curvature > 0) pairs.push({ step, change, curvature });
    if (pairs.length > MEMORY) pairs.shift();
    [point, gradient, value] = [next, nextGradient, nextValue];
  }
  return { point, value };
}

/** Minus the gradient times the inverse curvature that the pairs tell of: the two-loop recursion. */
function descent(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  const rest = gradient.map((g) => -g);
  const factors = pairs
    .toReversed()
    .map(({ step, change, curvature }) => {
      const factor = inner(step, rest) / curvature;
      addScaled(rest, -factor, change);
      return factor;
    })
    .toReversed();
  const last = pairs.at(-1);
  const scale = last ? last.curvature / inner(last.change, last.change) : 1;
  const direction = rest.map((value) => scale * value);
  for (const [i, { step, change, curvature }] of pairs.entries()) {
    addScaled(direction, (factors[i] ?? 0) - inner(change, direction) / curvature, step);
  }
  return direction;
}
