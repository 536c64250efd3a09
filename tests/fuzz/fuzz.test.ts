/**
 * A few hundred spoiled inputs for every reader; `npm run fuzz` tries millions. And the harness itself:
 * it finds what it is there for.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inputOf, seedsOf } from '../../scripts/fuzz/reader.js';
import { readerOf, readers } from '../../scripts/fuzz/readers/index.js';
import { noProgress, tryInputs } from '../../scripts/fuzz/supervise.js';
import { tryInput } from '../../scripts/fuzz/try.js';

const SEED = 20260101;
const INPUTS = 200;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fovea-fuzz-test-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

describe.each(readers.map(({ name, what }) => ({ name, what })))('$name: $what', ({ name }) => {
  const reader = readerOf(name);

  it('reads a spoiled input, or refuses it in words of Fovea', async () => {
    const seeds = await seedsOf(reader);
    const own = mkdtempSync(join(folder, 'reader-'));
    const faults: unknown[] = [];
    for (let index = 0; index < (reader.slow ? INPUTS / 5 : INPUTS); index++) {
      const outcome = await tryInput(reader, inputOf(reader, seeds, SEED, index), own);
      if (outcome.kind === 'fault') faults.push({ index, ...outcome.fault });
    }
    expect(faults).toEqual([]);
  });

  it('is given the same inputs for the same seed, and others for another', async () => {
    const inputs = async (seed: number): Promise<Uint8Array[]> => {
      const seeds = await seedsOf(reader);
      return Array.from({ length: 5 }, (_, index) => inputOf(reader, seeds, seed, index));
    };
    const first = await inputs(SEED);
    expect(await inputs(SEED)).toEqual(first);
    expect(await inputs(SEED + 1)).not.toEqual(first);
  });
});

/** The number of the first input that makes a sick reader ill. */
async function firstBad(name: string): Promise<number> {
  const reader = readerOf(name);
  const seeds = await seedsOf(reader);
  let index = 0;
  while (inputOf(reader, seeds, SEED, index)[0] !== 1) index++;
  return index;
}

describe('the harness', () => {
  it.each([
    ['sick-error', 'RangeError', 'Offset is outside the bounds of the DataView'],
    ['sick-speechless', 'message without meaning', 'It is [object Object].'],
  ] as const)('knows the error of %s for a fault', async (name, kind, message) => {
    const bad = Uint8Array.of(1);
    const outcome = await tryInput(readerOf(name), bad, folder);
    expect(outcome).toMatchObject({ kind: 'fault', fault: { kind, message } });
    expect(await tryInput(readerOf(name), Uint8Array.of(0), folder)).toEqual({
      kind: 'refused',
      error: 'FileError',
    });
  });

  it.each([
    ['sick-hang', 'over 2 s', /^SIGKILL/],
    ['sick-death', 'process died', /^SIGSEGV/],
    ['sick-greed', 'memory', /^3\d{8} bytes for an input of 1$/],
  ] as const)('survives %s and goes on', async (name, kind, message) => {
    const bad = await firstBad(name);
    const progress = noProgress();
    await tryInputs({ reader: name, seed: SEED, count: bad + 2, patience: 5000 }, progress);

    const { faults, inputs } = progress.tally;
    expect(inputs).toBe(bad + 2);
    const found = Object.values(faults).find(({ fault }) => fault.index === bad);
    expect(found?.fault).toMatchObject({ kind, message: expect.stringMatching(message) as string });
  });
});
