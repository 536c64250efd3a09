import { isDeepStrictEqual } from 'node:util';
import type { Mutate } from '../dice.js';
import { ReadWrongly, type Reader } from '../reader.js';

/** A reader of files with checksums, and one of its files. */
export interface Damage {
  readonly name: string;
  readonly what: string;
  readonly seed: () => Promise<Uint8Array> | Uint8Array;
  readonly mutation: Mutate;
  /** Its result is compared. */
  readonly read: (input: Uint8Array, folder: string) => unknown;
}

/** A reader that must refuse a damaged file, or read from it what it reads from the whole one. */
export function refusedOrSame({ name, what, seed, mutation, read }: Damage): Reader {
  let whole: { value: unknown } | undefined;
  return {
    name,
    what,
    seeds: async () => [await seed()],
    mutations: [mutation],
    blind: false,
    read: async (input, folder) => {
      whole ??= { value: await read(await seed(), folder) };
      const value = await read(input, folder);
      if (!isDeepStrictEqual(value, whole.value)) {
        throw new ReadWrongly('A damaged file was read as another one.');
      }
    },
  };
}
