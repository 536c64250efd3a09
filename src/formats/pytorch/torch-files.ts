/**
 * The containers of torch.save: a zip archive (from PyTorch 1.6 on), a stream of pickles followed by
 * raw storages (from 0.1.10), a tar archive (before); and pickles of tensors by Python's own pickle.
 *
 * Source: torch/serialization.py, `_load`, `_legacy_load` and `legacy_load`; torch/storage.py.
 */
import { FileError } from '../../errors.js';
import { Budget } from '../bounds.js';
import {
  PickleError,
  PickleGlobal,
  pickleText,
  unpickle,
  type PickleValue,
} from '../pickle/pickle.js';
import { Opaque } from '../pickle/pickle-values.js';
import { isTar, readTar } from '../tar.js';
import { readLegacyTar } from './torch-legacy.js';
import { findTorchClass } from './torch-classes.js';
import { isCount, takeStorage, TorchStorage } from './torch-storage.js';
import { endsAsZip } from '../zip-directory.js';
import { isZip, readZip } from '../zip.js';

/** The number with which the stream begins, pickled. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
/** The most bytes that it takes at any protocol. */
const MAGIC_BYTES = 32;

/** Whether bytes begin as the stream does, at whatever protocol it was pickled. */
export function isStream(bytes: Uint8Array): boolean {
  try {
    return unpickle(bytes.subarray(0, MAGIC_BYTES)).value === MAGIC;
  } catch (error) {
    if (error instanceof PickleError) return false;
    throw error;
  }
}

/** Whether bytes are a pickle. Most say so in the first byte; those of protocols 0 and 1 are tried. */
export function isPickle(bytes: Uint8Array): boolean {
  if (bytes[0] === 0x80) return (bytes[1] ?? 6) <= 5;
  if (!/^[(cl\]}]$/.test(String.fromCharCode(bytes[0] ?? 0)) || bytes.at(-1) !== 0x2e) return false;
  try {
    // Whatever it calls, only whether it is whole matters here.
    const findClass = (_: string, name: string) => new PickleGlobal(name, () => new Opaque(name));
    return unpickle(bytes, { findClass }).end === bytes.length;
  } catch (error) {
    if (error instanceof PickleError) return false;
    throw error;
  }
}

/** Whether bytes are of one of the formats, as far as their beginning or end shows. */
export function isTorch(bytes: Uint8Array): boolean {
  return isZip(bytes) || isTar(bytes) || isStream(bytes) || isPickle(bytes) || endsAsZip(bytes);
}

/**
 * The object in a file of any of the formats.
 * @throws FileError if it is truncated, corrupt or no such file
 */
export function readTorch(bytes: Uint8Array, file: string): PickleValue {
  const budget = new Budget(bytes.length);
  if (isZip(bytes)) return readArchive(bytes, file, budget);
  if (isTar(bytes)) return readLegacyTar(readTar(bytes, file), file, budget);
  const { findClass } = withStorages(file, budget);
  if (isStream(bytes)) return readStream(bytes, file, budget, findClass);
  if (!isPickle(bytes) && endsAsZip(bytes)) return readArchive(bytes, file, budget);
  const { value, end } = unpickle(bytes, { findClass, source: file, budget });
  refuseRest(bytes, end, file);
  return value;
}

/** Python's own pickle writes a storage as the call `_load_from_bytes(a file of torch.save)`. */
function withStorages(file: string, budget: Budget) {
  const load = new PickleGlobal('torch.storage._load_from_bytes', ([content]) => {
    if (!(content instanceof Uint8Array) || !isStream(content)) {
      throw new FileError('A storage is not pickled as PyTorch pickles it');
    }
    // Inside of a storage there is none: such files do not nest.
    return readStream(content, file, budget, findTorchClass);
  });
  return {
    findClass: (module: string, name: string): PickleGlobal =>
      `${module}.${name}` === load.name ? load : findTorchClass(module, name),
  };
}

/** ARCHIVE/data.pkl is the object, ARCHIVE/data/KEY each of its storages. */
function readArchive(bytes: Uint8Array, file: string, budget: Budget): PickleValue {
  const entries = readZip(bytes, file);
  const pickles = [...entries.keys()].filter((name) => /^([^/]+\/)?data\.pkl$/.test(name));
  const [pickle = ''] = pickles;
  const content = entries.get(pickle);
  if (content === undefined) {
    throw new FileError(
      `${file} is a zip archive, but not one of torch.save: it has no data.pkl in it${otherArchive(entries)}.`,
    );
  }
  if (pickles.length > 1) {
    throw new FileError(`${file} is a zip archive with several objects: ${pickles.join(', ')}.`);
  }
  const folder = pickle.slice(0, -'data.pkl'.length);
  if (entries.has(`${folder}constants.pkl`)) {
    throw new FileError(
      `${file} is TorchScript, a whole program of torch.jit.save. ` +
        'Load it with torch.jit.load in Python and save its state_dict() with torch.save.',
    );
  }
  const order = entries.get(`${folder}byteorder`);
  requireLittleEndian(order === undefined || new TextDecoder().decode(order) === 'little', file);
  const storages = new Map<string, TorchStorage>();
  const { value } = unpickle(content, {
    ...withStorages(file, budget),
    persistentLoad: storageLoader(storages),
    source: `${file} (${pickle})`,
    budget,
  });
  for (const [key, storage] of storages) {
    const stored = entries.get(`${folder}data/${key}`);
    // What is more than the storage says it has is not part of it.
    if (stored) storage.fill(stored.subarray(0, storage.count * (storage.kind?.width ?? 0)));
  }
  return value;
}

