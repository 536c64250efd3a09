/**
 * Safetensors files: named tensors and a table of strings, with nothing executable inside.
 * Pure bytes in and out, so that it runs in a browser too; files are in `node/files.ts`.
 *
 * Differs from the reference reader in three strictnesses that its format text asks for: a header
 * that does not begin with "{", a key that stands twice and a `__metadata__` that is null are
 * refused. Like the reference, it accepts data that does not begin at a multiple of 8 (older
 * writers did not pad); what it writes is always aligned.
 */
import { RequestError } from '../errors.js';
import { bfloat16ToNumber, float16ToNumber, numberToBfloat16, numberToFloat16 } from './half.js';
import {
  BITS_PER_ELEMENT,
  bytesOfElements,
  elementCount,
  hasNumbers,
  isDtype,
  type ArrayOf,
  type SafetensorsDtype,
} from './dtypes.js';
import { E4M3, E5M2, float8ToNumber, numberToFloat8 } from './float8.js';
import { MAX_HEADER_BYTES, readHeader } from './safetensors-header.js';

export type { SafetensorsDtype };

/**
 * One tensor: `data` is row-major and has as many elements as the product of `shape`; of the types
 * that are not widened and that no array has (see {@link hasNumbers}) it is the bytes as stored.
 */
export type StoredTensor = {
  [D in SafetensorsDtype]: {
    readonly dtype: D;
    readonly shape: readonly number[];
    readonly data: ArrayOf[D];
  };
}[SafetensorsDtype];

/** What a file holds. The tensors are in the order of their bytes. */
export interface Safetensors {
  readonly tensors: Map<string, StoredTensor>;
  readonly metadata: Record<string, string>;
}

/** Descending alignment, then the reference's own order: it decides where a tensor is written. */
const DTYPES = Object.keys(BITS_PER_ELEMENT);

/**
 * Reads a whole safetensors file. The arrays are copies: they stay valid when `bytes` changes.
 *
 * @param bytes the file
 * @param file what errors call it, usually its path
 * @throws FileError when the bytes are not a valid safetensors file, saying which rule they break
 */
export function readSafetensors(bytes: Uint8Array, file = 'safetensors'): Safetensors {
  const { entries, metadata, dataStart } = readHeader(bytes, file);
  const tensors = new Map<string, StoredTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    // A copy begins at offset 0 of its own buffer, so that it is aligned for every dtype.
    const copy = new Uint8Array(end - begin);
    copy.set(bytes.subarray(dataStart + begin, dataStart + end));
    tensors.set(name, storedTensor(dtype, shape, copy.buffer));
  }
  return { tensors, metadata };
}

/**
 * Writes a safetensors file. The same tensors and metadata give the same bytes whatever the order
 * they come in: tensors are sorted as in the reference (dtype, widest first, then name), metadata
 * by key. Float data of dtype F16 and BF16 is rounded to nearest, ties to even.
 *
 * @param tensors name to tensor; `__metadata__` is not a possible name
 * @param metadata strings to store beside them
 * @throws RequestError when an array does not fit its dtype or shape, or a name cannot be stored
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const sorted = [...tensors].sort(
    ([nameA, a], [nameB, b]) =>
      DTYPES.indexOf(a.dtype) - DTYPES.indexOf(b.dtype) || compareText(nameA, nameB),
  );
  const fields = metadataField(metadata);
  let dataBytes = 0;
  for (const [name, tensor] of sorted) {
    checkTensor(name, tensor);
    const begin = dataBytes;
    dataBytes += bytesOfElements(tensor.dtype, elementCount(tensor.shape));
    const entry = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [begin, dataBytes] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  }
  const header = new TextEncoder().encode(`{${fields.join(',')}}`);
  const headerBytes = Math.ceil(header.length / 8) * 8;
  if (headerBytes > MAX_HEADER_BYTES) {
    throw new RequestError(
      `The names and metadata take ${headerBytes} bytes; a safetensors header may have at most ` +
        `${MAX_HEADER_BYTES}. Store fewer or shorter strings.`,
    );
  }

  const file = new Uint8Array(8 + headerBytes + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.fill(0x20, 8, 8 + headerBytes);
  file.set(header, 8);
  let offset = 8 + headerBytes;
  for (const [, tensor] of sorted) {
    const bytes = encode(tensor);
    file.set(bytes, offset);
    offset += bytes.length;
  }
  return file;
}

/** A tensor from its raw little-endian values, row-major, which begin and end with the buffer. */
export function storedTensor(
  dtype: SafetensorsDtype,
  shape: readonly number[],
  buffer: ArrayBuffer,
): StoredTensor {
  switch (dtype) {
    case 'I64':
      return { dtype, shape, data: new BigInt64Array(buffer) };
    case 'F64':
      return { dtype, shape, data: new Float64Array(buffer) };
    case 'F32':
      return { dtype, shape, data: new Float32Array(buffer) };
    case 'I32':
      return { dtype, shape, data: new Int32Array(buffer) };
    case 'BF16':
      return { dtype, shape, data: Float32Array.from(new Uint16Array(buffer), bfloat16ToNumber) };
    case 'F16':
      return { dtype, shape, data: Float32Array.from(new Uint16Array(buffer), float16ToNumber) };
    case 'I16':
      return { dtype, shape, data: new Int16Array(buffer) };
    case 'I8':
      return { dtype, shape, data: new Int8Array(buffer) };
    case 'U64':
      return { dtype, shape, data: new BigUint64Array(buffer) };
    case 'U32':
      return { dtype, shape, data: new Uint32Array(buffer) };
    case 'U16':
      return { dtype, shape, data: new Uint16Array(buffer) };
    case 'F8_E4M3':
      return { dtype, shape, data: widened(buffer, E4M3) };
    case 'F8_E5M2':
      return { dtype, shape, data: widened(buffer, E5M2) };
    default:
      return { dtype, shape, data: new Uint8Array(buffer) };
  }
}

