/**
 * Files of torch.save, in both of its formats: a zip archive (from PyTorch 1.6 on), and a stream of
 * pickles followed by raw storages (before). Pure bytes in; nothing in the file is executed.
 *
 * Source: torch/serialization.py.
 */
import { FileError } from '../errors.js';
import { pickleText, unpickle, type PickleValue } from './pickle.js';
import {
  findTorchClass,
  materialise,
  Opaque,
  storageLoader,
  TorchTensor,
  type TorchStorage,
} from './pytorch-classes.js';
import { BYTES_PER_ELEMENT } from './safetensors-header.js';
import type { StoredTensor } from './safetensors.js';
import { isZip, readZip } from './zip.js';

/** What a PyTorch file holds. */
export interface PytorchFile {
  /** The weights by name, in the order of the state_dict. */
  readonly tensors: Map<string, StoredTensor>;
  /** Numbers and strings that lie beside them, such as `epoch` and `best_acc`. */
  readonly metadata: Record<string, string>;
  /** The part of the file that the weights are, such as `state_dict`; empty: the whole. */
  readonly part: string;
  /** The other parts, in a few words each: `optimizer (61 tensors)`. */
  readonly leftOut: readonly string[];
}

/** A pickled 0x1950a86a20f9469cfc6c, with which the older format begins. */
const MAGIC = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];

/** What people call the weights in a checkpoint that has more in it. */
const PARTS = ['state_dict', 'model_state_dict', 'model', 'net', 'weights'];

/** Whether bytes begin as a file of torch.save does. */
export function isPytorch(bytes: Uint8Array): boolean {
  return isZip(bytes) || MAGIC.every((byte, i) => bytes[i] === byte);
}

/**
 * Reads the weights in a file of torch.save: a state_dict, or a checkpoint with one in it.
 * @param file what errors call it
 * @param part the key under which the weights are; default: the file itself if it is a state_dict, else
 *   the part that holds tensors, of several the one called state_dict, model_state_dict, model, ..
 * @throws FileError if it is truncated, corrupt or no such file, or holds no tensors there
 */
export function readPytorch(bytes: Uint8Array, file: string, part?: string): PytorchFile {
  const value = isZip(bytes) ? readArchive(bytes, file) : readStream(bytes, file);
  const { state, name, others } = findState(value, file, part);
  const tensors = new Map<string, StoredTensor>();
  for (const [path, tensor] of tensorsIn(state)) {
    try {
      tensors.set(path, materialise(tensor));
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      throw new FileError(`${file}: ${path}: ${error.message}.`, { cause: error });
    }
  }
  return {
    tensors,
    part: name,
    metadata: Object.fromEntries(
      others.flatMap(([key, other]) => (isScalar(other) ? [[key, String(other)]] : [])),
    ),
    leftOut: others.flatMap(([key, other]) =>
      isScalar(other) ? [] : [`${key} (${summary(other)})`],
    ),
  };
}

/** ARCHIVE/data.pkl is the object, ARCHIVE/data/KEY each of its storages. */
function readArchive(bytes: Uint8Array, file: string): PickleValue {
  const entries = readZip(bytes, file);
  const pickle = [...entries.keys()].find((name) => /^[^/]+\/data\.pkl$/.test(name));
  const content = pickle === undefined ? undefined : entries.get(pickle);
  if (pickle === undefined || content === undefined) {
    throw new FileError(
      `${file} is a zip archive, but not one of torch.save: it has no data.pkl in it.`,
    );
  }
  const folder = pickle.slice(0, -'data.pkl'.length);
  const order = entries.get(`${folder}byteorder`);
  requireLittleEndian(order === undefined || new TextDecoder().decode(order) === 'little', file);
  const storages = new Map<string, TorchStorage>();
  const { value } = unpickle(content, {
    findClass: findTorchClass,
    persistentLoad: storageLoader(storages),
    source: `${file} (${pickle})`,
  });
  for (const [key, storage] of storages) storage.bytes = entries.get(`${folder}data/${key}`);
  return value;
}

