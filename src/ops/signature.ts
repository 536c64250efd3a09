/** The inputs of an op, as names: what its rules see, and as a list: what a node of the graph has. */
import { FoveaError, RequestError } from '../errors.js';

/** One `T` for each input: as its own for `'x'`, possibly absent for `'x?'`, a list for `'...xs'`. */
export type Named<N extends string, T> = {
  readonly [K in N as K extends `${string}?` | `...${string}` ? never : K]: T;
} & { readonly [K in N as K extends `${infer Name}?` ? Name : never]?: T | undefined } & {
  readonly [K in N as K extends `...${infer Name}` ? Name : never]: readonly T[];
};

/**
 * What a gradient rule returns: one gradient for each input, null for none. That of an input that may
 * be left out is always given, and not used where it was left out.
 */
export type Gradients<N extends string, T> = {
  readonly [
    K in N as K extends `...${string}` ? never : K extends `${infer Name}?` ? Name : K
  ]: T | null;
} & { readonly [K in N as K extends `...${infer Name}` ? Name : never]: readonly (T | null)[] };

/** That `G` has a gradient for no other than the inputs: a rule's return type is not checked for more by itself. */
export type NoMore<G, N extends string> = {
  readonly [K in Exclude<keyof G, keyof Gradients<N, never>>]: never;
};

/** Brings inputs, and what is computed for them, from names to a list and back. */
export interface Signature<N extends string> {
  /** @throws RequestError if an input is missing, or one is given that the op does not have */
  list<T>(named: Named<N, T>): T[];
  byName<T>(list: readonly T[]): Named<N, T>;
  /** @param count of the node's inputs, which may be without the last one */
  listGradients<T>(named: Gradients<N, T>, count: number): (T | null)[];
}

/** {@link Named} and {@link Gradients} of any op. */
type Entries<T> = Readonly<Record<string, T | readonly T[] | undefined>>;

/**
 * Reads the inputs of a declaration.
 * @throws FoveaError if two have one name, or another than the last one is optional or stands for many
 */
export function readSignature<N extends string>(
  op: string,
  inputs: readonly string[],
): Signature<N> {
  const names = inputs.map((input) => input.replace(/^\.\.\.|\?$/g, ''));
  const marked = inputs.findIndex((input, i) => input !== names[i]);
  if (new Set(names).size < names.length || (marked !== -1 && marked < names.length - 1)) {
    throw new FoveaError(
      `The op '${op}' has the inputs [${inputs.join(', ')}]. Their names must differ, and only the last may be optional ('x?') or stand for any number ('...xs').`,
    );
  }
  const many = inputs[marked]?.startsWith('...') ? names[marked] : undefined;
  const optional = many === undefined ? names[marked] : undefined;
  /** What is not one of these is one entry; that of a name that stands for any number is a list. */
  const entriesOf = <T>(name: string, entry: T | readonly T[] | undefined): readonly T[] =>
    name === many ? (entry as readonly T[]) : [entry as T];
  return {
    list<T>(named: Named<N, T>) {
      const given: Entries<T> = named;
      const missing = names.find((name) => name !== optional && given[name] === undefined);
      if (missing !== undefined) {
        throw new RequestError(`The op '${op}' needs its input '${missing}'.`);
      }
      const unknown = Object.keys(given).find((name) => !names.includes(name));
      if (unknown !== undefined) {
        const known = names.length === 0 ? 'none' : names.join(', ');
        throw new RequestError(`The op '${op}' has no input '${unknown}'; it has ${known}.`);
      }
      return names
        .filter((name) => given[name] !== undefined)
        .flatMap((name) => entriesOf(name, given[name]));
    },
    byName<T>(list: readonly T[]) {
      const named = names.map((name, i) => [name, name === many ? list.slice(i) : list[i]]);
      return Object.fromEntries(named) as Named<N, T>;
    },
    listGradients<T>(named: Gradients<N, T>, count: number) {
      const given: Entries<T | null> = named;
      // What is given beyond the inputs is kept, so that whoever counts sees it.
      const beyond = Object.keys(given).filter((name) => !names.includes(name));
      const used = names.filter((name, i) => name !== optional || i < count);
      return [...used, ...beyond].flatMap((name) => entriesOf(name, given[name]));
    },
  };
}
