/** The stack machine that a pickle is a program for: its stack, its memo, and what opcodes do to them. */
import type { Budget } from '../bounds.js';
import type { PickleCursor } from './pickle-cursor.js';
import {
  asNumber,
  PickleGlobal,
  PickleObject,
  pickleText,
  type PickleDict,
  type PickleValue,
} from './pickle-values.js';

/** What the caller says names mean, and what is counted. See `UnpickleOptions`. */
export interface MachineOptions {
  readonly findClass?: (module: string, name: string) => PickleGlobal | undefined;
  readonly persistentLoad?: (id: PickleValue) => PickleValue;
  readonly budget: Budget;
}

/** About what the engine takes for an object, in bytes. */
const COST = { list: 32, element: 8, dict: 200, object: 200, memo: 64, bytes: 100 } as const;

/** The longest integer, in bytes. */
const MAX_LONG = 1024;

/** The longest name of a class, with its module. */
const MAX_NAME = 1000;

const MARK = Symbol('mark');

/** The machine. Every error names the place of the cursor. */
export class PickleMachine {
  readonly #cursor: PickleCursor;
  readonly #options: MachineOptions;
  readonly #stack: (PickleValue | typeof MARK)[] = [];
  readonly #memo = new Map<number, PickleValue>();

  constructor(cursor: PickleCursor, options: MachineOptions) {
    this.#cursor = cursor;
    this.#options = options;
  }

  mark(): void {
    this.#stack.push(MARK);
  }

  drop(): void {
    this.#stack.pop();
  }

  /** The next bytes of the pickle, sharing memory. */
  bytes(length: number): Uint8Array {
    this.spend(COST.bytes);
    return this.#cursor.slice(length);
  }

  protocol(version: number): void {
    if (version > 5) {
      throw this.#cursor.error(`expected pickle protocol 0 to 5, found ${version}`);
    }
  }

  /** A line that stands for a value. */
  text(read: (text: string) => PickleValue | undefined, what: string): void {
    const line = this.#cursor.line();
    const value = read(line);
    if (value === undefined) {
      throw this.#cursor.error(`expected ${what}, found '${line.slice(0, 40)}'`);
    }
    this.push(value);
  }

  list(values: PickleValue[]): PickleValue[] {
    this.spend(COST.list + COST.element * values.length);
    return values;
  }

  set(values: readonly PickleValue[]): Set<PickleValue> {
    this.spend(COST.dict);
    return new Set(values);
  }

  dict(pairs: readonly PickleValue[]): PickleDict {
    this.spend(COST.dict);
    const dict: PickleDict = new Map();
    this.fill(dict, pairs);
    return dict;
  }

  append(added: readonly PickleValue[]): void {
    const target = this.top();
    if (target instanceof Set) {
      for (const value of added) target.add(value);
      return;
    }
    const list =
      target instanceof PickleObject && target.isContainer ? (target.elements ??= []) : target;
    if (!Array.isArray(list)) {
      throw this.#cursor.error('items are appended to something that is no list');
    }
    for (const value of added) list.push(value);
  }

  setItems(pairs: readonly PickleValue[]): void {
    const target = this.top();
    const dict =
      target instanceof PickleObject && target.isContainer
        ? (target.items ??= new Map<PickleValue, PickleValue>())
        : target;
    if (!(dict instanceof Map)) {
      throw this.#cursor.error('items are set in something that is no dict');
    }
    this.fill(dict, pairs);
  }

  fill(dict: PickleDict, pairs: readonly PickleValue[]): void {
    if (pairs.length % 2 !== 0) throw this.#cursor.error('a dict has a key without a value');
    for (let i = 0; i < pairs.length; i += 2) {
      let key = pairs[i] ?? null;
      if (key instanceof Uint8Array) {
        this.spend(key.length);
        key = pickleText(key) ?? '';
      }
      // Python would keep the last. No program writes such a dict.
      if (dict.has(key)) {
        const name = typeof key === 'string' ? `'${key.slice(0, 80)}'` : typeof key;
        throw this.#cursor.error(`a dict has the key ${name} twice`);
      }
      dict.set(key, pairs[i + 1] ?? null);
    }
  }

