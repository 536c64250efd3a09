/**
 * PyTorch's storages and the tensors that look into them, before their elements are copied out.
 */
import { FileError } from '../../errors.js';
import type { Budget } from '../bounds.js';
import { bytesOfElements, elementCount, type SafetensorsDtype } from '../dtypes.js';
import type { NumpyArray } from '../pickle/pickle-numpy.js';
import { PickleObject, type PickleValue } from '../pickle/pickle-values.js';
import { storedTensor, type StoredTensor } from '../safetensors.js';

/** The element types of PyTorch by their names there, and what they are here. */
export const TORCH_DTYPES: Readonly<Record<string, SafetensorsDtype>> = {
  float64: 'F64',
  double: 'F64',
  float32: 'F32',
  float: 'F32',
  float16: 'F16',
  half: 'F16',
  bfloat16: 'BF16',
  float8_e4m3fn: 'F8_E4M3',
  float8_e5m2: 'F8_E5M2',
  float8_e4m3fnuz: 'F8_E4M3FNUZ',
  float8_e5m2fnuz: 'F8_E5M2FNUZ',
  float8_e8m0fnu: 'F8_E8M0',
  complex64: 'C64',
  cfloat: 'C64',
  int64: 'I64',
  long: 'I64',
  int32: 'I32',
  int: 'I32',
  int16: 'I16',
  short: 'I16',
  int8: 'I8',
  uint8: 'U8',
  uint16: 'U16',
  uint32: 'U32',
  uint64: 'U64',
  bool: 'BOOL',
};

/** The most axes that a tensor of PyTorch has. */
export const MAX_RANK = 64;

/** Whether a value is a count or place of elements. */
export function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** What a class of storage holds: bytes of an element and, where safetensors has it, its type. */
export interface StorageKind {
  readonly width: number;
  readonly dtype?: SafetensorsDtype;
}

export const STORAGES: Readonly<Record<string, StorageKind>> = {
  LongStorage: { width: 8, dtype: 'I64' },
  DoubleStorage: { width: 8, dtype: 'F64' },
  FloatStorage: { width: 4, dtype: 'F32' },
  IntStorage: { width: 4, dtype: 'I32' },
  BFloat16Storage: { width: 2, dtype: 'BF16' },
  HalfStorage: { width: 2, dtype: 'F16' },
  ShortStorage: { width: 2, dtype: 'I16' },
  CharStorage: { width: 1, dtype: 'I8' },
  ByteStorage: { width: 1, dtype: 'U8' },
  BoolStorage: { width: 1, dtype: 'BOOL' },
  ComplexFloatStorage: { width: 8, dtype: 'C64' },
  ComplexDoubleStorage: { width: 16 },
  QInt8Storage: { width: 1 },
  QUInt8Storage: { width: 1 },
  QInt32Storage: { width: 4 },
  QUInt4x2Storage: { width: 1 },
  QUInt2x4Storage: { width: 1 },
  // Bytes whose type each tensor says for itself.
  UntypedStorage: { width: 1 },
  _UntypedStorage: { width: 1 },
};

/** A piece of memory that tensors look into. */
export class TorchStorage extends PickleObject {
  readonly #parts: { readonly storage: TorchStorage; readonly offset: number }[] = [];
  readonly #make: (() => Uint8Array) | undefined;
  #bytes: Uint8Array | undefined;

  /**
   * @param type its class, such as FloatStorage
   * @param count its elements
   * @param make gives its bytes when they are first asked for; default: they are filled in
   */
  constructor(
    readonly key: string,
    readonly type: string,
    readonly count: number,
    make?: () => Uint8Array,
  ) {
    super();
    this.#make = make;
  }

