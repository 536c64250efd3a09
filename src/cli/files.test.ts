import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { filesOf } from './files.js';

const PNG = { what: 'image', extensions: ['png', 'jpg'] };

describe('filesOf', () => {
  let folder: string;
  const at = (name: string) => join(folder, name);
  const found = async (...args: string[]) =>
    (await filesOf(args.map(at), PNG)).map((file) => relative(folder, file));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fovea-files-'));
    await mkdir(at('deep/er'), { recursive: true });
    await mkdir(at('none'));
    const names = ['b.png', 'a.JPG', 'note.txt', 'deep/c.png', 'deep/er/d.jpg', '[1].png'];
    for (const name of names) await writeFile(at(name), '');
    // A folder that contains itself.
    await symlink(folder, at('deep/loop'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('takes a folder for all files of the kind in it and below it, whatever case they are in', async () => {
    expect(await found('.')).toEqual(['[1].png', 'a.JPG', 'b.png', 'deep/c.png', 'deep/er/d.jpg']);
    expect(await found('deep/er')).toEqual(['deep/er/d.jpg']);
  });

  it('takes a pattern for what it describes', async () => {
    expect(await found('*.png')).toEqual(['[1].png', 'b.png']);
    expect(await found('deep/**/*.jpg')).toEqual(['deep/er/d.jpg']);
    expect(await found('{b.png,note.*}')).toEqual(['b.png', 'note.txt']);
  });

  it('takes a file by its name, also one that looks like a pattern or is not there', async () => {
    expect(await found('[1].png', 'note.txt', 'absent.png')).toEqual([
      '[1].png',
      'note.txt',
      'absent.png',
    ]);
  });

  it('names every file once', async () => {
    expect(await found('b.png', 'b.*', 'b.png')).toEqual(['b.png']);
  });

  it('says so where there is nothing', async () => {
    const none = found('none');
    await expect(none).rejects.toThrow(RequestError);
    await expect(none).rejects.toThrow(/no image \(\.png, \.jpg\) in the folder .*none/);
    await expect(found('*.gif')).rejects.toThrow(/No file is described by the pattern '.*\*\.gif'/);
  });
});
