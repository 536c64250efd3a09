import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { FileError } from '../../errors.js';
import type { HostTensors } from '../../runtime/engine.js';
import { writeSafetensors } from '../../formats/safetensors.js';
import { readCheckpoint, writeCheckpoint } from '../checkpoint.js';
import { emptyTally, type EpochMetrics } from '../metrics.js';
import { makeRecipe } from '../recipe.js';
import { classification } from '../../tasks/classification.js';
import { Diverged, type Position } from '../fit.js';
import {
  findCheckpoint,
  newestCheckpoint,
  saveCheckpoint,
  setDamagedAside,
} from './checkpoints.js';
import { RunFolder } from './run-folder.js';

let folder: RunFolder;
beforeEach(async () => {
  const path = await mkdtemp(join(tmpdir(), 'fovea-checkpoints-'));
  folder = await RunFolder.create(path, makeRecipe({}));
});
afterEach(() => rm(folder.path, { recursive: true, force: true }));

const LAST = 'last.safetensors';
const PREVIOUS = 'previous.safetensors';

/** The values after so many steps. */
function values(step: number): HostTensors {
  return { weight: { dtype: 'float32', shape: [2], data: Float32Array.of(step, -step) } };
}

const TOP1 = classification().primary;

/** The position after so many epochs with these accuracies, and some steps of the next. */
function position(accuracies: readonly number[], iteration = 0): Position {
  const metrics = accuracies.map((val_top1, i): EpochMetrics => ({
    epoch: i + 1,
    lr: 0.1,
    train_loss: 1,
    train_top1: 1,
    val_loss: 1,
    val_top1,
    val_top5: 90,
    seconds: 1,
    images_per_second: 1,
  }));
  return { epoch: metrics.length, iteration, tally: emptyTally(), seconds: 0, metrics };
}

const found = () => findCheckpoint(folder, values(0));
const firstWeight = async () => (await found())?.checkpoint.state['weight']?.data[0];
const stepIn = async (name: string) =>
  (await readCheckpoint(await readFile(folder.file(name)), name)).state['weight']?.data[0];

async function flipBit(name: string): Promise<void> {
  const bytes = await readFile(folder.file(name));
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await writeFile(folder.file(name), bytes);
}

describe('saveCheckpoint', () => {
  it('keeps the last checkpoint and the one before it', async () => {
    expect(await found()).toBeUndefined();
    for (const step of [1, 2, 3])
      await saveCheckpoint(folder, position([], step), values(step), TOP1);
    expect(await stepIn(LAST)).toBe(3);
    expect(await stepIn(PREVIOUS)).toBe(2);
    expect(await firstWeight()).toBe(3);
    expect(await found()).toMatchObject({ damaged: false, notes: [] });
  });

  it('keeps the best epoch, the first among equals, and no epoch that is not over', async () => {
    await saveCheckpoint(folder, position([], 3), values(1), TOP1);
    expect(folder.has('best.safetensors')).toBe(false);
    await saveCheckpoint(folder, position([50]), values(2), TOP1);
    await saveCheckpoint(folder, position([50], 1), values(3), TOP1);
    await saveCheckpoint(folder, position([50, 50]), values(4), TOP1);
    expect(await stepIn('best.safetensors')).toBe(2);
    await saveCheckpoint(folder, position([50, 50, 60]), values(5), TOP1);
    expect(await stepIn('best.safetensors')).toBe(5);
    expect((await readFile(folder.file('metrics.jsonl'), 'utf8')).split('\n')).toHaveLength(4);
  });

  it('writes nothing that is not finite', async () => {
    await saveCheckpoint(folder, position([50]), values(1), TOP1);
    await expect(saveCheckpoint(folder, position([50, 60]), values(NaN), TOP1)).rejects.toThrow(
      Diverged,
    );
    expect(await stepIn(LAST)).toBe(1);
    expect(folder.has(PREVIOUS)).toBe(false);
  });
});

