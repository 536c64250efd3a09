import { RequestError } from '../errors.js';
import { standardNormal } from './normal.js';
import { threefry4x32 } from './threefry.js';

/** 'Fove' and 'a RN' and 'G v1' in ASCII, and 0: the fixed key that begins every key derivation. */
const DERIVATION_KEY = Uint32Array.of(0x466f7665, 0x6120524e, 0x47207631, 0);

const TWO_32 = 2 ** 32;
const utf8 = new TextEncoder();

function requireCount(value: number, what: string): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RequestError(
      `${what} must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}, not ${value}.`,
    );
  }
}

/** The key of a stream: see {@link RandomStream} for the rule. */
function deriveKey(seed: number, purpose: string, counters: readonly number[]): Uint32Array {
  requireCount(seed, 'A random seed');
  for (const counter of counters) requireCount(counter, `A counter of the stream '${purpose}'`);
  const key = DERIVATION_KEY.slice();
  const block = new Uint32Array(4);

  const name = utf8.encode(purpose);
  block.set([seed, seed / TWO_32, name.length, counters.length]);
  threefry4x32(block, key, key);

  for (let start = 0; start < name.length; start += 16) {
    for (let word = 0; word < 4; word++) {
      const at = start + 4 * word;
      block[word] =
        (name[at] ?? 0) |
        ((name[at + 1] ?? 0) << 8) |
        ((name[at + 2] ?? 0) << 16) |
        ((name[at + 3] ?? 0) << 24);
    }
    threefry4x32(block, key, key);
  }

  for (let index = 0; index < counters.length; index += 2) {
    const first = counters[index] ?? 0;
    const second = counters[index + 1] ?? 0;
    block.set([first, first / TWO_32, second, second / TWO_32]);
    threefry4x32(block, key, key);
  }
  return key;
}

/**
 * A stream of random numbers, named by what it is for. The same name gives the same numbers on every
 * machine and in every process, whatever was drawn elsewhere, so a run does not depend on how work is
 * divided and can resume anywhere: `new RandomStream(seed, 'augment', epoch, index)`.
 *
 * Word 4n + i of a stream is word i of Threefry-4x32-20 of the counter (n mod 2^32, n div 2^32, 0, 0)
 * under the stream's key. The key is derived by absorbing 16-byte blocks, each as the counter of one
 * Threefry call whose result is the next key, starting from a fixed key:
 *
 *   1. (seed mod 2^32, seed div 2^32, bytes in the purpose, number of counters)
 *   2. the purpose in UTF-8, four little-endian words at a time, the last block padded with zeros
 *   3. the counters, two to a block, each as (c mod 2^32, c div 2^32), a missing one as zero
 *
 * Not for cryptography.
 */
export class RandomStream {
  readonly #key: Uint32Array;
  readonly #counter = new Uint32Array(4);
  readonly #block = new Uint32Array(4);
  #used = 4;

  /**
   * @param seed a safe integer, 0 or more
   * @param purpose what the numbers are for; streams of different purposes are independent
   * @param counters safe integers, 0 or more (epoch, index, ...); (1) and (1, 0) are different streams
   * @throws RequestError for a seed or counter that is negative, fractional or too large
   */
  constructor(seed: number, purpose: string, ...counters: number[]) {
    this.#key = deriveKey(seed, purpose, counters);
  }

  /** The next 32 bits, as a whole number in [0, 2^32). */
  uint32(): number {
    if (this.#used === 4) this.#refill();
    return this.#block[this.#used++] ?? 0;
  }

  /** A number in [0, 1), a multiple of 2^-32. Takes one word. */
  uniform(): number {
    return this.uint32() / TWO_32;
  }

  /**
   * A whole number in [0, n), each equally likely: words in the incomplete last cycle of n are drawn again.
   *
   * @param n 1 to 2^32
   * @throws RequestError for any other n
   */
  integer(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > TWO_32) {
      throw new RequestError(`integer(n) needs a whole n from 1 to ${TWO_32}, not ${n}.`);
    }
    const limit = TWO_32 - (TWO_32 % n);
    let word = this.uint32();
    while (word >= limit) word = this.uint32();
    return word % n;
  }

  /** A standard normal deviate (mean 0, deviation 1), within 6.34. Takes one word. */
  normal(): number {
    return standardNormal(this.uint32());
  }

  /**
   * Fills with low + (high - low) * uniform(), rounded to float32 (which can round up to `high`).
   *
   * @returns `out`
   */
  fillUniform(out: Float32Array, low: number, high: number): Float32Array {
    const range = high - low;
    for (let i = 0; i < out.length; i++) out[i] = low + range * this.uniform();
    return out;
  }

  /**
   * Fills with mean + std * normal(), rounded to float32.
   *
   * @returns `out`
   */
  fillNormal(out: Float32Array, mean: number, std: number): Float32Array {
    for (let i = 0; i < out.length; i++) out[i] = mean + std * this.normal();
    return out;
  }

  /**
   * Fills with `scale` (probability `keepProbability`) or 0: a dropout mask when scale is
   * 1 / keepProbability.
   *
   * @param keepProbability 0 to 1
   * @returns `out`
   * @throws RequestError for a probability outside [0, 1]
   */
  fillBernoulli(out: Float32Array, keepProbability: number, scale: number): Float32Array {
    if (!(keepProbability >= 0 && keepProbability <= 1)) {
      throw new RequestError(
        `A probability lies in [0, 1]; keepProbability is ${keepProbability}.`,
      );
    }
    for (let i = 0; i < out.length; i++) out[i] = this.uniform() < keepProbability ? scale : 0;
    return out;
  }

  /**
   * A random order of 0 .. n - 1, every order equally likely (Fisher-Yates from the end).
   *
   * @throws RequestError when n is not a whole number from 0 to 2^32 - 1
   */
  permutation(n: number): Uint32Array {
    if (!Number.isInteger(n) || n < 0 || n >= TWO_32) {
      throw new RequestError(`permutation(n) needs a whole n from 0 to ${TWO_32 - 1}, not ${n}.`);
    }
    const order = new Uint32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const held = order[i] ?? 0;
      order[i] = order[j] ?? 0;
      order[j] = held;
    }
    return order;
  }

  #refill(): void {
    const counter = this.#counter;
    threefry4x32(counter, this.#key, this.#block);
    counter[0] = (counter[0] ?? 0) + 1;
    if (counter[0] === 0) counter[1] = (counter[1] ?? 0) + 1;
    this.#used = 0;
  }
}
