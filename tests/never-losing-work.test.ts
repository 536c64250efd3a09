/** What is left of a run when it is killed, its files are damaged or the disk is full. */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { readCheckpoint } from '../src/training/checkpoint.js';
import { readEvents } from '../src/training/testing/tfrecord.js';
import {
  expectNoTrace,
  expectSameRun,
  metricsOf,
  runFovea,
  when,
  withoutTimes,
  type Conditions,
} from './support/command.js';

const FULL_DISK = new URL('full-disk.mjs', import.meta.url).href;
const KILL_AT = new URL('support/kill-at.mjs', import.meta.url).href;

/** Three epochs of four steps. */
const RUN = [
  ...['--dataset', 'shapes', '--model', 'resnet20', '--epochs', '3'],
  ...['--limit-train', '32', '--batch-size', '8', '--limit-val', '20'],
];

// A test starts up to fourteen processes, on machines that may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let folder: string;
const at = (...names: string[]) => join(folder, ...names);
const fovea = (args: readonly string[], conditions?: Conditions) =>
  runFovea(folder, args, conditions);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-kept-'));
  const { code } = await fovea(['train', ...RUN, '--output', 'whole']);
  expect(code).toBe(0);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A copy of the whole run, to be spoilt. */
async function copy(name: string): Promise<string> {
  await cp(at('whole'), at(name), { recursive: true });
  return at(name);
}

async function flipBit(file: string, place: number): Promise<void> {
  const bytes = await readFile(file);
  const byte = Math.floor(bytes.length * place);
  bytes[byte] = (bytes[byte] ?? 0) ^ 0x10;
  await writeFile(file, bytes);
}

describe('a run that is killed', () => {
  const killedAt = (moment: string): Conditions => ({
    preload: KILL_AT,
    env: { KILL_AT: moment },
  });
  const killedAfter = (milliseconds: number): Conditions => ({
    onOutput: when(' train ', 'SIGKILL', milliseconds),
  });

  /** One after the other, each in a process that goes on from where the one before was killed. */
  const moments: readonly (readonly [what: string, conditions: Conditions])[] = [
    ['before the first step', killedAt('named config.json 1')],
    ['while it writes its first checkpoint', killedAt('half last.safetensors 1')],
    [
      'when its last checkpoint has become the previous one',
      killedAt('written last.safetensors 2'),
    ],
    ['when a checkpoint is whole but has no name', killedAt('written previous.safetensors 1')],
    ['while a step runs', killedAfter(0)],
    ['some steps later', killedAfter(120)],
    ['while it writes the best checkpoint', killedAt('half best.safetensors 1')],
    ['between the best checkpoint and the last', killedAt('named best.safetensors 1')],
    ['between a checkpoint and its metrics', killedAt('named last.safetensors 2')],
    ['while it writes its metrics', killedAt('half metrics.jsonl 3')],
    // After the file's version, its session's start and the epoch before.
    ['while it tells TensorBoard of an epoch', killedAt('half events 4')],
    ['when the epochs are done and the summary is not', killedAt('half summary.json 1')],
  ];

  /** A whole checkpoint is there whenever one was. */
  async function wholeCheckpoint(
    run: string,
  ): Promise<{ epoch: number; iteration: number } | undefined> {
    for (const name of ['last.safetensors', 'previous.safetensors']) {
      if (!existsSync(join(run, name))) continue;
      const { position } = await readCheckpoint(await readFile(join(run, name)), name);
      return position;
    }
    return undefined;
  }

  it('with SIGKILL at twelve moments comes to the same bits as one that is not', async () => {
    const run = at('killed');
    const places: string[] = [];
    for (const [what, conditions] of moments) {
      const args = places.length === 0 ? [...RUN, '--output', 'killed'] : ['--resume', 'killed'];
      // A checkpoint after every step.
      const killed = await fovea(['train', ...args, '--checkpoint-minutes', '0'], conditions);
      expect(killed, what).toMatchObject({ signal: 'SIGKILL' });
      const position = await wholeCheckpoint(run);
      places.push(position ? `${position.epoch}.${position.iteration}` : 'none');
    }
    // No step is done twice but the one under way.
    expect(places.slice(0, 4)).toEqual(['none', 'none', '0.1', '0.2']);
    expect(places.slice(-5)).toEqual(['0.4', '1.1', '1.3', '2.0', '3.0']);

    const finished = await fovea(['train', '--resume', 'killed']);
    expect(finished.code).toBe(0);
    await expectSameRun(run, at('whole'));
    expect(await curvesOf(run)).toEqual(await curvesOf(at('whole')));
    expect(await readdir(run)).not.toContainEqual(expect.stringContaining('.tmp'));
  });

  /** What TensorBoard shows: a resumed run's file replaces the others from its first step on. */
  async function curvesOf(run: string): Promise<unknown> {
    const steps = new Map<number, Record<string, number>>();
    const files = (await readdir(run)).filter((name) => name.startsWith('events.')).sort();
    for (const file of files) {
      for (const { step, scalars, sessionStatus } of readEvents(
        await wholeRecords(join(run, file)),
      )) {
        if (sessionStatus === 1) {
          for (const known of steps.keys()) if (known >= step) steps.delete(known);
        }
        const curves = withoutTimes(scalars);
        if (Object.keys(curves).length > 0) steps.set(step, curves);
      }
    }
    const metrics = await metricsOf(run);
    expect([...steps.keys()]).toEqual(metrics.map(({ epoch }) => epoch));
    return [...steps];
  }

  /** A file up to the record in whose midst its process was killed, as TensorBoard reads it. */
  async function wholeRecords(file: string): Promise<Uint8Array> {
    const bytes = await readFile(file);
    let end = 0;
    while (end + 12 <= bytes.length) {
      const next = end + 16 + Number(bytes.readBigUInt64LE(end));
      if (next > bytes.length) break;
      end = next;
    }
    return bytes.subarray(0, end);
  }
});

