/** Mutations that know nothing of a format: bits, numbers, pieces. */
import type { RandomStream } from '../../../src/random/index.js';
import { edgeNear, once, pick, place, shortLength, type Mutate } from '../dice.js';

const utf8 = new TextEncoder();

/** Pieces put together. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Text as UTF-8. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  return utf8.encode(text);
}

/** Bytes with some of them replaced. */
export function replaceAt(
  bytes: Uint8Array,
  start: number,
  end: number,
  by: Uint8Array,
): Uint8Array {
  return concat(bytes.subarray(0, start), by, bytes.subarray(end));
}

/** A whole number in 1, 2, 4 or 8 bytes, whatever does not fit cut off. */
export function numberBytes(
  value: bigint,
  width: 1 | 2 | 4 | 8,
  littleEndian: boolean,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), littleEndian);
  return littleEndian ? bytes.slice(0, width) : bytes.slice(8 - width);
}

function numberAt(bytes: Uint8Array, at: number, width: number, littleEndian: boolean): number {
  let value = 0;
  for (let i = 0; i < width; i++) {
    value = value * 256 + (bytes[littleEndian ? at + width - 1 - i : at + i] ?? 0);
  }
  return value;
}

/** Some bits of it, all within a few bytes, turned over. */
export const flipBits: Mutate = (random, bytes) => {
  const changed = bytes.slice();
  const start = place(random, bytes.length);
  for (let flips = shortLength(random, 4); flips > 0; flips--) {
    const at = Math.min(bytes.length - 1, start + random.integer(3));
    if (at >= 0) changed[at] = (changed[at] ?? 0) ^ (1 << random.integer(8));
  }
  return changed;
};

/** One bit of it turned over. */
export const flipOneBit: Mutate = (random, bytes) => {
  const changed = bytes.slice();
  const at = place(random, bytes.length);
  changed[at] = (changed[at] ?? 0) ^ (1 << random.integer(8));
  return changed;
};

const setNumber: Mutate = (random, bytes) => {
  const width = pick(random, [1, 2, 4, 8] as const);
  if (bytes.length < width) return bytes.slice();
  const littleEndian = !once(random, 3);
  const at = place(random, bytes.length - width + 1);
  const value = edgeNear(random, numberAt(bytes, at, width, littleEndian));
  return replaceAt(bytes, at, at + width, numberBytes(value, width, littleEndian));
};

const remove: Mutate = (random, bytes) => {
  const at = place(random, bytes.length);
  return replaceAt(bytes, at, at + shortLength(random, 64), new Uint8Array());
};

const repeat: Mutate = (random, bytes) => {
  const at = place(random, bytes.length);
  const piece = bytes.subarray(at, at + shortLength(random, 64));
  const times = once(random, 8) ? shortLength(random, 300) : 1 + random.integer(3);
  return replaceAt(bytes, at, at, concat(...Array.from({ length: times }, () => piece)));
};

const insert: Mutate = (random, bytes) => {
  const at = place(random, bytes.length + 1);
  return replaceAt(bytes, at, at, noise(random, shortLength(random, 32)));
};

const truncate: Mutate = (random, bytes) => bytes.slice(0, place(random, bytes.length));

const splice: Mutate = (random, bytes, other) => {
  const from = place(random, other.length);
  const piece = other.subarray(from, from + shortLength(random, 256));
  const at = place(random, bytes.length + 1);
  return replaceAt(bytes, at, at + (once(random, 2) ? piece.length : 0), piece);
};

const swap: Mutate = (random, bytes) => {
  const [a = 0, b = 0, c = 0] = [0, 0, 0]
    .map(() => place(random, bytes.length + 1))
    .sort((x, y) => x - y);
  const parts = [[0, a] as const, [b, c] as const, [a, b] as const, [c, bytes.length] as const];
  return concat(...parts.map(([from, to]) => bytes.subarray(from, to)));
};

/** Random bytes. */
export function noise(random: RandomStream, length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, () => random.integer(256));
}

const BLIND = [
  flipBits,
  flipBits,
  setNumber,
  setNumber,
  remove,
  repeat,
  insert,
  truncate,
  splice,
  swap,
] as const;

/** Any of the mutations above. */
export const mutateBytes: Mutate = (random, bytes, other) =>
  pick(random, BLIND)(random, bytes, other);
