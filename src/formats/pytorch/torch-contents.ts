/**
 * Walks through what torch.save was given: containers, which can hold each other over and over and in
 * circles, and the tensors in them. Where it is enough to look at each once, that is done; where it is
 * not, as with names, what comes of it is counted against the bound of the file.
 */
import { FileError } from '../../errors.js';
import type { Budget } from '../bounds.js';
import { Opaque, PickleGlobal, pickleText, type PickleValue } from '../pickle/pickle-values.js';
import { isTensor, tensorOf } from './torch-classes.js';
import type { TorchTensor, UnreadTensor } from './torch-storage.js';

/** The keys and values directly in a container: a dict, list, set or a subclass of one. */
export function* children(value: PickleValue): Generator<[PickleValue, PickleValue]> {
  if (value instanceof Map) yield* value;
  else if (Array.isArray(value)) yield* value.entries();
  else if (value instanceof Set) yield* [...value].entries();
  else if (value instanceof Opaque) {
    if (value.items) yield* value.items;
    if (value.elements) yield* value.elements.entries();
  }
}

/** A key as a part of a name. */
export function keyText(key: PickleValue): string {
  if (key === null) return 'None';
  if (typeof key !== 'object') return String(key);
  if (!Array.isArray(key)) return `<${summaryOf(key)}>`;
  const parts = key.slice(0, 8).map((part) => (typeof part === 'object' ? '..' : String(part)));
  return `(${parts.join(', ')})`;
}

/** What a value is, in a few words. */
export function summaryOf(value: PickleValue): string {
  if (isTensor(value)) return '1 tensor';
  if (value instanceof Opaque) return value.className;
  if (value instanceof PickleGlobal) return value.name;
  if (value instanceof Map) return `a dict of ${value.size}`;
  if (value instanceof Set) return `a set of ${value.size}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return value === null ? 'nothing' : 'other data';
}

/** Tensors and the containers that hold one, however deep. Each is looked at once. */
export function holdersIn(root: PickleValue): ReadonlySet<PickleValue> {
  const parents = new Map<PickleValue, PickleValue[]>([[root, []]]);
  const found: PickleValue[] = [];
  // The map grows while it is gone through.
  for (const value of parents.keys()) {
    if (isTensor(value)) {
      found.push(value);
      continue;
    }
    for (const [, child] of children(value)) {
      if (typeof child !== 'object' || child === null) continue;
      const known = parents.get(child);
      if (known) known.push(value);
      else parents.set(child, [value]);
    }
  }
  const holders = new Set(found);
  for (const holder of holders) {
    for (const parent of parents.get(holder) ?? []) holders.add(parent);
  }
  return holders;
}

/** The most objects that are looked at to count tensors, for a whole file. */
const COUNTED = 1_000_000;

/** Gives a count of the tensors in a value in words; without one where there is too much to count. */
export function tensorCounter(holders: ReadonlySet<PickleValue>): (value: PickleValue) => string {
  let left = COUNTED;
  return (root) => {
    const seen = new Set([root]);
    let count = 0;
    for (const value of seen) {
      if (left-- <= 0) return 'tensors';
      if (isTensor(value)) count++;
      else for (const [, child] of children(value)) if (holders.has(child)) seen.add(child);
    }
    return `${count} tensor${count === 1 ? '' : 's'}`;
  };
}

/** A tensor in a state_dict, or something in it that is none. */
export interface StateEntry {
  readonly name: string;
  readonly value: PickleValue;
  readonly tensor: TorchTensor | UnreadTensor | undefined;
}

/** About what one takes besides its name, in bytes. */
const ENTRY = 400;

/** The keys that lead to a value, the last first. */
interface Place {
  readonly key: PickleValue;
  readonly above: Place | undefined;
}

/**
 * All that is in a state_dict and in the containers in it that hold tensors, by the keys that lead
 * there joined with dots, in order. A circle is gone round once.
 * @param skip containers that do not belong to it
 * @throws FileError if two tensors have one name, or the names take more than the budget
 */
export function stateEntries(
  state: PickleValue,
  holders: ReadonlySet<PickleValue>,
  skip: (value: PickleValue) => boolean,
  budget: Budget,
): StateEntry[] {
  const alone = tensorOf(state);
  if (alone !== undefined) return [{ name: 'tensor', value: state, tensor: alone }];
  const entries: StateEntry[] = [];
  const places = new Map<string, Place>();
  const open = new Set([state]);
  const levels = [
    { value: state, name: '', place: undefined as Place | undefined, rest: children(state) },
  ];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const next = level.rest.next();
    if (next.done) {
      open.delete(level.value);
      levels.pop();
      continue;
    }
    const [key, value] = next.value;
    const name = level.name === '' ? keyText(key) : `${level.name}.${keyText(key)}`;
    budget.spend(ENTRY, 'the names of what is in it');
    const place = { key, above: level.place };
    const tensor = tensorOf(value);
    if (tensor === undefined && holders.has(value)) {
      if (open.has(value) || skip(value)) continue;
      open.add(value);
      levels.push({ value, name, place, rest: children(value) });
      continue;
    }
    budget.spend(name.length, 'the names of what is in it');
    if (tensor !== undefined) {
      const other = places.get(name);
      if (other !== undefined) {
        throw new FileError(
          `two tensors would be called '${name}': ${subscripts(other)} and ${subscripts(place)}. Save one under another name`,
        );
      }
      places.set(name, place);
    }
    entries.push({ name, value, tensor });
  }
  return entries;
}

/** As in Python: `["layer1"]["0.weight"]`. */
function subscripts(place: Place): string {
  const keys: string[] = [];
  for (let at: Place | undefined = place; at !== undefined; at = at.above) {
    const text = pickleText(at.key);
    keys.unshift(`[${text === undefined ? keyText(at.key) : JSON.stringify(text)}]`);
  }
  return keys.join('');
}
