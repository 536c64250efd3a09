import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { FileError } from '../../errors.js';
import { readEvents } from '../testing/tfrecord.js';
import { EventWriter } from './event-writer.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-events-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('EventWriter', () => {
  it('makes the folder and writes what a reader finds while the run goes on', async () => {
    const before = Date.now() / 1000;
    const writer = await EventWriter.open(join(folder, 'run'));
    await writer.scalars(1, { loss: 4.5 });
    await writer.scalars(2, { loss: 4, top1: 0.25 });
    const [version, ...events] = readEvents(await readFile(writer.path));
    expect(version?.fileVersion).toBe('brain.Event:2');
    expect(events.map(({ step, scalars }) => ({ step, scalars }))).toEqual([
      { step: 1, scalars: { loss: 4.5 } },
      { step: 2, scalars: { loss: 4, top1: 0.25 } },
    ]);
    expect(events[1]?.wallTime).toBeGreaterThanOrEqual(before);
    expect(events[1]?.wallTime).toBeLessThanOrEqual(Date.now() / 1000);
    await writer.close();
  });

  it('resumes in a new file, named after the old one, which it leaves as it was', async () => {
    const first = await EventWriter.open(folder);
    await first.scalars(5, { loss: 1 });
    await first.close();
    const content = await readFile(first.path);

    const second = await EventWriter.open(folder, { resumeStep: 5 });
    await second.scalars(5, { loss: 0.5 });
    await second.close();

    const names = (await readdir(folder)).sort();
    expect(names.map((name) => join(folder, name))).toEqual([first.path, second.path]);
    expect(await readFile(first.path)).toEqual(content);
    const events = readEvents(await readFile(second.path));
    expect(events.map((event) => event.step)).toEqual([0, 5, 5]);
    expect(events[1]?.sessionStatus).toBe(1);
    expect(events[2]?.scalars).toEqual({ loss: 0.5 });
  });

  it('follows a file from a clock that was ahead', async () => {
    await writeFile(join(folder, 'events.out.tfevents.4000000000.host.1.0'), '');
    const writer = await EventWriter.open(folder);
    expect(writer.path).toContain('events.out.tfevents.4000000001.');
    await writer.close();
  });

  it('says when the folder cannot be made', async () => {
    await writeFile(join(folder, 'file'), '');
    const opening = EventWriter.open(join(folder, 'file'));
    await expect(opening).rejects.toThrow(FileError);
    await expect(opening).rejects.toThrow(/Cannot make the folder/);
  });
});
