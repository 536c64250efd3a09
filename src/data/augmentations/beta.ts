import type { RandomStream } from '../../random/index.js';

/**
 * A number from the distribution Beta(alpha, beta), as one gamma variate's share of two.
 * @param alpha above 0
 * @param beta above 0
 * @returns 0 to 1
 */
export function drawBeta(random: RandomStream, alpha: number, beta: number): number {
  // By logarithms, since both variates of small alphas may be too small to be told from 0.
  const first = drawLogGamma(random, alpha);
  const second = drawLogGamma(random, beta);
  return 1 / (1 + Math.exp(second - first));
}

/**
 * The logarithm of a number from the distribution Gamma(shape, 1). Marsaglia and Tsang, A Simple Method for
 * Generating Gamma Variables, 2000: a cube of a normal variate, some of them rejected; a shape below 1 is
 * reached from the next one by a power of a uniform number.
 */
function drawLogGamma(random: RandomStream, shape: number): number {
  if (shape < 1) {
    return drawLogGamma(random, shape + 1) + Math.log(1 - random.uniform()) / shape;
  }
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    const u = 1 - random.uniform();
    if (Math.log(u) < 0.5 * x ** 2 + d - d * v + d * Math.log(v)) return Math.log(d * v);
  }
}
