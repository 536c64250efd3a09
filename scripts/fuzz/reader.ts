/** What is fuzzed: a reader of bytes from outside, valid inputs to begin from, and how to spoil them. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { FoveaError } from '../../src/errors.js';
import { RandomStream } from '../../src/random/index.js';
import { once, pick, type Mutate } from './dice.js';
import { mutateBytes } from './mutations/bytes.js';

/** One reader, with all that is needed to try it. */
export interface Reader {
  readonly name: string;
  /** What it reads, in a few words. */
  readonly what: string;
  /** Valid inputs. They must be the same in every process. */
  seeds(): Promise<readonly Uint8Array[]> | readonly Uint8Array[];
  /** Mutations that know the format. */
  readonly mutations: readonly Mutate[];
  /** Whether blind mutations of bytes are mixed in. Default true. */
  readonly blind?: boolean;
  /**
   * Reads one input, as far as a command would.
   * @param folder of its own, for readers of files; it may leave there what it likes
   * @throws what the reader throws; {@link ReadWrongly} if what it read cannot be right
   */
  read(input: Uint8Array, folder: string): unknown;
  /** An input takes several milliseconds: the test suite tries fewer. Default false. */
  readonly slow?: boolean;
  /** Errors besides Fovea's own that are right here. Default: none. */
  readonly accepts?: (error: unknown) => boolean;
}

/** What was read is not what was stored, and nobody was told. */
export class ReadWrongly extends Error {
  override name = 'ReadWrongly';
}

/** Whether an error is one that a person is meant to read. */
export function isOwn(reader: Reader, error: unknown): boolean {
  return error instanceof FoveaError || (reader.accepts?.(error) ?? false);
}

/** A reader's valid inputs, as arrays of their own: a slice of one of Node's Buffers is no copy. */
export async function seedsOf(reader: Reader): Promise<readonly Uint8Array[]> {
  return (await reader.seeds()).map((seed) => Uint8Array.from(seed));
}

/**
 * One of a reader's inputs, by its number: the same for the same seed everywhere.
 * @param seeds see {@link seedsOf}
 */
export function inputOf(
  reader: Reader,
  seeds: readonly Uint8Array[],
  seed: number,
  index: number,
): Uint8Array {
  const random = new RandomStream(seed, `fuzz ${reader.name}`, index);
  let input = pick(random, seeds) ?? new Uint8Array();
  const other = pick(random, seeds) ?? input;
  do {
    const blind = reader.blind !== false && once(random, 6);
    const mutate = blind ? mutateBytes : (pick(random, reader.mutations) ?? mutateBytes);
    input = mutate(random, input, other);
  } while (once(random, 3));
  return input;
}

/** No seed is larger: most of a mutation's time goes into copying. */
const LARGEST_SEED = 24_000;

const FIXTURES = join(import.meta.dirname, '../../tests/fixtures');

/** A file of tests/fixtures. */
export function fixture(name: string): Uint8Array {
  return readFileSync(join(FIXTURES, name));
}

/** The small files with one of some endings in a folder of tests/fixtures and the folders in it. */
export function fixtures(folder: string, ...endings: readonly string[]): Uint8Array[] {
  if (!existsSync(join(FIXTURES, folder))) return [];
  const names = readdirSync(join(FIXTURES, folder), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => endings.includes(extname(name)))
    .sort()
    .map((name) => join(FIXTURES, folder, name))
    .filter((path) => statSync(path).size <= LARGEST_SEED)
    .map((path) => readFileSync(path));
}
