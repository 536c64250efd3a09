/**
 * Standard normal deviates by inversion: Wichura, "Algorithm AS 241: the percentage points of the
 * normal distribution", Applied Statistics 37(3), 1988 (routine PPND16, about 1e-16 relative).
 *
 * `Math.log` and `Math.cos` may differ in the last bit between JavaScript engines, so Box-Muller
 * would not give the same numbers everywhere. This uses only + - * / and square root, which IEEE 754
 * fixes to the bit, and takes one 32-bit word per deviate.
 */

const LN2 = 0.6931471805599453;

/** ln((word + 1/2) / 2^32) for a 32-bit word, from its exponent and the series of artanh. */
function logOfMidpoint(word: number): number {
  const value = word + 0.5;
  let exponent = word === 0 ? -1 : 31 - Math.clz32(word);
  let mantissa = value / (exponent < 0 ? 0.5 : (1 << exponent) >>> 0);
  if (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent += 1;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  const s2 = s * s;
  let series = 1 / 23;
  for (let odd = 21; odd >= 1; odd -= 2) series = series * s2 + 1 / odd;
  return (exponent - 32) * LN2 + 2 * s * series;
}

function central(q: number): number {
  const r = 0.180625 - q * q;
  const numerator =
    ((((((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r +
      45921.953931549871457) *
      r +
      13731.693765509461125) *
      r +
      1971.5909503065514427) *
      r +
      133.14166789178437745) *
      r +
    3.387132872796366608;
  const denominator =
    ((((((5226.495278852854561 * r + 28729.085735721942674) * r + 39307.89580009271061) * r +
      21213.794301586595867) *
      r +
      5394.1960214247511077) *
      r +
      687.1870074920579083) *
      r +
      42.313330701600911252) *
      r +
    1;
  return (q * numerator) / denominator;
}

/**
 * The tail beyond |z| = 1.44. AS 241 has a third range below a probability of e^-25; a 32-bit word
 * never comes that close to 0 (its midpoint is at least 2^-33).
 */
function tail(logProbability: number): number {
  const r = Math.sqrt(-logProbability) - 1.6;
  const numerator =
    ((((((7.7454501427834140764e-4 * r + 0.0227238449892691845833) * r + 0.24178072517745061177) *
      r +
      1.27045825245236838258) *
      r +
      3.64784832476320460504) *
      r +
      5.7694972214606914055) *
      r +
      4.6303378461565452959) *
      r +
    1.42343711074968357734;
  const denominator =
    ((((((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r + 0.0151986665636164571966) *
      r +
      0.14810397642748007459) *
      r +
      0.68976733498510000455) *
      r +
      1.6763848301838038494) *
      r +
      2.05319162663775882187) *
      r +
    1;
  return numerator / denominator;
}

/**
 * The normal deviate whose cumulative probability is (word + 1/2) / 2^32. Odd about the middle:
 * the deviate of the complemented word is exactly the negative. |result| < 6.34.
 *
 * @param word an unsigned 32-bit integer
 */
export function standardNormal(word: number): number {
  const q = (word + 0.5 - 2 ** 31) / 2 ** 32;
  if (q >= -0.425 && q <= 0.425) return central(q);
  return q < 0 ? -tail(logOfMidpoint(word)) : tail(logOfMidpoint(~word >>> 0));
}
