/**
 * NumPy's arrays in pickles: how `numpy.ndarray`, `numpy.dtype` and scalars are rebuilt from what
 * their `__reduce__` writes at each protocol, under the module names of NumPy 1 and 2.
 */
import {
  Opaque,
  PickleError,
  PickleGlobal,
  PickleObject,
  pickleText,
  type PickleValue,
} from './pickle-values.js';

/** Bytes of an element by its code; types that are not numbers are not here. */
const ITEM_BYTES: Readonly<Record<string, number>> = {
  b1: 1,
  i1: 1,
  i2: 2,
  i4: 4,
  i8: 8,
  u1: 1,
  u2: 2,
  u4: 4,
  u8: 8,
  f2: 2,
  f4: 4,
  f8: 8,
  c8: 8,
  c16: 16,
};

/** The element type of an array: `u1`, `i8`, `f4`, ... */
class NumpyDtype extends PickleObject {
  byteOrder = '|';

  constructor(readonly code: string) {
    super();
  }

  /** (version, byte order, ...): what follows describes record types, which are not read here. */
  override setState(state: PickleValue): void {
    const order = Array.isArray(state) ? pickleText(state[1]) : undefined;
    if (order === undefined) throw new PickleError('A numpy.dtype has no byte order.');
    this.byteOrder = order;
  }

  /** As NumPy writes them: `|u1`, `<i8`. NumPy 1 writes `=` for the machine's own, which is little. */
  get text(): string {
    const order = this.itemBytes === 1 ? '|' : this.byteOrder.replace(/[=|]/, '<');
    return order + this.code;
  }

  get itemBytes(): number | undefined {
    return Object.hasOwn(ITEM_BYTES, this.code) ? ITEM_BYTES[this.code] : undefined;
  }
}

/** An array as it was stored: the bytes are not copied and not interpreted. */
export class NumpyArray extends PickleObject {
  shape: readonly number[] = [0];
  /** Byte order and element type, as NumPy writes them: `|u1`, `<i8`, `<f4`. */
  dtype = '';
  /** Whether the first axis varies fastest in `bytes`. */
  fortranOrder = false;
  /** Empty where the elements are no numbers (`|O`, `<U5`, `|V8`). */
  bytes: Uint8Array = new Uint8Array(0);

  /** (version 1, shape, dtype, is Fortran order, bytes) */
  override setState(state: PickleValue): void {
    const [version, shape, dtype, fortran, bytes] = Array.isArray(state) ? state : [];
    if (version !== 1) {
      throw new PickleError(
        'A numpy.ndarray is not stored in the way that NumPy 1 and 2 store it.',
      );
    }
    this.fill(bytes, dtype, shape, fortran === true || fortran === 1);
  }

  fill(
    bytes: PickleValue | undefined,
    dtype: PickleValue | undefined,
    shape: PickleValue | undefined,
    fortranOrder: boolean,
  ): void {
    const sizes = Array.isArray(shape) ? shape.map(Number) : [];
    const valid = sizes.every((size) => Number.isSafeInteger(size) && size >= 0);
    if (!(dtype instanceof NumpyDtype) || !Array.isArray(shape) || !valid) {
      throw new PickleError(
        'A numpy.ndarray is not stored in the way that NumPy 1 and 2 store it.',
      );
    }
    this.shape = sizes;
    this.dtype = dtype.text;
    this.fortranOrder = fortranOrder;
    const { itemBytes } = dtype;
    if (itemBytes === undefined) return;
    // Python 3 hands bytes that Python 2 wrote on as text.
    const stored = typeof bytes === 'string' ? latin1Bytes(bytes) : bytes;
    const expected = sizes.reduce((count, size) => count * size, itemBytes);
    if (!(stored instanceof Uint8Array) || stored.length !== expected) {
      const found = stored instanceof Uint8Array ? `${stored.length} bytes` : 'no bytes';
      throw new PickleError(
        `A numpy.ndarray of ${dtype.code} [${sizes.join(', ')}] has ${found}, not ${expected}.`,
      );
    }
    this.bytes = stored;
  }
}

