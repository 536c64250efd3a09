/**
 * The two 16-bit float formats, to and from float32. Node 20 has no Float16Array, so this is by
 * bits. Reading is exact; writing rounds to nearest, ties to even, as PyTorch does.
 *
 *   float16   1 sign, 5 exponent, 10 mantissa bits   (IEEE 754 binary16)
 *   bfloat16  1 sign, 8 exponent,  7 mantissa bits   (the upper half of a float32)
 */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

function bitsOf(value: number): number {
  float[0] = value;
  return bits[0] ?? 0;
}

function fromBits(pattern: number): number {
  bits[0] = pattern;
  return float[0] ?? 0;
}

/** The value of a float16 bit pattern (0 to 0xffff). */
export function float16ToNumber(pattern: number): number {
  const sign = pattern & 0x8000 ? -1 : 1;
  const exponent = (pattern >>> 10) & 0x1f;
  const mantissa = pattern & 0x3ff;
  if (exponent === 0x1f) return mantissa === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** The nearest float16 bit pattern; beyond 65504 plus half a step it is infinity. */
export function numberToFloat16(value: number): number {
  const pattern = bitsOf(value);
  const sign = (pattern >>> 16) & 0x8000;
  const magnitude = pattern & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude < 0x38800000) return sign | roundToEven(Math.abs(fromBits(pattern)) * 2 ** 24);
  // Rebias the exponent (127 to 15) and drop 13 mantissa bits; a carry runs into the exponent.
  return sign | dropBits(magnitude - 0x38000000, 13);
}

/** The value of a bfloat16 bit pattern (0 to 0xffff). */
export function bfloat16ToNumber(pattern: number): number {
  return fromBits((pattern << 16) >>> 0);
}

/** The nearest bfloat16 bit pattern. */
export function numberToBfloat16(value: number): number {
  const pattern = bitsOf(value);
  const sign = (pattern >>> 16) & 0x8000;
  const magnitude = pattern & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7fc0;
  return sign | dropBits(magnitude, 16);
}

function dropBits(pattern: number, count: number): number {
  const odd = (pattern >>> count) & 1;
  return (pattern + (1 << (count - 1)) - 1 + odd) >>> count;
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest === 0.5) return floor + (floor % 2);
  return rest > 0.5 ? floor + 1 : floor;
}