describe('findCheckpoint', () => {
  beforeEach(async () => {
    await saveCheckpoint(folder, position([], 1), values(1), TOP1);
    await saveCheckpoint(folder, position([], 2), values(2), TOP1);
  });

  it.each([
    ['is truncated', () => truncate(folder.file(LAST), 300), /last\.safetensors: .*truncated.*\. /],
    [
      'is empty',
      () => truncate(folder.file(LAST), 0),
      /last\.safetensors: 0 bytes are too few.*\. /,
    ],
    ['has a bit wrong', () => flipBit(LAST), /last\.safetensors is damaged: .*SHA-256.*\. /],
    [
      'is a file of mere weights',
      () => writeFile(folder.file(LAST), writeSafetensors(new Map())),
      /last\.safetensors holds weights.*\. /,
    ],
  ])('goes back to the previous one, saying why, when the last %s', async (_, damage, reason) => {
    await damage();
    const back = await found();
    expect(back).toMatchObject({ damaged: true, checkpoint: { position: { iteration: 1 } } });
    expect(back?.notes[0]).toMatch(reason);
    expect(back?.notes[0]).toMatch(
      /goes on from the checkpoint before it, previous.safetensors\.$/,
    );
  });

  it('goes on from the previous one when the run was killed between two names', async () => {
    await rm(folder.file(LAST));
    expect(newestCheckpoint(folder)).toBe(PREVIOUS);
    expect(await firstWeight()).toBe(1);
    expect(await found()).toMatchObject({ damaged: false, notes: [] });
  });

  it('never lets a damaged checkpoint take the place of the whole one', async () => {
    await flipBit(LAST);
    await setDamagedAside(folder);
    expect(await readdir(folder.path)).toContain('last.damaged.safetensors');
    await saveCheckpoint(folder, position([], 2), values(2), TOP1);
    expect([await stepIn(LAST), await stepIn(PREVIOUS)]).toEqual([2, 1]);
  });

  it('refuses when both are damaged, naming both, with what to do', async () => {
    await truncate(folder.file(LAST), 100);
    await flipBit(PREVIOUS);
    await expect(found()).rejects.toThrow(FileError);
    await expect(found()).rejects.toThrow(
      /last\.safetensors: .*\. .*previous\.safetensors is damaged: .*\. There is no other checkpoint.* remove both files to begin the run again/,
    );
  });

  it('refuses when the only one is damaged', async () => {
    await rm(folder.file(PREVIOUS));
    await flipBit(LAST);
    await expect(found()).rejects.toThrow(/is damaged.* remove the file to begin the run again/);
  });

  it('refuses one that is whole but of another network, without going back', async () => {
    const other: HostTensors = { bias: { dtype: 'float32', shape: [], data: new Float32Array(1) } };
    await expect(findCheckpoint(folder, other)).rejects.toThrow(
      /last\.safetensors does not fit the run's config.json: bias is missing; weight is unknown\.$/,
    );
  });

  it.each(['', 'x', 'null', '[1]', '{"node":18}'])(
    'goes on from one whose versions are %j, which nothing depends on',
    async (versions) => {
      const metadata = { 'fovea.versions': versions };
      await folder.writeBytes(LAST, await writeCheckpoint(values(5), position([]), { metadata }));
      expect(await found()).toMatchObject({ damaged: false, notes: [] });
      expect(await firstWeight()).toBe(5);
    },
  );

  it('tells of other versions than those that it was written with', async () => {
    const metadata = { 'fovea.versions': '{"onnxruntime-node":"1.2.3","gone":"1"}' };
    const bytes = await writeCheckpoint(values(1), position([], 1), { metadata });
    await folder.writeBytes(LAST, bytes);
    expect((await found())?.notes).toEqual([
      expect.stringMatching(/^The checkpoint was written with onnxruntime-node 1\.2\.3, now \d/),
    ]);
  });
});
