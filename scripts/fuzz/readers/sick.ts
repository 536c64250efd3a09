/** Readers with every illness that the harness is to find, for its own tests. */
import { FileError } from '../../../src/errors.js';
import { pick, type Mutate } from '../dice.js';
import type { Reader } from '../reader.js';

/** One byte: what becomes of the reader. */
const dose: Mutate = (random) => Uint8Array.of(pick(random, [0, 0, 0, 1]));

function sick(name: string, illness: () => unknown): Reader {
  return {
    name: `sick-${name}`,
    what: 'for a test',
    seeds: () => [Uint8Array.of(0)],
    mutations: [dose],
    blind: false,
    read: ([much]) => {
      if (much === 1) illness();
      else throw new FileError('It is no file.');
    },
  };
}

export const sickReaders: readonly Reader[] = [
  sick('error', () => new DataView(new ArrayBuffer(0)).getUint8(1)),
  sick('speechless', () => {
    throw new FileError('It is [object Object].');
  }),
  sick('hang', () => {
    for (;;);
  }),
  sick('death', () => {
    process.kill(process.pid, 'SIGSEGV');
  }),
  sick('greed', () => new Uint8Array(300 * 2 ** 20).fill(1)),
];
