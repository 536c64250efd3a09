import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { FileError } from '../../errors.js';
import type { StoredTensor } from '../safetensors.js';
import {
  asFileError,
  makeFolder,
  readFileChecked,
  readTensors,
  removeTemporaryFiles,
  saveTensors,
  writeFileAtomic,
} from './files.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-files-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('writeFileAtomic', () => {
  it('writes bytes and text, and replaces what was there', async () => {
    const path = join(folder, 'a.txt');
    await writeFileAtomic(path, Uint8Array.of(1, 2, 3));
    expect(new Uint8Array(await readFile(path))).toEqual(Uint8Array.of(1, 2, 3));
    await writeFileAtomic(path, 'é');
    expect(await readFile(path, 'utf8')).toBe('é');
    expect(await readdir(folder)).toEqual(['a.txt']);
  });

  it('leaves one whole file when writers meet', async () => {
    const path = join(folder, 'a');
    const contents = Array.from({ length: 8 }, (_, i) => new Uint8Array(100_000 + i).fill(i));
    await Promise.all(contents.map((content) => writeFileAtomic(path, content)));
    const found = new Uint8Array(await readFile(path));
    expect(found).toEqual(contents[found[0] ?? -1]);
    expect(await readdir(folder)).toEqual(['a']);
  });

  it('keeps the mode of the file and follows a symbolic link to it', async () => {
    const path = join(folder, 'a');
    await writeFile(path, 'old');
    await chmod(path, 0o640);
    await symlink(path, join(folder, 'link'));
    await writeFileAtomic(join(folder, 'link'), 'new');
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await stat(path)).mode & 0o777).toBe(0o640);
  });

  it('keeps the old content under another name, in the place of an older one', async () => {
    const [path, kept] = [join(folder, 'last'), join(folder, 'previous')];
    await writeFileAtomic(path, 'one', kept);
    expect(await readdir(folder)).toEqual(['last']);
    await writeFileAtomic(path, 'two', kept);
    await writeFileAtomic(path, 'three', kept);
    expect(await readFile(path, 'utf8')).toBe('three');
    expect(await readFile(kept, 'utf8')).toBe('two');
    expect((await readdir(folder)).sort()).toEqual(['last', 'previous']);
  });

  it('leaves both where they are when the new content cannot be written', async () => {
    const [path, kept] = [join(folder, 'last'), join(folder, 'previous')];
    await writeFileAtomic(path, 'one', kept);
    await writeFileAtomic(path, 'two', kept);
    const content = 3 as unknown as string;
    await expect(writeFileAtomic(path, content, kept)).rejects.toThrow(TypeError);
    expect(await readFile(path, 'utf8')).toBe('two');
    expect(await readFile(kept, 'utf8')).toBe('one');
    expect((await readdir(folder)).sort()).toEqual(['last', 'previous']);
  });

  it('says that the folder is missing', async () => {
    const write = writeFileAtomic(join(folder, 'none', 'a'), 'x');
    await expect(write).rejects.toThrow(FileError);
    await expect(write).rejects.toThrow(
      /Cannot write .*none.a: .*make the folder first \(ENOENT\)/,
    );
  });

  it('says that a part of the path is a file', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(writeFileAtomic(join(folder, 'file', 'a'), 'x')).rejects.toThrow(/ENOTDIR/);
  });

  it('says that the path is a folder, and leaves no temporary file', async () => {
    await makeFolder(join(folder, 'sub'));
    const write = writeFileAtomic(join(folder, 'sub'), 'x');
    await expect(write).rejects.toThrow(FileError);
    await expect(write).rejects.toThrow(/it is a folder/);
    expect(await readdir(folder)).toEqual(['sub']);
  });

  it.skipIf(process.getuid?.() === 0)('keeps the old file where it may not write', async () => {
    const path = join(folder, 'a');
    await writeFile(path, 'old');
    await chmod(folder, 0o500);
    await expect(writeFileAtomic(path, 'new')).rejects.toThrow(/permission denied/);
    await chmod(folder, 0o700);
    expect(await readFile(path, 'utf8')).toBe('old');
  });
});