function widened(buffer: ArrayBuffer, format: typeof E4M3): Float32Array {
  const values = Float32Array.from({ length: 256 }, (_, pattern) =>
    float8ToNumber(format, pattern),
  );
  return Float32Array.from(new Uint8Array(buffer), (pattern) => values[pattern] ?? NaN);
}

function encode({ dtype, data }: StoredTensor): Uint8Array {
  if (dtype === 'F16') return bytesOf(Uint16Array.from(data, numberToFloat16));
  if (dtype === 'BF16') return bytesOf(Uint16Array.from(data, numberToBfloat16));
  if (dtype === 'F8_E4M3') return Uint8Array.from(data, (value) => numberToFloat8(E4M3, value));
  if (dtype === 'F8_E5M2') return Uint8Array.from(data, (value) => numberToFloat8(E5M2, value));
  return bytesOf(data);
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

const ARRAY_NAMES: { readonly [D in SafetensorsDtype]: ArrayOf[D][typeof Symbol.toStringTag] } = {
  U64: 'BigUint64Array',
  I64: 'BigInt64Array',
  F64: 'Float64Array',
  C64: 'Uint8Array',
  F32: 'Float32Array',
  U32: 'Uint32Array',
  I32: 'Int32Array',
  BF16: 'Float32Array',
  F16: 'Float32Array',
  U16: 'Uint16Array',
  I16: 'Int16Array',
  F8_E5M2FNUZ: 'Uint8Array',
  F8_E4M3FNUZ: 'Uint8Array',
  F8_E8M0: 'Uint8Array',
  F8_E4M3: 'Float32Array',
  F8_E5M2: 'Float32Array',
  I8: 'Int8Array',
  U8: 'Uint8Array',
  F6_E3M2: 'Uint8Array',
  F6_E2M3: 'Uint8Array',
  F4: 'Uint8Array',
  BOOL: 'Uint8Array',
};

/** What the types cannot promise, or a caller without types may get wrong. */
function checkTensor(name: string, { dtype, shape, data }: StoredTensor): void {
  const tensor = `Tensor ${JSON.stringify(name)}`;
  if (name === '__metadata__') {
    throw new RequestError('A tensor cannot be called __metadata__: the format reserves the name.');
  }
  if (/\p{Surrogate}/u.test(name)) {
    throw new RequestError(`${tensor} has a name that is not valid Unicode. Rename it.`);
  }
  if (!isDtype(dtype)) {
    throw new RequestError(
      `${tensor} has dtype ${String(dtype)}; expected one of ${DTYPES.join(', ')}.`,
    );
  }
  if (data[Symbol.toStringTag] !== ARRAY_NAMES[dtype]) {
    throw new RequestError(
      `${tensor} has dtype ${dtype} and a ${data[Symbol.toStringTag]}; ` +
        `${dtype} wants a ${ARRAY_NAMES[dtype]}.`,
    );
  }
  const count = elementCount(shape);
  const expected = hasNumbers(dtype) ? count : bytesOfElements(dtype, count);
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0) || expected !== data.length) {
    throw new RequestError(
      `${tensor} has shape [${shape.join(', ')}] and ${data.length} values; the shape must be ` +
        'whole numbers whose product is the number of values.',
    );
  }
}

function metadataField(metadata: Readonly<Record<string, string>>): string[] {
  const entries = Object.entries(metadata).sort(([a], [b]) => compareText(a, b));
  if (entries.length === 0) return [];
  const pairs = entries.map(([key, text]) => {
    if (typeof text !== 'string') {
      throw new RequestError(
        `Metadata ${JSON.stringify(key)} is a ${typeof text}; safetensors stores strings only. ` +
          'Use JSON.stringify for other values.',
      );
    }
    return `${JSON.stringify(key)}:${JSON.stringify(text)}`;
  });
  return [`"__metadata__":{${pairs.join(',')}}`];
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