describe('a run whose last checkpoint is damaged', () => {
  it('goes on from the one before, says so, and comes to the same', async () => {
    const run = await copy('damaged');
    await flipBit(join(run, 'last.safetensors'), 0.7);
    const damaged = await readFile(join(run, 'last.safetensors'));
    const resumed = await fovea(['train', '--resume', run]);
    expect(resumed.code).toBe(0);
    expect(resumed.stdout).toMatch(
      /last\.safetensors is damaged: .*\. The run goes on from the checkpoint before it/,
    );
    expect(resumed.stdout).toContain('Continuing after epoch 2.');
    await expectSameRun(run, at('whole'));
    expect(await readFile(join(run, 'last.damaged.safetensors'))).toEqual(damaged);
  });

  it('is refused when the one before is damaged too, and stays as it is', async () => {
    const run = await copy('both');
    await truncate(join(run, 'last.safetensors'), 100_000);
    await flipBit(join(run, 'previous.safetensors'), 0.5);
    const before = await readdir(run);
    const refused = await fovea(['train', '--resume', run]);
    expect(refused.code).toBe(2);
    expectNoTrace(refused);
    expect(refused.stderr).toMatch(
      /truncated\. .*previous\.safetensors is damaged: .*Put back a copy/,
    );
    expect(await readdir(run)).toEqual(before);
  });
});

describe('a best checkpoint', () => {
  it('that is damaged is not evaluated', async () => {
    const run = await copy('best');
    await flipBit(join(run, 'best.safetensors'), 0.9);
    const refused = await fovea(['eval', '--run', run]);
    expect(refused.code).toBe(2);
    expectNoTrace(refused);
    expect(refused.stderr).toMatch(/best\.safetensors is damaged: .*SHA-256/);
  });
});

describe('a run on a full disk', () => {
  it('keeps the checkpoint before, and goes on from it', async () => {
    const full = await fovea(['train', ...RUN, '--output', 'full'], { preload: FULL_DISK });
    expect(full.code).toBe(1);
    expectNoTrace(full);
    expect(full.stderr).toMatch(/the disk is full.*after epoch 1 is kept.*fovea train --resume/s);
    expect(await readdir(at('full'))).not.toContainEqual(expect.stringContaining('.tmp'));
    const resumed = await fovea(['train', '--resume', 'full']);
    expect(resumed.code).toBe(0);
    await expectSameRun(at('full'), at('whole'));
  });

  // The system's own refusal to write more, without a disk that is really full.
  it.skipIf(process.platform === 'win32')('loses neither of the two checkpoints', async () => {
    const run = await copy('limited');
    await truncate(join(run, 'last.safetensors'), 0);
    const previous = await readFile(join(run, 'previous.safetensors'));
    const full = await fovea(['train', '--resume', run], { fileSizeLimit: 400 });
    expect(full.code).toBe(1);
    expectNoTrace(full);
    expect(full.stderr).toMatch(
      /Cannot write .*safetensors: .*\(EFBIG\).*after epoch 2 is kept in .*previous\.safetensors/s,
    );
    expect(await readFile(join(run, 'previous.safetensors'))).toEqual(previous);
    expect(await readdir(run)).not.toContainEqual(expect.stringContaining('.tmp'));
    const resumed = await fovea(['train', '--resume', run]);
    expect(resumed.code).toBe(0);
    await expectSameRun(run, at('whole'));
  });
});
