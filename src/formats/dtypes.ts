/**
 * The element types of safetensors, and the arrays that hold them.
 *
 * Source: `Dtype` in https://github.com/huggingface/safetensors (safetensors/src/tensor.rs).
 */

/** Bits per element of every type that the format has, widest first: the order in which tensors are written. */
export const BITS_PER_ELEMENT = {
  U64: 64,
  I64: 64,
  F64: 64,
  C64: 64,
  F32: 32,
  U32: 32,
  I32: 32,
  BF16: 16,
  F16: 16,
  U16: 16,
  I16: 16,
  F8_E5M2FNUZ: 8,
  F8_E4M3FNUZ: 8,
  F8_E8M0: 8,
  F8_E4M3: 8,
  F8_E5M2: 8,
  I8: 8,
  U8: 8,
  F6_E3M2: 6,
  F6_E2M3: 6,
  F4: 4,
  BOOL: 8,
} as const;

/** A dtype name as the format spells it. */
export type SafetensorsDtype = keyof typeof BITS_PER_ELEMENT;

/**
 * The typed array that holds each dtype. Floats of 16 bits and the two usual ones of 8 are widened,
 * without loss. Types that no network takes (complex, packed, scales) stay the bytes that they are.
 */
export interface ArrayOf {
  U64: BigUint64Array;
  I64: BigInt64Array;
  F64: Float64Array;
  C64: Uint8Array;
  F32: Float32Array;
  U32: Uint32Array;
  I32: Int32Array;
  BF16: Float32Array;
  F16: Float32Array;
  U16: Uint16Array;
  I16: Int16Array;
  F8_E5M2FNUZ: Uint8Array;
  F8_E4M3FNUZ: Uint8Array;
  F8_E8M0: Uint8Array;
  F8_E4M3: Float32Array;
  F8_E5M2: Float32Array;
  I8: Int8Array;
  U8: Uint8Array;
  F6_E3M2: Uint8Array;
  F6_E2M3: Uint8Array;
  F4: Uint8Array;
  BOOL: Uint8Array;
}

/** Types whose values are kept as the bytes of the file. */
const RAW: ReadonlySet<SafetensorsDtype> = new Set([
  'C64',
  'F8_E5M2FNUZ',
  'F8_E4M3FNUZ',
  'F8_E8M0',
  'F6_E3M2',
  'F6_E2M3',
  'F4',
]);

/** Whether the array of this dtype has its numbers, one for each element. */
export function hasNumbers(dtype: SafetensorsDtype): boolean {
  return !RAW.has(dtype);
}

/** Whether a text is the name of a dtype. */
export function isDtype(name: string): name is SafetensorsDtype {
  return Object.hasOwn(BITS_PER_ELEMENT, name);
}

/** The bytes that `count` elements take; not whole where packed ones do not fill the last byte. */
export function bytesOfElements(dtype: SafetensorsDtype, count: number): number {
  return (count * BITS_PER_ELEMENT[dtype]) / 8;
}

/** The elements that a shape has; infinite, never NaN, where they cannot be counted. */
export function elementCount(shape: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((product, size) => product * size, 1);
}
