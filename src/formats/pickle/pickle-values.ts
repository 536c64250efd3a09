/** What a pickle can hold, as values here. See pickle.ts for what Python's values become. */
import { FileError } from '../../errors.js';
import { latin1 } from '../latin1.js';

/** A pickle that is truncated, corrupt, or asks for something that is not allowed. */
export class PickleError extends FileError {
  override name = 'PickleError';
}

/** A dict. A str of Python 2 or bytes as a key is a string, byte for byte. */
export type PickleDict = Map<PickleValue, PickleValue>;

/** A value that a pickle can hold. */
export type PickleValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | PickleValue[]
  | Set<PickleValue>
  | PickleDict
  | PickleObject;

/** An object of a class. What a class does not allow is refused. */
export abstract class PickleObject {
  /** The items of a subclass of dict, once some are set. */
  items: PickleDict | undefined;
  /** The elements of a subclass of list or set, once some are added. */
  elements: PickleValue[] | undefined;

  /** Takes the state of a BUILD opcode (Python's `__setstate__`). */
  setState(_state: PickleValue): void {
    throw new PickleError('state is given to an object that takes none');
  }

  /** Is called (REDUCE, NEWOBJ, ..). */
  construct(_args: readonly PickleValue[]): PickleValue {
    throw new PickleError(`refused to call an object`);
  }

  /** Whether items can be set in it and elements added, as in a subclass of dict or list. */
  get isContainer(): boolean {
    return false;
  }
}

/** A class or function that a pickle names. It can be passed around, and called if it has a rule for that. */
export class PickleGlobal extends PickleObject {
  readonly #construct: ((args: readonly PickleValue[]) => PickleValue) | undefined;

  /**
   * @param name as in messages: `collections.OrderedDict`
   * @param construct what calling it (REDUCE, NEWOBJ) makes of the arguments
   */
  constructor(
    readonly name: string,
    construct?: (args: readonly PickleValue[]) => PickleValue,
  ) {
    super();
    this.#construct = construct;
  }

  override construct(args: readonly PickleValue[]): PickleValue {
    if (this.#construct === undefined) throw new PickleError(`refused to call ${this.name}`);
    return this.#construct(args);
  }
}

/** An object of a class that is not known here: its class, and what is in it as a container. */
export class Opaque extends PickleObject {
  constructor(readonly className: string) {
    super();
  }

  override setState(): void {
    // No other program knows what it means.
  }

  override construct(): PickleValue {
    return new Opaque(this.className);
  }

  override get isContainer(): boolean {
    return true;
  }
}

/** The text of a string, or of a Python 2 str taken byte for byte (latin-1). */
export function pickleText(value: PickleValue | undefined): string | undefined {
  if (typeof value === 'string') return value;
  return value instanceof Uint8Array ? latin1(value) : undefined;
}

/** A number if it can be one exactly. */
export function asNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
