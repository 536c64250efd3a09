/**
 * The two usual 8-bit float formats, to and from float32. Reading is exact; writing rounds to
 * nearest, ties to even, as PyTorch does.
 *
 *   F8_E4M3  1 sign, 4 exponent, 3 mantissa bits; no infinity, NaN is 0x7f    (float8_e4m3fn)
 *   F8_E5M2  1 sign, 5 exponent, 2 mantissa bits; infinity and NaN as IEEE    (float8_e5m2)
 *
 * Source: Micikevicius et al., FP8 Formats for Deep Learning, arXiv 2209.05433, table 1.
 */

/** One format: its values from 0 up, as if the first pattern that is no number were one. */
interface Float8 {
  readonly ladder: readonly number[];
  /** What the last step of the ladder stands for. */
  readonly beyond: number;
}

function float8(mantissaBits: number, bias: number, finite: number, beyond: number): Float8 {
  const steps = 2 ** mantissaBits;
  const value = (pattern: number): number => {
    const exponent = Math.floor(pattern / steps);
    const mantissa = (pattern % steps) / steps;
    return exponent === 0 ? mantissa * 2 ** (1 - bias) : (1 + mantissa) * 2 ** (exponent - bias);
  };
  return { ladder: Array.from({ length: finite + 1 }, (_, pattern) => value(pattern)), beyond };
}

/** Bit patterns below the second argument from the end are finite. */
export const E4M3 = float8(3, 7, 0x7f, NaN);
export const E5M2 = float8(2, 15, 0x7c, Infinity);

/** The value of a bit pattern (0 to 0xff). */
export function float8ToNumber({ ladder, beyond }: Float8, pattern: number): number {
  const magnitude = pattern & 0x7f;
  const sign = pattern & 0x80 ? -1 : 1;
  const last = ladder.length - 1;
  if (magnitude < last) return sign * (ladder[magnitude] ?? NaN);
  return magnitude === last ? sign * beyond : NaN;
}

/** The nearest bit pattern; beyond the largest number and half a step it is infinity or NaN. */
export function numberToFloat8({ ladder }: Float8, value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  if (Number.isNaN(value)) return 0x7f;
  const magnitude = Math.abs(value);
  let low = 0;
  let high = ladder.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((ladder[middle] ?? Infinity) <= magnitude) low = middle;
    else high = middle - 1;
  }
  const below = magnitude - (ladder[low] ?? 0);
  const above = (ladder[low + 1] ?? Infinity) - magnitude;
  return sign | (above < below || (above === below && low % 2 === 1) ? low + 1 : low);
}