  /** Undefined before the file has been read so far. */
  get bytes(): Uint8Array | undefined {
    return (this.#bytes ??= this.#make?.());
  }

  /** Gives it its bytes, and those of its parts to them. */
  fill(bytes: Uint8Array): void {
    this.#bytes = bytes;
    const width = this.kind?.width ?? 0;
    for (const { storage, offset } of this.#parts) {
      storage.fill(bytes.subarray(offset * width, (offset + storage.count) * width));
    }
  }

  /**
   * The part of it that begins at an element, as old files name one: (key, offset, count).
   * @throws FileError if it is not inside, or the key was given to another part
   */
  part(key: string, offset: PickleValue | undefined, count: PickleValue | undefined): TorchStorage {
    const [from, elements] = [offset, count].map((value) => (isCount(value) ? value : NaN));
    const whole = from !== undefined && elements !== undefined && from + elements <= this.count;
    if (!whole) throw new FileError(`A part of the storage '${this.key}' lies outside of it`);
    const known = this.#parts.find(({ storage }) => storage.key === key);
    if (known !== undefined && (known.offset !== from || known.storage.count !== elements)) {
      throw new FileError(`The key '${key}' stands for two parts of the storage '${this.key}'`);
    }
    if (known !== undefined) return known.storage;
    const storage = new TorchStorage(key, this.type, elements);
    this.#parts.push({ storage, offset: from });
    if (this.#bytes !== undefined) this.fill(this.#bytes);
    return storage;
  }

  /** Undefined for a class that is not known. */
  get kind(): StorageKind | undefined {
    return Object.hasOwn(STORAGES, this.type) ? STORAGES[this.type] : undefined;
  }

  get isUntyped(): boolean {
    return this.type.endsWith('UntypedStorage');
  }
}

/** A tensor: some elements of a storage. */
export class TorchTensor extends PickleObject {
  constructor(
    readonly storage: TorchStorage,
    readonly dtype: SafetensorsDtype,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {
    super();
  }

  override setState(): void {
    // Parameters may carry Python attributes, which no other program knows.
  }
}

/** A tensor whose values are not to be had from the file. */
export class UnreadTensor extends PickleObject {
  /** @param reason as in a message: 'it is sparse' */
  constructor(readonly reason: string) {
    super();
  }

  override setState(): void {
    // As above.
  }
}

const NUMPY_DTYPES: Readonly<Record<string, SafetensorsDtype>> = {
  f8: 'F64',
  f4: 'F32',
  f2: 'F16',
  c8: 'C64',
  i8: 'I64',
  i4: 'I32',
  i2: 'I16',
  i1: 'I8',
  u8: 'U64',
  u4: 'U32',
  u2: 'U16',
  u1: 'U8',
  b1: 'BOOL',
};

/** An array of NumPy as a tensor. */
export function fromNumpy(array: NumpyArray): TorchTensor | UnreadTensor {
  const { dtype: text, shape, fortranOrder } = array;
  const code = text.slice(1);
  const dtype = Object.hasOwn(NUMPY_DTYPES, code) ? NUMPY_DTYPES[code] : undefined;
  if (dtype === undefined) return new UnreadTensor(`it is a NumPy array of the type ${text}`);
  const partBytes = dtype === 'C64' ? 4 : bytesOfElements(dtype, 1);
  const storage = new TorchStorage('numpy', 'UntypedStorage', array.bytes.length, () =>
    text.startsWith('>') ? reversedParts(array.bytes, partBytes) : array.bytes,
  );
  return new TorchTensor(storage, dtype, 0, shape, stridesOf(shape, fortranOrder));
}

function stridesOf(shape: readonly number[], fortranOrder: boolean): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = 0; i < shape.length; i++) {
    const axis = fortranOrder ? i : shape.length - 1 - i;
    strides[axis] = step;
    step *= shape[axis] ?? 1;
  }
  return strides;
}

/** Big-endian numbers as little-endian ones. */
function reversedParts(bytes: Uint8Array, width: number): Uint8Array {
  const reversed = bytes.slice();
  for (let at = 0; at < reversed.length; at += width) reversed.subarray(at, at + width).reverse();
  return reversed;
}

/**
 * The elements of a storage as they stand in a stream, after their number in 8 bytes.
 * @throws FileError if there are fewer, or other than the storage says
 */
export function takeStorage(
  bytes: Uint8Array,
  offset: number,
  { key, type, count, kind }: TorchStorage,
  file: string,
): { content: Uint8Array; end: number } {
  if (kind === undefined) {
    throw new FileError(
      `${file}: a ${type} is of an unknown size, so what follows it is not read.`,
    );
  }
  const start = offset + 8;
  const left = bytes.length - start;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stored = left < 0 ? BigInt(count) : view.getBigInt64(offset, true);
  if (stored !== BigInt(count)) {
    throw new FileError(
      `${file}: the storage '${key}' has ${stored} elements where ${count} are named: the file is corrupt.`,
    );
  }
  const length = count * kind.width;
  if (length > left) {
    throw new FileError(
      `${file}: expected ${length} bytes from byte ${start} on, found ${Math.max(left, 0)}: the file is truncated.`,
    );
  }
  return { content: bytes.subarray(start, start + length), end: start + length };
}

/**
 * The tensor's own elements, row-major.
 * @param budget of its file: views may show the same elements many times
 * @throws FileError if its storage is missing or too short, or it would take too much
 */
export function materialise(
  { storage, dtype, offset, shape, strides }: TorchTensor,
  budget: Budget,
): StoredTensor {
  const width = bytesOfElements(dtype, 1);
  const count = elementCount(shape);
  budget.spend(count * width, 'the tensors');
  const { bytes, key } = storage;
  const last = shape.reduce((at, size, axis) => at + (size - 1) * (strides[axis] ?? 0), offset);
  if (bytes === undefined || (count > 0 && (last + 1) * width > bytes.length)) {
    throw new FileError(`the storage '${key}' is missing or too short: the file is corrupt`);
  }
  const own = new Uint8Array(count * width);
  if (count > 0) gather(bytes, own, { width, offset, ...merged(shape, strides) });
  return storedTensor(dtype, shape, own.buffer);
}

/** The axes that matter: without those of size 1, and those that lie side by side as one. */
function merged(
  shape: readonly number[],
  strides: readonly number[],
): { sizes: number[]; steps: number[] } {
  const sizes: number[] = [];
  const steps: number[] = [];
  for (const [axis, size] of shape.entries()) {
    const step = strides[axis] ?? 0;
    if (size === 1) continue;
    const before = steps.length - 1;
    if (before >= 0 && steps[before] === size * step) {
      sizes[before] = (sizes[before] ?? 1) * size;
      steps[before] = step;
    } else {
      sizes.push(size);
      steps.push(step);
    }
  }
  return { sizes, steps };
}

interface View {
  readonly width: number;
  readonly offset: number;
  readonly sizes: readonly number[];
  readonly steps: readonly number[];
}

/** Copies the elements of a view, row after row of its last axis. */
function gather(from: Uint8Array, to: Uint8Array, { width, offset, sizes, steps }: View): void {
  const axes = sizes.length - 1;
  const length = sizes[axes] ?? 1;
  const step = steps[axes] ?? 1;
  const index = new Array<number>(Math.max(axes, 0)).fill(0);
  let place = offset;
  for (let at = 0; at < to.length; at += length * width) {
    if (step === 1) to.set(from.subarray(place * width, (place + length) * width), at);
    else copyRow(from, to, { width, length, from: place * width, step: step * width, to: at });
    for (let axis = axes - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      place += steps[axis] ?? 0;
      index[axis] = next;
      if (next < (sizes[axis] ?? 1)) break;
      place -= next * (steps[axis] ?? 0);
      index[axis] = 0;
    }
  }
}

interface Row {
  readonly width: number;
  readonly length: number;
  readonly from: number;
  readonly step: number;
  readonly to: number;
}

function copyRow(source: Uint8Array, target: Uint8Array, row: Row): void {
  let { from, to } = row;
  for (let i = 0; i < row.length; i++) {
    for (let byte = 0; byte < row.width; byte++) target[to + byte] = source[from + byte] ?? 0;
    from += row.step;
    to += row.width;
  }
}