  global(module: string, name: string): PickleGlobal {
    if (module.length + name.length > MAX_NAME) {
      throw this.#cursor.error(`a class whose name has more than ${MAX_NAME} characters`);
    }
    const found = this.#options.findClass?.(module, name);
    if (found === undefined) {
      throw this.#cursor.error(
        `refused the name ${module}.${name}: only known data classes are allowed`,
      );
    }
    this.spend(COST.object);
    return found;
  }

  construct(callee: PickleValue | undefined, args: PickleValue | undefined): void {
    if (!(callee instanceof PickleObject)) {
      throw this.#cursor.error('refused to call what is no class and no function');
    }
    if (!Array.isArray(args)) {
      const name = callee instanceof PickleGlobal ? callee.name : 'an object';
      throw this.#cursor.error(`the arguments of ${name} are no tuple`);
    }
    // What a class makes of its arguments is at most a copy of each.
    this.spend(COST.object + copyBytes(args));
    this.push(this.guard(() => callee.construct(args)));
  }

  build(): void {
    const state = this.pop();
    const target = this.top();
    this.spend(Array.isArray(state) ? copyBytes(state) : 0);
    if (target instanceof PickleObject) {
      this.guard(() => target.setState(state));
      return;
    }
    // A dict that is given attributes, as a state_dict is (`_metadata`, the versions of its modules).
    if (!(target instanceof Map)) {
      throw this.#cursor.error('state is given to an object that takes none');
    }
  }

  persistent(id: PickleValue): void {
    const load = this.#options.persistentLoad;
    if (load === undefined) {
      throw this.#cursor.error('refused a persistent id: none is expected here');
    }
    this.push(this.guard(() => load(id)));
  }

  push(value: PickleValue): void {
    this.#stack.push(value);
  }

  pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined || value === MARK) throw this.#cursor.error('a value is missing');
    return value;
  }

  top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value === MARK) throw this.#cursor.error('a value is missing');
    return value;
  }

  popMany(count: number): PickleValue[] {
    const values: PickleValue[] = [];
    for (let i = 0; i < count; i++) values.unshift(this.pop());
    return values;
  }

  popToMark(): PickleValue[] {
    const start = this.#stack.lastIndexOf(MARK);
    if (start < 0) throw this.#cursor.error('a mark is missing');
    const values: PickleValue[] = [];
    for (const value of this.#stack.splice(start)) if (value !== MARK) values.push(value);
    return values;
  }

  remember(index: number): void {
    this.spend(COST.memo);
    this.#memo.set(index, this.top());
  }

  memoize(): void {
    this.remember(this.#memo.size);
  }

  recall(index: number): PickleValue {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#cursor.error(`nothing was stored under ${index}`);
    return value;
  }

  index(text: string): number {
    if (!/^\d{1,15}$/.test(text)) throw this.#cursor.error('expected the number of a stored value');
    return Number(text);
  }

  asText(value: PickleValue | undefined): string {
    const long = value instanceof Uint8Array && value.length > MAX_NAME;
    const text = long ? undefined : pickleText(value);
    if (text === undefined) throw this.#cursor.error('expected a name');
    return text;
  }

  long(length: number): PickleValue {
    if (length < 0 || length > MAX_LONG) {
      throw this.#cursor.error(`a whole number of ${length} bytes; at most ${MAX_LONG} are read`);
    }
    let value = 0n;
    for (const byte of this.#cursor.slice(length).toReversed())
      value = (value << 8n) | BigInt(byte);
    return asNumber(BigInt.asIntN(8 * length, value));
  }

  spend(bytes: number): void {
    try {
      this.#options.budget.spend(bytes, 'what the pickle builds');
    } catch (error) {
      throw this.#located(error);
    }
  }

  /** Runs a caller's code, so that its complaints say where in the file they belong. */
  guard<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      throw this.#located(error);
    }
  }

  #located(error: unknown): Error {
    return this.#cursor.error(error instanceof Error ? error.message : String(error));
  }
}

/** What a copy of each of these values takes. */
function copyBytes(values: readonly PickleValue[]): number {
  let bytes = 0;
  for (const value of values) {
    if (Array.isArray(value)) bytes += COST.element * value.length;
    else if (value instanceof Map || value instanceof Set) bytes += COST.memo * value.size;
    else if (typeof value === 'string' || value instanceof Uint8Array) bytes += value.length;
  }
  return bytes;
}
