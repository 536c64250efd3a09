import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { create } from 'tar';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileError, RequestError } from '../../errors.js';
import { CIFAR10, CIFAR100, type CifarSpec } from '../cifar.js';
import { loadCifar } from './load-cifar.js';

const RECORDS = 3;
/** The real data sets but for the number of images in a file. */
const cifar10: CifarSpec = { ...CIFAR10, recordsPerFile: { train: RECORDS, val: RECORDS } };
const cifar100: CifarSpec = { ...CIFAR100, recordsPerFile: { train: RECORDS, val: RECORDS } };

/** Records whose labels and pixels are all `value`, but for the last record's last label. */
function records(spec: CifarSpec, value: number, lastLabel = value): Uint8Array {
  const bytes = new Uint8Array(RECORDS * (spec.labelBytes + 3072)).fill(value);
  bytes[(RECORDS - 1) * (spec.labelBytes + 3072) + spec.labelBytes - 1] = lastLabel;
  return bytes;
}

const names = (count: number): string =>
  Array.from({ length: count }, (_, label) => `name ${label}\n`).join('');

/** The pickled dict {'fine_label_names': ['name 0', ...]}, of protocol 2. */
function pickledNames(count: number): Uint8Array {
  const short = (text: string): string => `U${String.fromCharCode(text.length)}${text}`;
  const list = Array.from({ length: count }, (_, label) => short(`name ${label}`)).join('');
  return Buffer.from(`\x80\x02}${short('fine_label_names')}](${list}es.`, 'latin1');
}

const fixture = (name: string): URL =>
  new URL(`../../../tests/fixtures/cases/cifar-tar-xz/${name}`, import.meta.url);

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'fovea-load-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A folder with the files given, by relative path. Returns its path. */
async function folder(name: string, files: Record<string, Uint8Array | string>): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(root, name, path, '..'), { recursive: true });
    await writeFile(join(root, name, path), content);
  }
  return join(root, name);
}

const cifar100Files = {
  'cifar-100-binary/train.bin': records(cifar100, 7, 99),
  'cifar-100-binary/test.bin': records(cifar100, 8),
  'cifar-100-binary/fine_label_names.txt': names(100),
  'cifar-100-binary/coarse_label_names.txt': names(20),
};

const load = (data: string, spec = cifar100, split: 'train' | 'val' = 'train') =>
  loadCifar(spec, { data, split });

