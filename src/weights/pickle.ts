/**
 * A reader of Python pickles that cannot be made to run anything.
 *
 * A pickle is a program for a small stack machine, and the usual reader lets it import and call any
 * function. This one knows the opcodes that data needs (protocol 2 as written by Python 2 and 3,
 * and their counterparts of protocols 3 to 5) and refuses the rest; a global name means only what the
 * caller's `findClass` says it means.
 *
 * Python's values become: None null, int number (bigint beyond 2^53), bytes and Python 2's str a
 * Uint8Array that shares the input's memory, unicode string, list and tuple arrays, dict a Map
 * (a Python 2 str used as a key becomes a string, byte for byte).
 *
 * Source: Lib/pickletools.py of CPython, which documents every opcode.
 */
import { PickleCursor } from './pickle-cursor.js';

export { PickleError } from './pickle-cursor.js';

/** An object that takes its state from a BUILD opcode (Python's `__setstate__`). */
export interface PickleObject {
  setState(state: PickleValue): void;
}

/** What may be the key of a dict. */
export type PickleKey = string | number | bigint | boolean | null;

/** A value that a pickle can hold. */
export type PickleValue =
  | PickleKey
  | Uint8Array
  | PickleValue[]
  | Map<PickleKey, PickleValue>
  | PickleObject
  | PickleGlobal;

/** A class or function that a pickle names. It can be passed around, and called if it has `construct`. */
export class PickleGlobal {
  /**
   * @param name as in messages: `collections.OrderedDict`
   * @param construct what calling it (REDUCE, NEWOBJ) makes of the arguments
   */
  constructor(
    readonly name: string,
    readonly construct?: (args: readonly PickleValue[]) => PickleValue,
  ) {}
}

/** How a pickle is to be read. */
export interface UnpickleOptions {
  /** The global `name` of `module`, or undefined to refuse it (the default for all). */
  findClass?: (module: string, name: string) => PickleGlobal | undefined;
  /** The object that a persistent id stands for (PyTorch's storages). Default: refuse. */
  persistentLoad?: (id: PickleValue) => PickleValue;
  /** Where in the bytes the pickle begins. Default 0. */
  offset?: number;
  /** What the bytes are, for messages: a file name. Default 'pickle'. */
  source?: string;
}

/** The text of a string, or of a Python 2 str taken byte for byte (latin-1). */
export function pickleText(value: PickleValue | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (!(value instanceof Uint8Array)) return undefined;
  let text = '';
  for (const byte of value) text += String.fromCharCode(byte);
  return text;
}

/**
 * Reads one pickle.
 *
 * @returns its value, and `end`, the offset just after it (pickles can follow one another)
 * @throws PickleError naming the source, the byte and what was wrong there
 */
export function unpickle(
  bytes: Uint8Array,
  options: UnpickleOptions = {},
): { value: PickleValue; end: number } {
  return new Unpickler(bytes, options).run();
}

const MARK = Symbol('mark');

class Unpickler {
  readonly #cursor: PickleCursor;
  readonly #options: UnpickleOptions;
  readonly #stack: (PickleValue | typeof MARK)[] = [];
  readonly #memo = new Map<number, PickleValue>();

  constructor(bytes: Uint8Array, options: UnpickleOptions) {
    this.#cursor = new PickleCursor(bytes, options.offset ?? 0, options.source ?? 'pickle');
    this.#options = options;
  }

