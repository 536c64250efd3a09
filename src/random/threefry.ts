/**
 * Threefry-4x32-20, the counter-based generator of Random123.
 * Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 *
 *   (counter, key), 4 x 32 bits each  ->  4 x 32 random bits
 *
 * Twenty rounds of 32-bit additions, rotations and exclusive ors, with the key added in before the
 * first round and after every fourth. No state, no multiplication, no floating point: every machine
 * gives the same bits. The rounds are written out because that is several times faster in a
 * JavaScript engine than looping over a table of rotations.
 */

/** Skein's parity constant: keeps the extended key from being all zero. */
const PARITY = 0x1bd11bda;

/** Four 32-bit words. */
export type Words = Uint32Array;

/**
 * Encrypts one counter block.
 *
 * @param counter 4 words
 * @param key 4 words
 * @param out receives 4 words; may be the counter or the key itself
 */
export function threefry4x32(counter: Words, key: Words, out: Words): void {
  const k0 = (key[0] ?? 0) | 0;
  const k1 = (key[1] ?? 0) | 0;
  const k2 = (key[2] ?? 0) | 0;
  const k3 = (key[3] ?? 0) | 0;
  const k4 = PARITY ^ k0 ^ k1 ^ k2 ^ k3;

  let x0 = ((counter[0] ?? 0) + k0) | 0;
  let x1 = ((counter[1] ?? 0) + k1) | 0;
  let x2 = ((counter[2] ?? 0) + k2) | 0;
  let x3 = ((counter[3] ?? 0) + k3) | 0;

  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 10) | (x1 >>> 22)) ^ x0;
  x2 = (x2 + x3) | 0;
  x3 = ((x3 << 26) | (x3 >>> 6)) ^ x2;
  x0 = (x0 + x3) | 0;
  x3 = ((x3 << 11) | (x3 >>> 21)) ^ x0;
  x2 = (x2 + x1) | 0;
  x1 = ((x1 << 21) | (x1 >>> 11)) ^ x2;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x2 = (x2 + x3) | 0;
  x3 = ((x3 << 27) | (x3 >>> 5)) ^ x2;
  x0 = (x0 + x3) | 0;
  x3 = ((x3 << 23) | (x3 >>> 9)) ^ x0;
  x2 = (x2 + x1) | 0;
  x1 = ((x1 << 5) | (x1 >>> 27)) ^ x2;

  x0 = (x0 + k1) | 0;
  x1 = (x1 + k2) | 0;
  x2 = (x2 + k3) | 0;
  x3 = (x3 + k4 + 1) | 0;

  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x2 = (x2 + x3) | 0;
  x3 = ((x3 << 20) | (x3 >>> 12)) ^ x2;
  x0 = (x0 + x3) | 0;
  x3 = ((x3 << 17) | (x3 >>> 15)) ^ x0;
  x2 = (x2 + x1) | 0;
  x1 = ((x1 << 11) | (x1 >>> 21)) ^ x2;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 25) | (x1 >>> 7)) ^ x0;
  x2 = (x2 + x3) | 0;
  x3 = ((x3 << 10) | (x3 >>> 22)) ^ x2;
  x0 = (x0 + x3) | 0;
  x3 = ((x3 << 18) | (x3 >>> 14)) ^ x0;
  x2 = (x2 + x1) | 0;
  x1 = ((x1 << 20) | (x1 >>> 12)) ^ x2;

  x0 = (x0 + k2) | 0;
  x1 = (x1 + k3) | 0;
  x2 = (x2 + k4) | 0;
  x3 = (x3 + k0 + 2) | 0;

  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 10) | (x1 >>> 22)) ^ x0;
  x2 = (x2 + x3) | 0;
  x3 = ((x3 << 26) | (x3 >>> 6)) ^ x2;
  x0 = (x0 + x3) | 0;
  x3 = ((x3 << 11) | (x3 >>> 21)) ^ x0;
  x2 = (x2 + x1) | 0;
  x1 = ((x1 << 21) | (x1 >>> 11)) ^ x2;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x2 = (x2 + x3) | 0;
  x3 = ((x3 << 27) | (x3 >>> 5)) ^ x2;
  x0 = (x0 + x3) | 0;
  x3 = ((x3 << 23) | (x3 >>> 9)) ^ x0;
  x2 = (x2 + x1) | 0;
  x1 = ((x1 << 5) | (x1 >>> 27)) ^ x2;

  x0 = (x0 + k3) | 0;
  x1 = (x1 + k4) | 0;
  x2 = (x2 + k0) | 0;
  x3 = (x3 + k1 + 3) | 0;

  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x2 = (x2 + x3) | 0;
  x3 = ((x3 << 20) | (x3 >>> 12)) ^ x2;
  x0 = (x0 + x3) | 0;
  x3 = ((x3 << 17) | (x3 >>> 15)) ^ x0;
  x2 = (x2 + x1) | 0;
  x1 = ((x1 << 11) | (x1 >>> 21)) ^ x2;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 25) | (x1 >>> 7)) ^ x0;
  x2 = (x2 + x3) | 0;
  x3 = ((x3 << 10) | (x3 >>> 22)) ^ x2;
  x0 = (x0 + x3) | 0;
  x3 = ((x3 << 18) | (x3 >>> 14)) ^ x0;
  x2 = (x2 + x1) | 0;
  x1 = ((x1 << 20) | (x1 >>> 12)) ^ x2;

  x0 = (x0 + k4) | 0;
  x1 = (x1 + k0) | 0;
  x2 = (x2 + k1) | 0;
  x3 = (x3 + k2 + 4) | 0;

  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 10) | (x1 >>> 22)) ^ x0;
  x2 = (x2 + x3) | 0;
  x3 = ((x3 << 26) | (x3 >>> 6)) ^ x2;
  x0 = (x0 + x3) | 0;
  x3 = ((x3 << 11) | (x3 >>> 21)) ^ x0;
  x2 = (x2 + x1) | 0;
  x1 = ((x1 << 21) | (x1 >>> 11)) ^ x2;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x2 = (x2 + x3) | 0;
  x3 = ((x3 << 27) | (x3 >>> 5)) ^ x2;
  x0 = (x0 + x3) | 0;
  x3 = ((x3 << 23) | (x3 >>> 9)) ^ x0;
  x2 = (x2 + x1) | 0;
  x1 = ((x1 << 5) | (x1 >>> 27)) ^ x2;

  x0 = (x0 + k0) | 0;
  x1 = (x1 + k1) | 0;
  x2 = (x2 + k2) | 0;
  x3 = (x3 + k3 + 5) | 0;

  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
}