/** `numpy.core.numeric._frombuffer(bytes, dtype, shape, order)`, which protocol 5 writes. */
function fromBuffer([bytes, dtype, shape, order]: readonly PickleValue[]): NumpyArray {
  const array = new NumpyArray();
  array.fill(bytes, dtype, shape, pickleText(order) === 'F');
  return array;
}

/** `numpy.core.multiarray.scalar(dtype, bytes)`: a number, where it is one. */
function scalar([dtype, bytes]: readonly PickleValue[]): PickleValue {
  const width = dtype instanceof NumpyDtype ? dtype.itemBytes : undefined;
  const stored = typeof bytes === 'string' ? latin1Bytes(bytes) : bytes;
  const readable = stored instanceof Uint8Array && stored.length === width;
  if (!(dtype instanceof NumpyDtype) || !readable) return new Opaque('numpy scalar');
  const view = new DataView(stored.buffer, stored.byteOffset, stored.length);
  const little = !dtype.text.startsWith('>');
  switch (dtype.code) {
    case 'b1':
      return view.getUint8(0) !== 0;
    case 'i1':
      return view.getInt8(0);
    case 'u1':
      return view.getUint8(0);
    case 'i2':
      return view.getInt16(0, little);
    case 'u2':
      return view.getUint16(0, little);
    case 'i4':
      return view.getInt32(0, little);
    case 'u4':
      return view.getUint32(0, little);
    case 'i8':
      return asInteger(view.getBigInt64(0, little));
    case 'u8':
      return asInteger(view.getBigUint64(0, little));
    case 'f4':
      return view.getFloat32(0, little);
    case 'f8':
      return view.getFloat64(0, little);
    default:
      return new Opaque('numpy scalar');
  }
}

function asInteger(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Python 3 writes bytes at protocol 2 as the call `_codecs.encode(text, 'latin1')`. */
function encode([text, encoding]: readonly PickleValue[]): Uint8Array {
  if (typeof text !== 'string' || !/^latin-?1$/.test(pickleText(encoding) ?? '')) {
    throw new PickleError("_codecs.encode is understood only with 'latin1'.");
  }
  return latin1Bytes(text);
}

function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) throw new PickleError('bytes are written as a text that is not latin-1.');
    bytes[i] = code;
  }
  return bytes;
}

/** `bytes` and `bytearray` as protocols 2 to 4 write them: of nothing, of bytes, or of a text and its encoding. */
function bytes(args: readonly PickleValue[]): Uint8Array {
  const [content] = args;
  if (content instanceof Uint8Array) return content;
  return typeof content === 'string' ? encode(args) : new Uint8Array(0);
}

const dtype = new PickleGlobal('numpy.dtype', ([code]) => new NumpyDtype(pickleText(code) ?? ''));
const reconstruct = new PickleGlobal('numpy._reconstruct', () => new NumpyArray());
const frombuffer = new PickleGlobal('numpy._frombuffer', fromBuffer);
const scalars = new PickleGlobal('numpy.scalar', scalar);
const CLASSES = new Map([
  ['numpy ndarray', new PickleGlobal('numpy.ndarray')],
  ['numpy dtype', dtype],
  ...['numpy.core', 'numpy._core'].flatMap((core): [string, PickleGlobal][] => [
    [`${core}.multiarray _reconstruct`, reconstruct],
    [`${core}.multiarray scalar`, scalars],
    [`${core}.numeric _frombuffer`, frombuffer],
  ]),
  ['_codecs encode', new PickleGlobal('_codecs.encode', encode)],
  ...['builtins', '__builtin__'].flatMap((module): [string, PickleGlobal][] =>
    ['bytes', 'bytearray'].map((name) => [`${module} ${name}`, new PickleGlobal(name, bytes)]),
  ),
]);

/** A `findClass` for pickles that hold NumPy arrays beside plain data. */
export function findNumpyClass(module: string, name: string): PickleGlobal | undefined {
  return CLASSES.get(`${module} ${name}`);
}
