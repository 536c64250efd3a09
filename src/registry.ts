import { describeValue } from './describe-value.js';
import { RequestError } from './errors.js';
import { suggestion } from './suggest.js';

/**
 * Values by the names that a command line has for them: mechanisms, models, data sets, tasks. Anyone
 * can add to it.
 */
export class Registry<Value extends { readonly id: string }> {
  readonly #values = new Map<string, Value>();

  /**
   * @param kind what messages call a value: `attention`, `model`
   * @param values that it has from the start
   * @param reserved names that mean something where an id may stand, and so are none
   */
  constructor(
    readonly kind: string,
    values: Iterable<Value> = [],
    private readonly reserved: readonly string[] = [],
  ) {
    for (const value of values) this.add(value);
  }

  /**
   * Adds a value under its id. One that is there already may be added again.
   * @throws RequestError for an id that another value has, or that cannot be written on a command line
   */
  add(value: Value): void {
    const { id } = value;
    if (!/^[\w-]+$/.test(id) || this.reserved.includes(id)) {
      throw new RequestError(
        `A registered ${this.kind} cannot have the id '${id}': choose letters, digits, - and _${this.reserved.map((word) => `, and not '${word}'`).join('')}.`,
      );
    }
    const known = this.#values.get(id);
    if (known !== undefined && known !== value) {
      throw new RequestError(
        `The id '${id}' belongs to another ${this.kind} already. Choose another one.`,
      );
    }
    this.#values.set(id, value);
  }

  /** @throws RequestError if there is none of this id; names the nearest ones */
  get(id: string): Value {
    const value = this.#values.get(id);
    if (value !== undefined) return value;
    const names = [...this.reserved, ...this.#values.keys()];
    throw new RequestError(`Unknown ${this.kind} '${id}'. ${suggestion(id, names)}`);
  }

  has(id: string): boolean {
    return this.#values.has(id);
  }

  /** All values, in the order in which they were added. */
  list(): readonly Value[] {
    return [...this.#values.values()];
  }
}

/**
 * Checks that a value is what a `define..` makes: a program in plain JavaScript may give any.
 * @param by the function that makes such values
 * @param taker what is given it, for the message
 * @throws RequestError for another one
 */
export function requireMade(
  given: unknown,
  kind: abstract new (...args: never[]) => unknown,
  by: string,
  taker: string,
): void {
  if (given instanceof kind) return;
  throw new RequestError(`${taker} takes what ${by} makes, not ${describeValue(given)}.`);
}
