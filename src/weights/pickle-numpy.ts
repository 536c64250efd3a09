/**
 * NumPy's arrays in pickles: how `numpy.ndarray` and `numpy.dtype` are rebuilt from what their
 * `__reduce__` writes, under the module names of NumPy 1 and 2.
 */
import {
  PickleError,
  PickleGlobal,
  pickleText,
  type PickleObject,
  type PickleValue,
} from './pickle.js';

/** The element type of an array: `u1`, `i8`, `f4`, ... */
class NumpyDtype implements PickleObject {
  byteOrder = '|';

  constructor(readonly code: string) {}

  /** (version, byte order, ...): what follows describes record types, which are not read here. */
  setState(state: PickleValue): void {
    const order = Array.isArray(state) ? pickleText(state[1]) : undefined;
    if (order === undefined) throw new PickleError('A numpy.dtype has no byte order.');
    this.byteOrder = order;
  }
}

/** An array as it was stored: the bytes are not copied and not interpreted. */
export class NumpyArray implements PickleObject {
  shape: readonly number[] = [0];
  /** Byte order and element type, as NumPy writes them: `|u1`, `<i8`, `<f4`. */
  dtype = '';
  /** Whether the first axis varies fastest in `bytes`. */
  fortranOrder = false;
  bytes: Uint8Array = new Uint8Array(0);

  /** (version 1, shape, dtype, is Fortran order, bytes) */
  setState(state: PickleValue): void {
    const [version, shape, dtype, fortran, bytes] = Array.isArray(state) ? state : [];
    const sizes = Array.isArray(shape) ? shape.map(Number) : [];
    if (version !== 1 || !(dtype instanceof NumpyDtype) || !(bytes instanceof Uint8Array)) {
      throw new PickleError(
        'A numpy.ndarray is not stored in the way that NumPy 1 and 2 store it.',
      );
    }
    const itemSize = Number(/^[biuf]([1248])$/.exec(dtype.code)?.[1]);
    const expected = sizes.reduce((count, size) => count * size, itemSize);
    if (bytes.length !== expected) {
      throw new PickleError(
        `A numpy.ndarray of ${dtype.code} [${sizes.join(', ')}] has ${bytes.length} bytes, not ${expected}.`,
      );
    }
    this.shape = sizes;
    this.dtype = dtype.byteOrder + dtype.code;
    this.fortranOrder = fortran === true || fortran === 1;
    this.bytes = bytes;
  }
}

const ndarray = new PickleGlobal('numpy.ndarray');
const reconstruct = new PickleGlobal('numpy._reconstruct', () => new NumpyArray());
const dtype = new PickleGlobal('numpy.dtype', ([code]) => new NumpyDtype(pickleText(code) ?? ''));

/** Python 3 writes bytes at protocol 2 as the call `_codecs.encode(text, 'latin1')`. */
const encode = new PickleGlobal('_codecs.encode', ([text, encoding]) => {
  if (typeof text !== 'string' || pickleText(encoding) !== 'latin1') {
    throw new PickleError("_codecs.encode is understood only with 'latin1'.");
  }
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
});

const CLASSES = new Map([
  ['numpy ndarray', ndarray],
  ['numpy dtype', dtype],
  ['numpy.core.multiarray _reconstruct', reconstruct],
  ['numpy._core.multiarray _reconstruct', reconstruct],
  ['_codecs encode', encode],
]);

/** A `findClass` for pickles that hold NumPy arrays beside plain data. */
export function findNumpyClass(module: string, name: string): PickleGlobal | undefined {
  return CLASSES.get(`${module} ${name}`);
}
