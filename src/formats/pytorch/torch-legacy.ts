/**
 * The tar archive of torch.save before PyTorch 0.1.10: `storages` and `tensors` are pickles with raw
 * numbers between them, `pickle` is the object, whose persistent ids are keys of both.
 *
 * Source: torch/serialization.py, `legacy_load`.
 */
import { FileError } from '../../errors.js';
import type { Budget } from '../bounds.js';
import { PickleGlobal, pickleText, unpickle, type PickleValue } from '../pickle/pickle.js';
import { findTorchClass } from './torch-classes.js';
import {
  isCount,
  MAX_RANK,
  takeStorage,
  TorchStorage,
  TorchTensor,
  UnreadTensor,
} from './torch-storage.js';

/**
 * The object in such an archive.
 * @param entries of the tar archive
 * @throws FileError if it is none, truncated or corrupt
 */
export function readLegacyTar(
  entries: ReadonlyMap<string, Uint8Array>,
  file: string,
  budget: Budget,
): PickleValue {
  const part = (name: string): Part => {
    const bytes = entries.get(name);
    if (bytes === undefined) {
      throw new FileError(
        `${file} is a tar archive, but not one of torch.save: it has no file '${name}' in it. ` +
          'Unpack it and give the file that is wanted.',
      );
    }
    return new Part(bytes, `${file} (${name})`, budget);
  };
  const object = part('pickle');
  const objects: Objects = new Map();
  readStorages(part('storages'), objects);
  readTensors(part('tensors'), objects);
  return object.next((id) => {
    // A class, with its source beside it.
    if (Array.isArray(id)) return id[0] ?? null;
    const found = objects.get(keyText(id));
    if (found === undefined) throw new FileError(`nothing is stored under '${keyText(id)}'`);
    return found;
  });
}

type Objects = Map<string, TorchStorage | TorchTensor | UnreadTensor>;

/** Their number; of each its key, place and class, and then its elements; then the views into them. */
function readStorages(part: Part, objects: Objects): void {
  for (let left = part.count(); left > 0; left--) {
    const [key, , type] = part.list();
    const name = type instanceof PickleGlobal ? (/([^.]+)$/.exec(type.name)?.[1] ?? '') : '';
    const storage = new TorchStorage(keyText(key), name, part.peek());
    storage.fill(part.storage(storage));
    part.add(objects, key, storage);
  }
  for (const view of part.list()) {
    const [key, root, offset, count] = Array.isArray(view) ? view : [];
    const storage = objects.get(keyText(root));
    if (!(storage instanceof TorchStorage) || !isCount(offset) || !isCount(count)) {
      throw part.corrupt();
    }
    if (offset + count > storage.count) throw part.corrupt();
    part.add(objects, key, storage.part(keyText(key), offset, count));
  }
}

/** Their number; of each its key, storage and class, and then rank, sizes, strides and offset. */
function readTensors(part: Part, objects: Objects): void {
  for (let left = part.count(); left > 0; left--) {
    const [key, storageKey] = part.list();
    const storage = objects.get(keyText(storageKey));
    // The rank is 4 bytes, and 4 more that were once part of it.
    const rank = Number(BigInt.asUintN(32, part.integer()));
    if (!(storage instanceof TorchStorage) || rank > MAX_RANK) throw part.corrupt();
    const numbers = Array.from({ length: 2 * rank + 1 }, () => Number(part.integer()));
    if (!numbers.every(isCount)) throw part.corrupt();
    const dtype = storage.kind?.dtype;
    const [shape, strides] = [numbers.slice(0, rank), numbers.slice(rank, 2 * rank)];
    part.add(
      objects,
      key,
      dtype === undefined
        ? new UnreadTensor(`its elements, of a ${storage.type}, are of a type that is not read`)
        : new TorchTensor(storage, dtype, numbers[2 * rank] ?? 0, shape, strides),
    );
  }
}

function keyText(key: PickleValue | undefined): string {
  return typeof key === 'number' || typeof key === 'bigint' ? String(key) : (pickleText(key) ?? '');
}

/** A file of the archive, read from its beginning on: pickles and raw numbers. */
class Part {
  #at = 0;
  readonly #view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    readonly source: string,
    readonly budget: Budget,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  next(persistentLoad: (id: PickleValue) => PickleValue = () => null): PickleValue {
    const { value, end } = unpickle(this.bytes, {
      findClass: findTorchClass,
      persistentLoad,
      source: this.source,
      offset: this.#at,
      budget: this.budget,
    });
    this.#at = end;
    return value;
  }

  list(): PickleValue[] {
    const value = this.next();
    if (!Array.isArray(value)) throw this.corrupt();
    return value;
  }

  count(): number {
    const value = this.next();
    if (typeof value !== 'number') throw this.corrupt();
    return value;
  }

  /** The next 8 bytes. */
  integer(): bigint {
    if (this.#at + 8 > this.bytes.length) throw this.corrupt();
    this.#at += 8;
    return this.#view.getBigInt64(this.#at - 8, true);
  }

  /** The number of elements of the storage that follows. */
  peek(): number {
    const count = Number(this.integer());
    this.#at -= 8;
    // A negative length would lead back, to before the beginning.
    if (!isCount(count)) throw this.corrupt();
    return count;
  }

  storage(storage: TorchStorage): Uint8Array {
    const { content, end } = takeStorage(this.bytes, this.#at, storage, this.source);
    this.#at = end;
    return content;
  }

  add(
    objects: Objects,
    key: PickleValue | undefined,
    made: TorchStorage | TorchTensor | UnreadTensor,
  ) {
    if (objects.has(keyText(key))) throw this.corrupt();
    objects.set(keyText(key), made);
  }

  corrupt(): FileError {
    return new FileError(`${this.source}, byte ${this.#at}: the file is truncated or corrupt.`);
  }
}