/** What else a zip archive can be, by the names in it. */
function otherArchive(entries: ReadonlyMap<string, Uint8Array>): string {
  const names = [...entries.keys()];
  if (names.length === 0) return '. It is empty';
  if (names.every((name) => name.endsWith('.npy'))) {
    return '. It holds arrays of NumPy (.npz): load it with numpy.load and save it with torch.save';
  }
  if (names.some((name) => name.endsWith('.weights.h5'))) {
    return '. It is a model of Keras: save its weights as safetensors';
  }
  if (names.some((name) => /\.(pth?|th|safetensors|ckpt)$/.test(name))) {
    return '. It holds files of weights: unpack it first';
  }
  return '';
}

/** Magic number, protocol, system, the object, the storages' keys; then each storage: its length, its elements. */
function readStream(
  bytes: Uint8Array,
  file: string,
  budget: Budget,
  findClass: (module: string, name: string) => PickleGlobal,
): PickleValue {
  const storages = new Map<string, TorchStorage>();
  const persistentLoad = storageLoader(storages);
  let offset = 0;
  const next = (): PickleValue => {
    const { value, end } = unpickle(bytes, {
      findClass,
      persistentLoad,
      source: file,
      offset,
      budget,
    });
    offset = end;
    return value;
  };
  const [, , system, object, keys] = [next(), next(), next(), next(), next()];
  requireLittleEndian(system instanceof Map && system.get('little_endian') === true, file);
  const unfilled = new Set(storages.keys());
  for (const key of Array.isArray(keys) ? keys : []) {
    const name = keyText(key) ?? '?';
    const storage = storages.get(name);
    if (storage === undefined || !unfilled.delete(name)) {
      throw new FileError(`${file} lists the storage '${name}' twice, or for no tensor.`);
    }
    const { content, end } = takeStorage(bytes, offset, storage, file);
    storage.fill(content);
    offset = end;
  }
  const [missing] = unfilled;
  if (missing !== undefined)
    throw new FileError(`${file} has no content for the storage '${missing}'.`);
  refuseRest(bytes, offset, file);
  return object;
}

function refuseRest(bytes: Uint8Array, end: number, file: string): void {
  if (end === bytes.length) return;
  throw new FileError(
    `${file}: ${bytes.length - end} bytes follow after the end of what was saved: several files ` +
      'were joined into one, or it is damaged.',
  );
}

function requireLittleEndian(holds: boolean, file: string): void {
  if (!holds) {
    throw new FileError(`${file} was written on a big-endian machine; such files are not read.`);
  }
}

/**
 * A reader of the persistent ids that stand for storages, `('storage', type, key, location, count)`
 * and in the stream behind them, for a part of a storage, `(key, offset, count)`; and of those for
 * classes with their source, `('module', class, ..)`. Each storage is made once and collected.
 */
export function storageLoader(
  storages: Map<string, TorchStorage>,
): (id: PickleValue) => PickleValue {
  const parts = new Map<string, TorchStorage>();
  return (id) => {
    const [kind, type, rawKey, , count, part] = Array.isArray(id) ? id : [];
    if (pickleText(kind) === 'module' && type !== undefined) return type;
    const name = type instanceof PickleGlobal ? /([^.]+)$/.exec(type.name)?.[1] : undefined;
    const key = keyText(rawKey);
    if (
      pickleText(kind) !== 'storage' ||
      name === undefined ||
      key === undefined ||
      !isCount(count)
    ) {
      throw new FileError('A storage is not named as PyTorch names it');
    }
    const known = storages.get(key) ?? new TorchStorage(key, name, count);
    if (known.type !== name || known.count !== count || parts.has(key)) {
      throw new FileError(
        `The storage '${key}' is named as ${known.type} of ${known.count} and as ${name} of ${count}: the file is corrupt`,
      );
    }
    storages.set(key, known);
    if (part === undefined || part === null) return known;
    const [rawPartKey, offset, elements] = Array.isArray(part) ? part : [];
    const partKey = keyText(rawPartKey) ?? '';
    const made = known.part(partKey, offset, elements);
    if (storages.has(partKey) || (parts.get(partKey) ?? made) !== made) {
      throw new FileError(`The key '${partKey}' stands for two storages: the file is corrupt`);
    }
    parts.set(partKey, made);
    return made;
  };
}

function keyText(key: PickleValue | undefined): string | undefined {
  return typeof key === 'number' || typeof key === 'bigint' ? String(key) : pickleText(key);
}