/** Magic number, protocol, system, the object, the storages' keys; then each storage: its length, its elements. */
function readStream(bytes: Uint8Array, file: string): PickleValue {
  const storages = new Map<string, TorchStorage>();
  let offset = 0;
  const next = (): PickleValue => {
    const { value, end } = unpickle(bytes, {
      findClass: findTorchClass,
      persistentLoad: storageLoader(storages),
      source: file,
      offset,
    });
    offset = end;
    return value;
  };
  const [, , system, object, keys] = [next(), next(), next(), next(), next()];
  requireLittleEndian(system instanceof Map && system.get('little_endian') === true, file);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const key of Array.isArray(keys) ? keys : []) {
    const storage = storages.get(pickleText(key) ?? '');
    if (storage === undefined || offset + 8 > bytes.length) break;
    const length = Number(view.getBigUint64(offset, true)) * BYTES_PER_ELEMENT[storage.dtype];
    const start = offset + 8;
    offset = start + length;
    if (offset > bytes.length) {
      throw new FileError(
        `${file}: expected ${length} bytes from byte ${start} on, found ${bytes.length - start}: the file is truncated.`,
      );
    }
    storage.bytes = bytes.subarray(start, offset);
  }
  return object;
}

function requireLittleEndian(holds: boolean, file: string): void {
  if (!holds) {
    throw new FileError(`${file} was written on a big-endian machine; such files are not read.`);
  }
}

/** The part of the object that is the weights, and the parts beside it. */
function findState(
  value: PickleValue,
  file: string,
  part: string | undefined,
): { state: PickleValue; name: string; others: [string, PickleValue][] } {
  const parts = entriesOf(value);
  if (part === undefined && (value instanceof TorchTensor || directTensors(value))) {
    return { state: value, name: '', others: parts.filter(([, of]) => !holdsTensors(of)) };
  }
  const names = parts.flatMap(([key, of]) => (of instanceof Map && holdsTensors(of) ? [key] : []));
  const usual = names.length === 1 ? names[0] : PARTS.find((name) => names.includes(name));
  const chosen = names.find((name) => name === (part ?? usual));
  if (chosen !== undefined) {
    const state = parts.find(([key]) => key === chosen)?.[1] ?? null;
    return { state, name: chosen, others: parts.filter(([key]) => key !== chosen) };
  }
  if (names.length > 0) {
    const problem =
      part === undefined ? 'several parts with tensors' : `no tensors under '${part}'`;
    throw new FileError(`${file} has ${problem}. Choose one with --part: ${names.join(', ')}.`);
  }
  throw new FileError(`${file} holds no state_dict${whatInstead(value)}.`);
}

function entriesOf(value: PickleValue): [string, PickleValue][] {
  return value instanceof Map ? [...value].map(([key, of]) => [String(key), of]) : [];
}

function whatInstead(value: PickleValue): string {
  if (!(value instanceof Opaque)) return ', and no tensors';
  return `, but a whole object of the class ${value.className}, which needs its own Python code. Save its state_dict() instead`;
}

function directTensors(value: PickleValue): boolean {
  return value instanceof Map && [...value.values()].some((entry) => entry instanceof TorchTensor);
}

function holdsTensors(value: PickleValue): boolean {
  return tensorsIn(value).length > 0;
}

/** All tensors inside nested dicts, by their keys joined with dots. */
function tensorsIn(value: PickleValue, path = ''): [string, TorchTensor][] {
  if (value instanceof TorchTensor) return [[path === '' ? 'tensor' : path, value]];
  return entriesOf(value).flatMap(([key, entry]) =>
    tensorsIn(entry, path === '' ? key : `${path}.${key}`),
  );
}

function isScalar(value: PickleValue): value is string | number | bigint | boolean {
  return ['string', 'number', 'bigint', 'boolean'].includes(typeof value);
}

function summary(value: PickleValue): string {
  const count = tensorsIn(value).length;
  if (count > 0) return `${count} tensor${count === 1 ? '' : 's'}`;
  if (value instanceof Opaque) return value.className;
  if (value instanceof Map) return `a dict of ${value.size}`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return value === null ? 'nothing' : 'other data';
}
