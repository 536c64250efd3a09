import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileError, RequestError } from '../../errors.js';
import { withLock } from './lock.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-lock-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('withLock', () => {
  it('names the process while the work goes on, and leaves nothing behind', async () => {
    const inside = await withLock(folder, () => readFile(join(folder, 'lock'), 'utf8'));
    expect(inside).toBe(`${process.pid}\n`);
    expect(await readdir(folder)).toEqual([]);
  });

  it('refuses while another process is at work, and leaves its lock', async () => {
    await writeFile(join(folder, 'lock'), `${process.ppid}\n`);
    const entering = withLock(folder, () => Promise.resolve('inside'));
    await expect(entering).rejects.toThrow(RequestError);
    await expect(entering).rejects.toThrow(`Process ${process.ppid} is at work in ${folder}.`);
    expect(await readdir(folder)).toEqual(['lock']);
  });

  it('takes over from a process that is gone, and from a file that names none', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    for (const content of [`${pid}\n`, '']) {
      await writeFile(join(folder, 'lock'), content);
      expect(await withLock(folder, () => Promise.resolve('inside'))).toBe('inside');
    }
  });

  it('opens again after a failure', async () => {
    const failing = withLock(folder, () => Promise.reject(new Error('broken')));
    await expect(failing).rejects.toThrow('broken');
    expect(await withLock(folder, () => Promise.resolve('inside'))).toBe('inside');
  });

  it('says when the folder cannot be written', async () => {
    const missing = withLock(join(folder, 'nowhere'), () => Promise.resolve());
    await expect(missing).rejects.toThrow(FileError);
  });
});
