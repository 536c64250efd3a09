/** Sums over rows of numbers, for what is small enough to be computed on the host. */

/** Inner product of `a` with as many elements of `b` from `start` on. */
export function inner(a: Float64Array, b: Float64Array, start = 0): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += (a[i] ?? NaN) * (b[start + i] ?? NaN);
  return total;
}

/** Adds `factor` times `a` to as many elements of `target` from `start` on. */
export function addScaled(target: Float64Array, factor: number, a: Float64Array, start = 0): void {
  for (let i = 0; i < a.length; i++) {
    target[start + i] = (target[start + i] ?? NaN) + factor * (a[i] ?? NaN);
  }
}
