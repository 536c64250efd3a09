/** `fovea compare` as a person meets it: the built program, in a process of its own. */
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { expectNoTrace, expectSameRun, runFovea, when } from './support/command.js';

let folder: string;
const at = (...names: string[]) => join(folder, ...names);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-compare-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const GRID = [
  ...['compare', '--attention', 'none,eca,cbam:ratio=4@3', '--seeds', '2'],
  ...['--dataset', 'shapes', '--model', 'resnet20', '--limit-train', '40', '--limit-val', '40'],
  ...['--batch-size', '8', '--epochs', '2', '--lr', '0.02'],
];
const RUNS = ['none', 'eca', 'cbam-ratio=4@3'].flatMap((name) => [
  `${name}-seed1`,
  `${name}-seed2`,
]);

const ledger = async (name: string): Promise<{ name: string; state: string }[]> =>
  (JSON.parse(await readFile(at(name, 'ledger.json'), 'utf8')) as { runs: never[] }).runs;

describe('fovea compare', () => {
  beforeAll(async () => {
    const { code, stdout, stderr } = await runFovea(folder, [...GRID, '--output', 'whole']);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toContain('resnet20 on shapes: none, eca, cbam:ratio=4@3; 2 seeds, 2 epochs');
  }, 180_000);

  it('leaves a run folder for every mechanism and seed, and a ledger that says so', async () => {
    expect((await readdir(at('whole', 'runs'))).sort()).toEqual([...RUNS].sort());
    expect((await ledger('whole')).map(({ name, state }) => [name, state]).sort()).toEqual(
      RUNS.map((name) => [name, 'done']).sort(),
    );
  });

  it('does nothing again when it is done', async () => {
    const before = await readdir(at('whole', 'runs', 'eca-seed2'));
    const { code, stdout } = await runFovea(folder, ['compare', '--output', 'whole']);
    expect(code).toBe(0);
    expect(stdout).toContain('6 runs, 6 of them done before');
    expect(await readdir(at('whole', 'runs', 'eca-seed2'))).toEqual(before);
  }, 60_000);

  it('refuses other settings with a diff, and leaves everything as it was', async () => {
    const before = await readFile(at('whole', 'compare.json'), 'utf8');
    const asked = ['compare', '--output', 'whole', '--epochs', '3', '--attention', 'se'];
    const result = await runFovea(folder, asked);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain('attention: none,eca,cbam:ratio=4@3 there, none,se asked for');
    expect(result.stderr).toContain('epochs: 2 there, 3 asked for');
    expectNoTrace(result);
    expect(await readFile(at('whole', 'compare.json'), 'utf8')).toBe(before);
  });

  it('is stopped in the middle of two runs, continued, and comes to the same', async () => {
    const grid = [...GRID, '--output', 'stopped', '--jobs', '2'];
    const stopped = await runFovea(folder, grid, {
      onOutput: when('none-seed1: epoch 1/2', 'SIGINT'),
    });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toMatch(/of 6 runs done; those under way are saved/);
    const states = (await ledger('stopped')).map(({ state }) => state);
    expect(states).toContain('stopped');
    expect(states).toContain('waiting');

    const { code, stdout } = await runFovea(folder, grid);
    expect(code).toBe(0);
    expect(stdout).toMatch(/going on/);
    for (const name of RUNS) {
      await expectSameRun(at('stopped', 'runs', name), at('whole', 'runs', name));
    }
  }, 180_000);

  it.each([
    [['--attention', 'none,sea'], /Unknown attention 'sea'/],
    [['--attention', 'se,se'], /'se' is to be compared with itself/],
    [['--attention', 'gated-fusion'], /cannot stand in a network's slot/],
    [['--attention', 'se@9'], /stages must be some of the network's 1 to 4, not 9/],
    [['--jobs', '4096'], /more than this machine has cores/],
    [['--dataset', 'cifar100'], /cifar100 is read from files/],
    [['--seeds', '0'], /whole number of at least 1/],
  ])('refuses %j before it writes anything', async (flags, message) => {
    const result = await runFovea(folder, [
      ...['compare', '--dataset', 'shapes', '--output', 'refused', ...flags],
    ]);
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(message);
    expectNoTrace(result);
    expect(await readdir(folder)).not.toContain('refused');
  });

  it('refuses a folder whose settings are damaged, or that holds something else', async () => {
    await writeFile(at('notes.txt'), '');
    const damaged = at('damaged');
    await runFovea(folder, ['compare', '--dataset', 'shapes', '--output', damaged, '--jobs', '1'], {
      onOutput: when('runs', 'SIGKILL'),
    });
    await writeFile(join(damaged, 'compare.json'), '{"variants": [');
    const result = await runFovea(folder, ['compare', '--output', damaged]);
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(/compare\.json is not valid JSON: it was changed or cut off/);
  });
});