  run(): { value: PickleValue; end: number } {
    for (;;) {
      const opcode = this.#cursor.u8();
      if (opcode === 0x2e /* . STOP */) return { value: this.#pop(), end: this.#cursor.at };
      this.#step(opcode);
    }
  }

  #step(opcode: number): void {
    switch (opcode) {
      case 0x80: // PROTO
        return this.#protocol(this.#cursor.u8());
      case 0x95: // FRAME: its length only helps buffered readers
        this.#cursor.u64();
        return;
      case 0x28: // ( MARK
        this.#stack.push(MARK);
        return;
      case 0x30: // 0 POP
        this.#stack.pop();
        return;
      case 0x31: // 1 POP_MARK
        this.#popToMark();
        return;
      case 0x32: // 2 DUP
        return this.#push(this.#top());

      case 0x4e: // N NONE
        return this.#push(null);
      case 0x88: // NEWTRUE
        return this.#push(true);
      case 0x89: // NEWFALSE
        return this.#push(false);
      case 0x4b: // K BININT1
        return this.#push(this.#cursor.u8());
      case 0x4d: // M BININT2
        return this.#push(this.#cursor.u16());
      case 0x4a: // J BININT
        return this.#push(this.#cursor.i32());
      case 0x49: // I INT, which Python 2 writes for what BININT cannot hold
        return this.#push(this.#decimal(this.#cursor.line()));
      case 0x8a: // LONG1
        return this.#push(this.#long(this.#cursor.u8()));
      case 0x47: // G BINFLOAT
        return this.#push(this.#cursor.f64BigEndian());

      case 0x55: // U SHORT_BINSTRING
      case 0x43: // C SHORT_BINBYTES
        return this.#push(this.#cursor.slice(this.#cursor.u8()));
      case 0x54: // T BINSTRING
      case 0x42: // B BINBYTES
        return this.#push(this.#cursor.slice(this.#cursor.u32()));
      case 0x8e: // BINBYTES8
        return this.#push(this.#cursor.slice(this.#cursor.u64()));
      case 0x8c: // SHORT_BINUNICODE
        return this.#push(this.#cursor.text(this.#cursor.u8()));
      case 0x58: // X BINUNICODE
        return this.#push(this.#cursor.text(this.#cursor.u32()));

      case 0x5d: // ] EMPTY_LIST
      case 0x29: // ) EMPTY_TUPLE
        return this.#push([]);
      case 0x7d: // } EMPTY_DICT
        return this.#push(new Map());
      case 0x74: // t TUPLE
        return this.#push(this.#popToMark());
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#push(this.#popMany(opcode - 0x84));
      case 0x61: // a APPEND
        return this.#append([this.#pop()]);
      case 0x65: // e APPENDS
        return this.#append(this.#popToMark());
      case 0x73: // s SETITEM
        return this.#setItems(this.#popMany(2));
      case 0x75: // u SETITEMS
        return this.#setItems(this.#popToMark());

      case 0x71: // q BINPUT
        return this.#remember(this.#cursor.u8());
      case 0x72: // r LONG_BINPUT
        return this.#remember(this.#cursor.u32());
      case 0x94: // MEMOIZE
        return this.#remember(this.#memo.size);
      case 0x68: // h BINGET
        return this.#push(this.#recall(this.#cursor.u8()));
      case 0x6a: // j LONG_BINGET
        return this.#push(this.#recall(this.#cursor.u32()));

      case 0x63: // c GLOBAL
        return this.#push(this.#global(this.#cursor.line(), this.#cursor.line()));
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popMany(2);
        return this.#push(this.#global(this.#asText(module), this.#asText(name)));
      }
      case 0x52: // R REDUCE
      case 0x81: // NEWOBJ
        return this.#construct();
      case 0x62: // b BUILD
        return this.#build();
      case 0x51: // Q BINPERSID
        return this.#persistent();

      default:
        throw this.#cursor.error(
          `opcode 0x${opcode.toString(16).padStart(2, '0')} is not one that data needs, or the file is corrupt`,
        );
    }
  }

  #protocol(version: number): void {
    if (version < 2 || version > 5) {
      throw this.#cursor.error(`expected pickle protocol 2 to 5, found ${version}`);
    }
  }

  #append(items: readonly PickleValue[]): void {
    const list = this.#top();
    if (!Array.isArray(list))
      throw this.#cursor.error('items are appended to something that is no list');
    for (const item of items) list.push(item);
  }

  #setItems(pairs: readonly PickleValue[]): void {
    const dict = this.#top();
    if (!(dict instanceof Map))
      throw this.#cursor.error('items are set in something that is no dict');
    if (pairs.length % 2 !== 0) throw this.#cursor.error('a dict has a key without a value');
    for (let i = 0; i < pairs.length; i += 2) {
      const raw = pairs[i];
      const key = raw instanceof Uint8Array ? pickleText(raw) : raw;
      const value = pairs[i + 1];
      if (key === undefined || (typeof key === 'object' && key !== null) || value === undefined) {
        throw this.#cursor.error('expected a string or a number as the key of a dict');
      }
      dict.set(key, value);
    }
  }

  #global(module: string, name: string): PickleGlobal {
    const found = this.#options.findClass?.(module, name);
    if (found === undefined) {
      throw this.#cursor.error(
        `refused the name ${module}.${name}: only known data classes are allowed`,
      );
    }
    return found;
  }

  #construct(): void {
    const [callee, args] = this.#popMany(2);
    if (!(callee instanceof PickleGlobal) || callee.construct === undefined) {
      const name = callee instanceof PickleGlobal ? callee.name : typeof callee;
      throw this.#cursor.error(`refused to call ${name}`);
    }
    if (!Array.isArray(args))
      throw this.#cursor.error(`the arguments of ${callee.name} are no tuple`);
    const { construct } = callee;
    this.#push(this.#guard(() => construct(args)));
  }

  #build(): void {
    const state = this.#pop();
    const target = this.#top();
    if (typeof target !== 'object' || target === null || !('setState' in target)) {
      throw this.#cursor.error('state is given to an object that takes none');
    }
    this.#guard(() => target.setState(state));
  }

  #persistent(): void {
    const id = this.#pop();
    const load = this.#options.persistentLoad;
    if (load === undefined)
      throw this.#cursor.error('refused a persistent id: none is expected here');
    this.#push(this.#guard(() => load(id)));
  }

  #push(value: PickleValue): void {
    this.#stack.push(value);
  }

  #pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined || value === MARK) throw this.#cursor.error('a value is missing');
    return value;
  }

  #top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value === MARK) throw this.#cursor.error('a value is missing');
    return value;
  }

  #popMany(count: number): PickleValue[] {
    const values: PickleValue[] = [];
    for (let i = 0; i < count; i++) values.unshift(this.#pop());
    return values;
  }

  #popToMark(): PickleValue[] {
    const start = this.#stack.lastIndexOf(MARK);
    if (start < 0) throw this.#cursor.error('a mark is missing');
    const values: PickleValue[] = [];
    for (const value of this.#stack.splice(start)) if (value !== MARK) values.push(value);
    return values;
  }

  #remember(index: number): void {
    this.#memo.set(index, this.#top());
  }

  #recall(index: number): PickleValue {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#cursor.error(`nothing was stored under ${index}`);
    return value;
  }

  #asText(value: PickleValue | undefined): string {
    const text = pickleText(value);
    if (text === undefined) throw this.#cursor.error('expected a name');
    return text;
  }

  #decimal(text: string): PickleValue {
    if (text === '00') return false;
    if (text === '01') return true;
    if (!/^-?\d+$/.test(text))
      throw this.#cursor.error(`expected a decimal number, found '${text}'`);
    return asNumber(BigInt(text));
  }

  #long(length: number): PickleValue {
    let value = 0n;
    for (const byte of this.#cursor.slice(length).toReversed())
      value = (value << 8n) | BigInt(byte);
    return asNumber(BigInt.asIntN(8 * length, value));
  }

  /** Runs a caller's code, so that its complaints say where in the file they belong. */
  #guard<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      throw this.#cursor.error(error instanceof Error ? error.message : String(error));
    }
  }
}

function asNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