describe('removeTemporaryFiles', () => {
  it('removes what a killed writer left of the named files, and nothing else', async () => {
    const left = '.last.safetensors.0123456789ab.tmp';
    const others = ['.other.0123456789ab.tmp', '.last.safetensors.tmp', 'last.safetensors'];
    for (const name of [left, ...others]) await writeFile(join(folder, name), '');
    await removeTemporaryFiles(folder, ['last.safetensors']);
    expect((await readdir(folder)).sort()).toEqual(others.sort());
  });

  it('knows the names that are really used', async () => {
    const path = join(folder, 'last.safetensors');
    const names: string[] = [];
    const watching = new AbortController();
    const watcher = watch(
      folder,
      { signal: watching.signal },
      (_, name) => void names.push(name ?? ''),
    );
    await writeFileAtomic(path, new Uint8Array(1e6));
    await vi.waitFor(() => expect(names).toContain('last.safetensors'));
    watching.abort();
    watcher.close();
    const temporary = names.find((name) => name.startsWith('.')) ?? '';
    await writeFile(join(folder, temporary), '');
    await removeTemporaryFiles(folder, ['last.safetensors']);
    expect(await readdir(folder)).toEqual(['last.safetensors']);
  });
});

describe('asFileError', () => {
  it('tells what to do on a full disk, and keeps the cause', () => {
    const cause = Object.assign(new Error('write'), { code: 'ENOSPC', syscall: 'write' });
    const error = asFileError(cause, 'write', 'runs/last.safetensors');
    expect(error).toBeInstanceOf(FileError);
    expect(error).toMatchObject({
      cause,
      message:
        'Cannot write runs/last.safetensors: the disk is full: free some space or choose ' +
        'another disk (ENOSPC).',
    });
  });

  it("passes on the system's words for a rare failure", () => {
    const cause = Object.assign(new Error('EIO: i/o error'), { code: 'EIO', syscall: 'read' });
    expect(asFileError(cause, 'read', 'x')).toMatchObject({
      message: 'Cannot read x: EIO: i/o error (EIO).',
    });
  });

  it('leaves bugs alone', () => {
    const bug = Object.assign(new TypeError('bad'), { code: 'ERR_INVALID_ARG_TYPE' });
    expect(asFileError(bug, 'write', 'x')).toBe(bug);
    expect(asFileError('text', 'write', 'x')).toBe('text');
  });
});

describe('makeFolder and readFileChecked', () => {
  it('make folders, and again without complaint', async () => {
    await makeFolder(join(folder, 'a', 'b'));
    await makeFolder(join(folder, 'a', 'b'));
    expect((await stat(join(folder, 'a', 'b'))).isDirectory()).toBe(true);
  });

  it.skipIf(process.platform !== 'linux')(
    'end where the system has no folder to give',
    async () => {
      await expect(makeFolder('/proc/fovea/run')).rejects.toThrow(/Cannot make the folder/);
    },
  );

  it('say what stands in the way', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(makeFolder(join(folder, 'file'))).rejects.toThrow(/Cannot make the folder/);
    await expect(makeFolder(join(folder, 'file', 'b'))).rejects.toThrow(/ENOTDIR/);
    await expect(readFileChecked(join(folder, 'none'))).rejects.toThrow(/Cannot read .*ENOENT/);
    await expect(readFileChecked(folder)).rejects.toThrow(/it is a folder/);
  });
});

describe('readTensors and saveTensors', () => {
  it('give back what was saved', async () => {
    const path = join(folder, 'x.safetensors');
    const weight: StoredTensor = { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) };
    await saveTensors(path, new Map([['weight', weight]]), { epoch: '3' });
    const { tensors, metadata } = await readTensors(path);
    expect(tensors.get('weight')).toEqual(weight);
    expect(metadata).toEqual({ epoch: '3' });
  });

  it('name the file that is corrupt', async () => {
    const path = join(folder, 'x.safetensors');
    await writeFile(path, 'not a tensor in sight');
    await expect(readTensors(path)).rejects.toThrow(FileError);
    await expect(readTensors(path)).rejects.toThrow(/x\.safetensors: the header length is/);
  });

  it('leave the old checkpoint when the new one cannot be stored', async () => {
    const path = join(folder, 'x.safetensors');
    await saveTensors(path, new Map(), { epoch: '1' });
    const broken: StoredTensor = { dtype: 'F32', shape: [3], data: new Float32Array(2) };
    await expect(saveTensors(path, new Map([['w', broken]]))).rejects.toThrow(/3/);
    expect((await readTensors(path)).metadata).toEqual({ epoch: '1' });
  });
});
