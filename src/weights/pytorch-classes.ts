/**
 * What the pickle in a PyTorch file is made of: storages, tensors that are views of them, and dicts.
 * Everything else (optimisers, command-line arguments, whole modules) becomes an {@link Opaque} that
 * remembers its class and nothing more: no foreign code is ever run.
 */
import { FileError } from '../errors.js';
import {
  PickleGlobal,
  pickleText,
  type PickleKey,
  type PickleObject,
  type PickleValue,
} from './pickle.js';
import { BYTES_PER_ELEMENT, type SafetensorsDtype } from './safetensors-header.js';
import { storedTensor, type StoredTensor } from './safetensors.js';

/** A piece of memory that tensors look into. */
export class TorchStorage implements PickleObject {
  /** Filled in when the file has been read so far. */
  bytes: Uint8Array | undefined;

  constructor(
    readonly key: string,
    readonly dtype: SafetensorsDtype,
  ) {}

  setState(): void {
    throw new FileError('A storage has no state');
  }
}

/** A tensor: some elements of a storage. */
export class TorchTensor implements PickleObject {
  constructor(
    readonly storage: TorchStorage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}

  setState(): void {
    // Parameters may carry Python attributes, which no other program knows.
  }
}

/** An object of a class that is not known here. */
export class Opaque implements PickleObject {
  constructor(readonly className: string) {}

  setState(): void {
    // Nothing of it is kept.
  }
}

/** A dict that may be given attributes, as a state_dict is (`_metadata`, the versions of its modules). */
class OrderedDict extends Map<PickleKey, PickleValue> implements PickleObject {
  setState(): void {
    // Versions say how old files differ; the names in them are told apart by name maps.
  }
}

const DTYPES: Readonly<Record<string, SafetensorsDtype>> = {
  LongStorage: 'I64',
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  IntStorage: 'I32',
  BFloat16Storage: 'BF16',
  HalfStorage: 'F16',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

/** `_rebuild_tensor(storage, offset, size, stride)`, and v2 with more behind, which is not needed. */
function rebuildTensor([storage, offset, size, stride]: readonly PickleValue[]): TorchTensor {
  const whole = (value: PickleValue | undefined) =>
    Number.isSafeInteger(value) && Number(value) >= 0;
  const fits =
    storage instanceof TorchStorage &&
    whole(offset) &&
    Array.isArray(size) &&
    Array.isArray(stride) &&
    size.length === stride.length &&
    [...size, ...stride].every(whole);
  if (!fits) throw new FileError('A tensor is not described as PyTorch describes it');
  return new TorchTensor(storage, Number(offset), size.map(Number), stride.map(Number));
}

/** A parameter is its tensor. */
const firstArgument = ([value = null]: readonly PickleValue[]): PickleValue => value;

const CLASSES: Readonly<Record<string, (args: readonly PickleValue[]) => PickleValue>> = {
  'collections.OrderedDict': () => new OrderedDict(),
  'torch.Size': firstArgument,
  'torch._utils._rebuild_tensor': rebuildTensor,
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_parameter': firstArgument,
};

/** What a class name in the pickle of a PyTorch file means. */
export function findTorchClass(module: string, name: string): PickleGlobal {
  const path = `${module}.${name}`;
  const known = Object.hasOwn(CLASSES, path) ? CLASSES[path] : undefined;
  return new PickleGlobal(path, known ?? (() => new Opaque(path)));
}

/**
 * A reader of the persistent ids that stand for storages, `('storage', type, key, location, count)`.
 * Each storage is made once and collected in `storages`.
 */
export function storageLoader(
  storages: Map<string, TorchStorage>,
): (id: PickleValue) => TorchStorage {
  return (id) => {
    const [kind, type, key] = Array.isArray(id) ? id : [];
    const name = type instanceof PickleGlobal ? type.name.replace(/^torch\./, '') : undefined;
    const text = pickleText(key) ?? (typeof key === 'number' ? String(key) : undefined);
    if (pickleText(kind) !== 'storage' || name === undefined || text === undefined) {
      throw new FileError('A storage is not named as PyTorch names it');
    }
    const dtype = Object.hasOwn(DTYPES, name) ? DTYPES[name] : undefined;
    if (dtype === undefined) throw new FileError(`Tensors in a ${name} are not read`);
    const known = storages.get(text) ?? new TorchStorage(text, dtype);
    storages.set(text, known);
    return known;
  };
}

/** The tensor's own elements, row-major. */
export function materialise({ storage, offset, shape, strides }: TorchTensor): StoredTensor {
  const { bytes, dtype, key } = storage;
  const width = BYTES_PER_ELEMENT[dtype];
  const count = shape.reduce((product, size) => product * size, 1);
  const last = shape.reduce((at, size, axis) => at + (size - 1) * (strides[axis] ?? 0), offset);
  if (bytes === undefined || (count > 0 && (last + 1) * width > bytes.length)) {
    throw new FileError(`the storage '${key}' is missing or too short: the file is corrupt`);
  }
  const own = new Uint8Array(count * width);
  // The longest run of trailing axes that lie side by side is copied at once.
  let run = 1;
  let outer = shape.length;
  while (outer > 0 && (strides[outer - 1] === run || shape[outer - 1] === 1)) {
    run *= shape[outer - 1] ?? 1;
    outer--;
  }
  const index = new Array<number>(outer).fill(0);
  for (let to = 0; to < count; to += run) {
    const from = index.reduce((at, place, axis) => at + place * (strides[axis] ?? 0), offset);
    own.set(bytes.subarray(from * width, (from + run) * width), to * width);
    for (let axis = outer - 1; axis >= 0; axis--) {
      index[axis] = ((index[axis] ?? 0) + 1) % (shape[axis] ?? 1);
      if (index[axis] !== 0) break;
    }
  }
  return storedTensor(dtype, shape, own.buffer);
}