describe('loadCifar', () => {
  it('reads the binary layout from its folder and from a folder that holds it', async () => {
    const parent = await folder('whole', cifar100Files);
    for (const path of [parent, join(parent, 'cifar-100-binary')]) {
      const dataset = await load(path);
      expect([...dataset.labels]).toEqual([7, 7, 99]);
      expect(dataset.classes[99]).toBe('name 99');
      expect([...(await load(path, cifar100, 'val')).labels]).toEqual([8, 8, 8]);
    }
  });

  it('reads the five batches of CIFAR-10 in order', async () => {
    const files: Record<string, Uint8Array | string> = { 'batches.meta.txt': names(10) };
    for (const batch of [1, 2, 3, 4, 5]) {
      files[`data_batch_${batch}.bin`] = records(cifar10, batch);
    }
    const dataset = await load(await folder('ten', files), cifar10);
    expect([...dataset.labels]).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]);
    expect(dataset.images[4 * 3 * 3072]).toBe(5);
  });

  it('reads the python layout', async () => {
    const fixture = (name: string): Promise<Uint8Array> =>
      readFile(new URL(`../../../tests/fixtures/cifar-python/${name}`, import.meta.url));
    const spec: CifarSpec = { ...CIFAR100, recordsPerFile: { train: 2, val: 10_000 } };
    const data = await folder('pickled', {
      'cifar-100-python/train': await fixture('python2-cifar100'),
      'cifar-100-python/test': await fixture('python3-protocol4-cifar100'),
      'cifar-100-python/meta': pickledNames(100),
    });
    const dataset = await load(data, spec);
    expect([...dataset.labels]).toEqual([19, 99]);
    expect(dataset.classes[99]).toBe('name 99');
    // Not as many as the official file has: a part of the data set.
    expect((await load(data, spec, 'val')).size).toBe(2);
  });

  it('names the file of the python layout that is missing', async () => {
    const data = await folder('no-meta', {
      'cifar-100-python/train': new Uint8Array(1),
      'cifar-100-python/test': new Uint8Array(1),
    });
    await expect(load(data)).rejects.toThrow(
      `${join(data, 'cifar-100-python', 'meta')} is missing: it is a part of cifar100.`,
    );
  });

  it('reads straight from the archive, named or beside where the folder would be', async () => {
    const parent = await folder('packed', cifar100Files);
    const archive = join(root, 'only-archive', 'cifar-100-binary.tar.gz');
    await mkdir(join(root, 'only-archive'));
    await create({ gzip: true, file: archive, cwd: parent }, ['cifar-100-binary']);
    for (const path of [archive, join(root, 'only-archive')]) {
      const dataset = await load(path);
      expect([...dataset.labels]).toEqual([7, 7, 99]);
      expect(dataset.classes).toHaveLength(100);
    }

    const whole = await readFile(archive);
    const cut = await folder('cut', { 'a.tar.gz': whole.subarray(0, whole.length - 40) });
    const flipped = Uint8Array.from(whole, (byte, at) => (at === 60 ? byte ^ 0xff : byte));
    const corrupt = await folder('flipped', { 'a.tar.gz': flipped });
    const html = await folder('html', { 'a.tar.gz': '<html>not found</html>' });
    for (const path of [cut, corrupt, html]) {
      const loading = load(join(path, 'a.tar.gz'));
      await expect(loading).rejects.toThrow(FileError);
      await expect(loading).rejects.toThrow(/a\.tar\.gz: expected/);
    }
    await expect(load(archive, cifar10)).rejects.toThrow('it is not the cifar10 archive');
  });

  it('reads a .tar.xz, beside where the folder would be too', async () => {
    const xz = await readFile(fixture('tiny.tar.xz'));
    const beside = await folder('xz', { 'cifar-100-binary.tar.xz': xz });
    for (const path of [beside, fileURLToPath(fixture('tiny.tar.xz'))]) {
      const dataset = await load(path);
      expect([...dataset.labels]).toEqual([7, 99]);
      expect(dataset.images[3071]).toBe(10);
      expect(dataset.images[3072]).toBe(20);
      expect([...(await load(path, cifar100, 'val')).labels]).toEqual([0]);
    }
  });

  it('says what is missing, and how to get it', async () => {
    const parent = await folder('lacking', {
      'cifar-100-binary/fine_label_names.txt': names(100),
      'cifar-100-binary/test.bin': records(cifar100, 8),
    });
    const loading = load(parent);
    await expect(loading).rejects.toThrow(FileError);
    await expect(loading).rejects.toThrow(
      `${join(parent, 'cifar-100-binary', 'train.bin')} is missing: it is a part of cifar100. ` +
        `\`fovea data cifar100 --data ${parent}\` downloads it.`,
    );
  });

  it('takes any whole number of images', async () => {
    const parent = await folder('part', {
      ...cifar100Files,
      'cifar-100-binary/train.bin': records(cifar100, 7).subarray(0, 2 * 3074),
    });
    expect((await load(parent)).size).toBe(2);

    const batches = [4, 1, 2, 3, 1].map((count, i) => [
      `data_batch_${i + 1}.bin`,
      new Uint8Array(count * 3073).fill(i),
    ]);
    const files = Object.fromEntries(batches) as Record<string, Uint8Array>;
    const ten = await folder('uneven', { ...files, 'batches.meta.txt': names(10) });
    expect([...(await load(ten, cifar10)).labels]).toEqual([0, 0, 0, 0, 1, 2, 2, 3, 3, 3, 4]);
  });

  it('says how a file fails to be whole records, and tells nobody to delete it', async () => {
    const train = (content: Uint8Array | string) =>
      folder('cut-file', { ...cifar100Files, 'cifar-100-binary/train.bin': content });
    const cut = load(await train(records(cifar100, 7).subarray(0, 6200)));
    await expect(cut).rejects.toThrow(
      `${join('cifar-100-binary', 'train.bin')}: expected a whole number of records of 3074 bytes, ` +
        'found 6200 bytes (2 records and 52 bytes). It was cut off, or belongs to another data set.',
    );
    await expect(load(await train(''))).rejects.toThrow('found 0 bytes (0 records and 0 bytes)');
    await expect(load(await train('<html></html>'))).rejects.toThrow('It is a web page (HTML).');
    await expect(cut).rejects.not.toThrow(/delete/i);
  });

  it('says that a file was given for a folder, and a folder for a file', async () => {
    const parent = await folder('mixed-up', cifar100Files);
    const inside = join(parent, 'cifar-100-binary');
    await expect(load(join(inside, 'train.bin'))).rejects.toThrow(
      `${join(inside, 'train.bin')} is one file of cifar100: give the folder that holds all of them, ${inside}.`,
    );
    const swapped = await folder('swapped', {
      'cifar-100-binary/train.bin/readme.txt': '',
      'cifar-100-binary/fine_label_names.txt': names(100),
    });
    await expect(load(swapped)).rejects.toThrow(/train\.bin: it is a folder, not a file/);
  });

  it('names the record and the label that is out of range', async () => {
    const parent = await folder('mislabelled', {
      ...cifar100Files,
      'cifar-100-binary/train.bin': records(cifar100, 7, 100),
    });
    await expect(load(parent)).rejects.toThrow(
      'train.bin: record 2 has the label 100, expected 0 to 99.',
    );
  });

  it('says what was looked for where nothing is found', async () => {
    const empty = await folder('empty', { 'readme.txt': 'nothing here' });
    await expect(load(empty)).rejects.toThrow(
      `${empty}: found no cifar100 in it. Expected cifar-100-binary/ or cifar-100-python/,`,
    );
    await expect(load(join(root, 'nowhere'))).rejects.toThrow('there is no such file or folder');
    await expect(load(join(empty, 'readme.txt', 'x'))).rejects.toThrow('no such file or folder');
  });
});

describe('loadCifar without a path', () => {
  it('asks for it', async () => {
    const loading = loadCifar(cifar10, { split: 'train' });
    await expect(loading).rejects.toThrow(RequestError);
    await expect(loading).rejects.toThrow('say where they are with --data');
  });
});
