/** What mutations draw with: thin helpers over a stream of random numbers. */
import type { RandomStream } from '../../src/random/index.js';

/**
 * Changes bytes a little. What it returns may share no memory with what it was given.
 * @param other another valid input of the same reader, to take parts from
 */
export type Mutate = (random: RandomStream, bytes: Uint8Array, other: Uint8Array) => Uint8Array;

/** One of some things, each as likely. */
export function pick<T>(random: RandomStream, things: readonly [T, ...T[]]): T;
export function pick<T>(random: RandomStream, things: readonly T[]): T | undefined;
export function pick<T>(random: RandomStream, things: readonly T[]): T | undefined {
  return things[random.integer(Math.max(1, things.length))];
}

/** True once in `n` times. */
export function once(random: RandomStream, n: number): boolean {
  return random.integer(n) === 0;
}

/** A place in something of a length: 0 to length - 1, or 0 where it is empty. */
export function place(random: RandomStream, length: number): number {
  return random.integer(Math.max(1, length));
}

/** A length of which short ones are likelier: from 1 to `most`. */
export function shortLength(random: RandomStream, most: number): number {
  return 1 + random.integer(1 + random.integer(Math.max(1, most)));
}

/** Numbers at which arithmetic breaks: ends of the types, and their neighbours. */
export const EDGES: readonly [bigint, ...bigint[]] = [
  0n,
  1n,
  2n,
  7n,
  255n,
  256n,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x1_0000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_fffen,
  0xffff_ffffn,
  0x1_0000_0000n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 62n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** An edge, or a number near `now`. */
export function edgeNear(random: RandomStream, now: number): bigint {
  if (once(random, 2)) return pick(random, EDGES);
  const near = once(random, 2) ? now + random.integer(9) - 4 : now * (1 + random.integer(4));
  return BigInt(Math.trunc(Number.isFinite(near) ? near : 0));
}
