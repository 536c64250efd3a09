/** The python layout of CIFAR: dicts pickled by Python 2, read without running anything. */
import { FileError } from '../errors.js';
import { findNumpyClass, NumpyArray } from '../formats/pickle/pickle-numpy.js';
import { pickleText, unpickle, type PickleDict } from '../formats/pickle/pickle.js';
import {
  CIFAR_PIXELS,
  cifarLabels,
  type CifarPart,
  type CifarSpec,
  type LabelKind,
} from './cifar.js';
import { checkLabels } from './dataset.js';

/**
 * Reads one file of images of the python layout.
 *
 * @param source its name, for messages
 * @param kind which labels (default 'fine')
 * @throws FileError when it is not such a file, or a label is out of range
 */
export function parseCifarPython(
  bytes: Uint8Array,
  spec: CifarSpec,
  source: string,
  kind: LabelKind = 'fine',
): CifarPart {
  const { key, classes } = cifarLabels(spec, kind);
  const dict = readDict(bytes, source);
  const data = dict.get('data');
  const [count = 0, pixels] = data instanceof NumpyArray ? data.shape : [];
  if (!(data instanceof NumpyArray) || data.dtype !== '|u1' || pixels !== CIFAR_PIXELS) {
    throw new FileError(`${source}: expected 'data' to be a uint8 array [N, ${CIFAR_PIXELS}].`);
  }
  const stored = dict.get(key);
  if (!Array.isArray(stored) || stored.length !== count) {
    const found = Array.isArray(stored) ? `${stored.length}` : 'none';
    throw new FileError(`${source}: expected ${count} numbers in '${key}', found ${found}.`);
  }
  const wrong = stored.findIndex((label) => !Number.isInteger(label));
  if (wrong >= 0) {
    throw new FileError(`${source}: expected whole numbers in '${key}'; entry ${wrong} is none.`);
  }
  const labels = Int32Array.from(stored, Number);
  checkLabels(labels, classes, source);
  return {
    images: data.fortranOrder ? transpose(data.bytes, count) : data.bytes,
    labels,
  };
}

/**
 * Reads the class names of the python layout (`meta`, `batches.meta`).
 *
 * @throws FileError when there are not as many as classes
 */
export function parsePythonClassNames(
  bytes: Uint8Array,
  spec: CifarSpec,
  source: string,
  kind: LabelKind = 'fine',
): string[] {
  const { classes, namesKey } = cifarLabels(spec, kind);
  const stored = readDict(bytes, source).get(namesKey);
  const names = Array.isArray(stored) ? stored.map((name) => pickleText(name) ?? '') : [];
  if (names.length !== classes) {
    throw new FileError(
      `${source}: expected ${classes} class names in '${namesKey}', found ${names.length}.`,
    );
  }
  return names;
}

function readDict(bytes: Uint8Array, source: string): PickleDict {
  const { value } = unpickle(bytes, { findClass: findNumpyClass, source });
  if (!(value instanceof Map)) throw new FileError(`${source}: expected a pickled dict.`);
  return value;
}

/** [pixels, count] to [count, pixels]. */
function transpose(bytes: Uint8Array, count: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let pixel = 0; pixel < CIFAR_PIXELS; pixel++) {
    for (let index = 0; index < count; index++) {
      out[index * CIFAR_PIXELS + pixel] = bytes[pixel * count + index] ?? 0;
    }
  }
  return out;
}
