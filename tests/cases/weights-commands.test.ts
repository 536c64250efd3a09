/** Weights of other programs, as a person meets them: `fovea convert`, and `--weights` of `fovea eval`. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createModel } from '../../src/models/index.js';
import { readTensors, saveTensors } from '../../src/formats/node/files.js';
import type { StoredTensor } from '../../src/formats/safetensors.js';
import { runFovea } from '../support/command.js';

let folder: string;
const at = (name: string) => join(folder, name);
const file = (path: string) => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const fovea = (...args: string[]) => runFovea(folder, args);
const namesIn = async (name: string) => [...(await readTensors(at(name))).tensors.keys()].sort();
const FOUR = ['bn1.num_batches_tracked', 'bn1.running_mean', 'bn1.weight', 'conv1.weight'];
const EVAL = ['eval', '--model', 'resnet20', '--dataset', 'shapes', '--limit-val', '10'];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-weights-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Saves a network's weights with something before their names, and one tensor more. */
async function saveWrapped(name: string, prefix: string, more: string[] = []): Promise<void> {
  const tensors = new Map<string, StoredTensor>();
  for (const [key, { shape, data }] of createModel('resnet20', { seed: 1 }).stateDict()) {
    const stored: StoredTensor =
      data instanceof Float32Array
        ? { dtype: 'F32', shape, data }
        : { dtype: 'I64', shape, data: BigInt64Array.from(data, BigInt) };
    tensors.set(prefix + key, stored);
  }
  for (const key of more) tensors.set(key, { dtype: 'F32', shape: [], data: Float32Array.of(1) });
  await saveTensors(at(name), tensors);
}

describe('fovea convert', () => {
  it('says which prefix all names have, and takes it away', async () => {
    const origmod = file('cases/pt-prefixes/origmod.pth');
    const listed = await fovea('convert', origmod);
    expect(listed.stdout).toContain('Every name begins with _orig_mod.: --prefix _orig_mod takes');
    const done = await fovea('convert', origmod, 'o.safetensors', '--prefix', '_orig_mod');
    expect(done.code).toBe(0);
    expect(await namesIn('o.safetensors')).toEqual(FOUR);
    await fovea('convert', 'o.safetensors', 'p.safetensors', '--prefix', 'net.a', '--reverse');
    expect(await namesIn('p.safetensors')).toEqual(FOUR.map((name) => `net.a.${name}`));
  });

  it('goes without tensors that are not wanted', async () => {
    const swa = file('cases/pt-swa-n-averaged/swa.pth');
    const flags = ['--leave-out', 'n_averaged', '--names', 'data-parallel'];
    const done = await fovea('convert', swa, 's.safetensors', ...flags);
    expect(done.stdout).toContain('left out: n_averaged (as asked)');
    expect(await namesIn('s.safetensors')).toEqual(FOUR);
  });

  it.each([
    [
      'a tensor that cannot be read',
      file('weights/unread-sparse.pt'),
      [],
      /--leave-out 'x\.weight'/,
    ],
    ['a collision', file('cases/hostile/collide.pt'), [], /two tensors would be called 'a\.b'/],
    [
      'a prefix that none has',
      file('cases/pt-prefixes/origmod.pth'),
      ['--prefix', 'x'],
      /No name begins with 'x\.'/,
    ],
    [
      'a part of safetensors',
      file('cases/st-unaligned/s_meta.safetensors'),
      ['--part', 'x'],
      /has no parts/,
    ],
  ])('refuses %s, and writes nothing', async (_, from, flags, message) => {
    const result = await fovea('convert', from, 'none.safetensors', ...flags);
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(2);
    expect(existsSync(at('none.safetensors'))).toBe(false);
  });
});

describe('fovea eval --weights', () => {
  it('takes away what wrappers put before names, and says so', async () => {
    await saveWrapped('plain.safetensors', '');
    await saveWrapped('wrapped.safetensors', 'module._orig_mod.');
    const plain = await fovea(...EVAL, '--weights', 'plain.safetensors', '--json');
    const wrapped = await fovea(...EVAL, '--weights', 'wrapped.safetensors', '--json');
    expect(plain.stderr).not.toContain('took');
    expect(wrapped.stderr).toContain('took module._orig_mod. away from the names of the weights');
    const { loss } = JSON.parse(plain.stdout) as { loss: number };
    expect(JSON.parse(wrapped.stdout)).toMatchObject({ loss });
  });

  it('goes without tensors that the network does not have', async () => {
    await saveWrapped('swa.safetensors', 'module.', ['n_averaged']);
    const refused = await fovea(...EVAL, '--weights', 'swa.safetensors');
    expect(refused.stderr).toContain("--leave-out 'n_averaged'");
    expect(refused.code).toBe(2);
    const done = await fovea(...EVAL, '--weights', 'swa.safetensors', '--leave-out', 'n_averaged');
    expect(done.code).toBe(0);
  });

  it('has these flags for a file only', async () => {
    const result = await fovea('eval', '--run', '.', '--part', 'ema');
    expect(result.stderr).toContain('A run has its own weights: leave out --part.');
    expect(result.code).toBe(2);
  });
});
