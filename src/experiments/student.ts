/**
 * Student's t distribution for a whole number of degrees of freedom, in closed form: Abramowitz and
 * Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4. With theta = atan(|t| / sqrt(df)),
 * the probability A that a deviate lies within -|t| .. |t| is
 *
 *   df odd:   2/pi (theta + sin theta (cos theta + 2/3 cos^3 theta + ... + 2 4 .. (df-3) / 1 3 .. (df-2) cos^(df-2) theta))
 *   df even:  sin theta (1 + 1/2 cos^2 theta + ... + 1 3 .. (df-3) / 2 4 .. (df-2) cos^(df-2) theta)
 *
 * Finite sums of a few terms: the seeds of an experiment are few.
 */
import { RequestError } from '../errors.js';

/** Steps of the bisection for a quantile: each halves the range of theta, which is below pi / 2. */
const HALVINGS = 60;

/**
 * Two-sided p-value: the probability of a deviate at least as far from 0 as t.
 * @param degrees degrees of freedom, a whole number of at least 1
 */
export function twoSidedP(t: number, degrees: number): number {
  requireDegrees(degrees);
  if (!Number.isFinite(t)) return Number.isNaN(t) ? NaN : 0;
  return Math.max(0, 1 - within(Math.atan(Math.abs(t) / Math.sqrt(degrees)), degrees));
}

/**
 * The t for which a share `level` of the distribution lies within -t .. t: 4.3027 for 0.95 and 2 degrees.
 * @param level above 0 and below 1
 * @param degrees degrees of freedom, a whole number of at least 1
 */
export function criticalT(level: number, degrees: number): number {
  requireDegrees(degrees);
  if (!(level > 0 && level < 1)) {
    throw new RequestError(
      `A level of confidence lies between 0 and 1, as 0.95 does; it is ${level}.`,
    );
  }
  let low = 0;
  let high = Math.PI / 2;
  for (let step = 0; step < HALVINGS; step++) {
    const theta = (low + high) / 2;
    if (within(theta, degrees) < level) low = theta;
    else high = theta;
  }
  return Math.tan((low + high) / 2) * Math.sqrt(degrees);
}

/** A(theta) of the formulas above. */
function within(theta: number, degrees: number): number {
  const odd = degrees % 2 === 1;
  const cos = Math.cos(theta);
  let term = odd ? cos : 1;
  let sum = degrees === 1 ? 0 : term;
  for (let power = odd ? 3 : 2; power <= degrees - 2; power += 2) {
    term *= (cos * cos * (power - 1)) / power;
    sum += term;
  }
  const tail = Math.sin(theta) * sum;
  return odd ? (2 / Math.PI) * (theta + tail) : tail;
}

function requireDegrees(degrees: number): void {
  if (!Number.isSafeInteger(degrees) || degrees < 1) {
    throw new RequestError(
      `Degrees of freedom must be a whole number of at least 1, not ${degrees}.`,
    );
  }
}
