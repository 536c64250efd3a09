import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileError, RequestError } from '../../errors.js';
import { addFiles, folderOf, plainPng, shadedJpeg } from '../../testing/pictures.node.js';
import { batches } from '../batches.js';
import { imageDataset, type Dataset, type Example } from '../dataset.js';
import { field } from '../fields.js';
import { fitted } from '../fitted.js';
import type { FileOptions, ScanProgress } from './file-options.js';
import { imageFolder } from './image-folder.js';

const red = plainPng(4, 4);
const small = { size: 8, workers: 0 } as const;

/** So many pictures in a folder for each class. */
function classes(counts: Readonly<Record<string, number>>): Record<string, Uint8Array> {
  return Object.fromEntries(
    Object.entries(counts).flatMap(([name, count]) =>
      Array.from({ length: count }, (_, i) => [`${name}/${i}.png`, red] as const),
    ),
  );
}

const names = (dataset: Dataset): string[] =>
  Array.from({ length: dataset.size }, (_, index) => dataset.nameOf?.(index) ?? '');

async function refused(
  files: Readonly<Record<string, Uint8Array | string>>,
  reason: string | RegExp,
  more: Partial<FileOptions> = {},
): Promise<void> {
  const loading = imageFolder(folderOf(files), { ...small, ...more });
  await expect(loading).rejects.toThrow(FileError);
  await expect(loading).rejects.toThrow(reason);
}

describe('a folder of class folders', () => {
  it('has a class for each, in the order of names, and the same share of each held out', async () => {
    const data = folderOf(classes({ tulip: 10, Rose: 5, élan: 2, aster: 20 }));
    const { train, val } = await imageFolder(data, small);
    expect(train.classes).toEqual(['Rose', 'aster', 'tulip', 'élan']);
    const held = [0, 1, 2, 3].map((label) => val.labels?.filter((one) => one === label).length);
    expect(held).toEqual([1, 4, 2, 1]);
    expect([train.size, val.size]).toEqual([29, 8]);
    expect([...names(train), ...names(val)].sort()).toEqual(
      Object.keys(classes({ tulip: 10, Rose: 5, élan: 2, aster: 20 })).sort(),
    );
    names(val).forEach((name, index) => {
      expect(name.startsWith(`${val.classes[val.labels?.[index] ?? NaN] ?? ''}/`)).toBe(true);
    });
    expect(train).toMatchObject({ split: 'train', channels: 3, height: 8, width: 8 });
    expect(val).toMatchObject({ split: 'val', classes: train.classes });
  });

  it('is split in the same way wherever and however it is written, and in others for other seeds', async () => {
    const files = classes({ a: 30, b: 30 });
    const backwards = Object.fromEntries(Object.entries(files).reverse());
    const [one, other] = [folderOf(files), folderOf(backwards)];
    const first = await imageFolder(one, small);
    expect(names((await imageFolder(other, small)).val)).toEqual(names(first.val));
    const seeded = await imageFolder(one, { ...small, seed: 1 });
    expect(names(seeded.val)).not.toEqual(names(first.val));
    expect((await imageFolder(one, { ...small, validation: 0.5 })).val.size).toBe(30);
  });

  it('may have folders within classes, links to files and folders, and pictures without an ending', async () => {
    const data = folderOf({
      ...classes({ 'cat/indoors/dark': 2, dog: 2 }),
      'cat/photo': red,
      'cat/notes': 'words',
      'more/1.PNG': red,
      'more/2.jpeg': shadedJpeg(5, 5),
    });
    symlinkSync(join(data, 'more'), join(data, 'cat', 'linked'));
    symlinkSync(join(data, 'dog', '0.png'), join(data, 'dog', 'same.png'));
    symlinkSync(join(data, 'cat'), join(data, 'cat', 'indoors', 'above'));
    const { train, val, notes } = await imageFolder(data, small);
    expect([...names(train), ...names(val)].sort()).toEqual([
      'cat/indoors/dark/0.png',
      'cat/indoors/dark/1.png',
      'cat/linked/1.PNG',
      'cat/linked/2.jpeg',
      'cat/photo',
      'dog/0.png',
      'dog/1.png',
      'dog/same.png',
      'more/1.PNG',
      'more/2.jpeg',
    ]);
    expect(notes).toEqual([
      expect.stringContaining(
        'passed over 2 files that are no pictures (1 links to a folder above, 1 without an ending)',
      ),
    ]);
  });

  it('says what was passed over', async () => {
    const { notes } = await imageFolder(
      folderOf({
        ...classes({ a: 2, b: 2 }),
        '.DS_Store': 'x',
        'a/.DS_Store': 'x',
        'a/Thumbs.db': 'x',
        'a/readme.txt': 'x',
        'b/readme.txt': 'x',
        'b/.ipynb_checkpoints/0.png': red,
        'labels.csv': 'x',
        'cover.png': red,
      }),
      small,
    );
    expect(notes.map((note) => note.replace(/^.*?: /, ''))).toEqual([
      'passed over 1 picture that lies in no class folder.',
      'passed over 7 files that are no pictures (1 .csv, 2 .txt, 1 Thumbs.db, 3 hidden).',
    ]);
  });
});

describe('folders called train and val', () => {
  it.each(['val', 'valid', 'validation', 'test', 'Val'])(
    'are the splits: train and %s',
    async (word) => {
      const data = folderOf(
        classes({ 'train/a': 3, 'train/b': 2, [`${word}/a`]: 1, [`${word}/b`]: 2 }),
      );
      const { train, val, notes } = await imageFolder(data, small);
      expect(names(train)).toEqual([
        'train/a/0.png',
        'train/a/1.png',
        'train/a/2.png',
        'train/b/0.png',
        'train/b/1.png',
      ]);
      expect(names(val)).toEqual([`${word}/a/0.png`, `${word}/b/0.png`, `${word}/b/1.png`]);
      expect([...(val.labels ?? [])]).toEqual([0, 1, 1]);
      expect(notes).toEqual([]);
    },
  );

  it('leave a test set alone where there is a validation set, and say so', async () => {
    const data = folderOf(classes({ 'train/a': 1, 'val/a': 1, 'test/a': 5, other: 1 }));
    const { val, notes } = await imageFolder(data, small);
    expect(names(val)).toEqual(['val/a/0.png']);
    expect(notes[0]).toContain('passed over the folders other, test beside train and val');
  });

  it('may be train alone, of which pictures are held out', async () => {
    const { train, val, notes } = await imageFolder(
      folderOf(classes({ 'train/a': 5, 'train/b': 5 })),
      small,
    );
    expect([train.size, val.size]).toEqual([8, 2]);
    expect(notes[0]).toContain("has no folder 'val'");
  });
});

describe('a folder that cannot be used', () => {
  it('is not there, or a file', async () => {
    const data = folderOf({ 'flowers/a/1.png': red, 'file.zip': 'x' });
    await expect(imageFolder(join(data, 'flower'), small)).rejects.toThrow(
      `flower: there is no such folder. Expected a folder with a folder of pictures for every class. Did you mean '${join(data, 'flowers')}'?`,
    );
    await expect(imageFolder(join(data, 'file.zip'), small)).rejects.toThrow(
      'file.zip is a file: expected a folder',
    );
    await expect(imageFolder(join(data, 'a', 'b'), small)).rejects.toThrow(FileError);
  });

  it('is empty, or has no class folders', async () => {
    await refused({}, 'has nothing in it. Expected a folder for every class');
    await refused({ 'a.txt': 'x' }, 'has no folders and no pictures in it');
    await refused({ '1.png': red, '2.png': red }, 'has 2 pictures, but no folders in it');
    await refused(
      { 'train/1.png': red, 'val/a/1.png': red },
      /train has 1 picture, but no folders/,
    );
  });

  it('has a class without a picture', async () => {
    await refused(
      { ...classes({ a: 3 }), 'b/x.txt': 'x', 'b/.hidden.png': red },
      /b is a class without a picture \(it has 2 other files\)/,
    );
    await refused(
      { ...classes({ 'train/a': 1, 'val/a': 1 }), 'val/b/x.txt': 'x', 'train/b/1.png': red },
      /val.b is a class without a picture/,
    );
  });

  it('has a class for one purpose only', async () => {
    await refused(
      classes({ 'train/a': 1, 'val/a': 1, 'val/b': 1 }),
      /The class folder 'b' is in \S*val only, not in \S*train/,
    );
    await refused(
      classes({ 'train/a': 1, 'train/b': 1, 'train/c': 1, 'val/a': 1 }),
      /The class folders 'b', 'c' are in \S*train only/,
    );
    await refused(
      classes({ 'train/Cats': 1, 'val/cats': 1 }),
      "There is 'Cats' there: did you mean the same class?",
    );
    await refused(
      classes({ 'val/a': 1, 'val/b': 1 }),
      "has a folder 'val' but none called 'train'",
    );
  });

  it('has a class of which no picture is left for validation', async () => {
    await refused(
      classes({ a: 5, b: 1 }),
      "The class 'b' has only 1 picture, so none is left for validation. Add pictures,",
    );
  });

  it('has names that differ in case only', async () => {
    await refused(
      { ...classes({ a: 2 }), 'a/X.png': red, 'a/x.png': red },
      /a has 'X.png' and 'x.png', which differ in case only/,
    );
    await refused(classes({ cat: 2, Cat: 2 }), "has 'Cat' and 'cat', which differ in case only");
    await refused(
      { ...classes({ a: 2 }), 'a/e\u0301.png': red, 'a/\u00e9.png': red },
      'differ in case only',
    );
  });

  it.each<[string, Partial<Record<keyof FileOptions, unknown>>, string]>([
    [
      'a size of 0',
      { size: 0 },
      'The size of the images is 0; expected a whole number of pixels from 1 to 8192',
    ],
    ['half a pixel', { size: [8, 1.5] }, 'The size of the images is 8,1.5'],
    ['no size', { size: undefined }, 'The size of the images is undefined'],
    ['two channels', { channels: 2 }, 'channels is 2; expected 1 (grey), 3'],
    ['all for validation', { validation: 1 }, 'validation is 1; expected the share'],
    ['a wrong seed', { seed: -1 }, 'seed is -1'],
    ['half a thread', { workers: 0.5 }, 'workers is 0.5; expected a whole number from 0 to 64'],
    [
      'statistics of other channels',
      { normalization: { mean: [0], std: [1] } },
      'expected 3 numbers in mean and in std',
    ],
  ])('is asked for %s', async (_, wrong, reason) => {
    const options = { ...small, ...wrong } as FileOptions;
    const loading = imageFolder(folderOf(classes({ a: 2 })), options);
    await expect(loading).rejects.toThrow(RequestError);
    await expect(loading).rejects.toThrow(reason);
  });
});

describe('a program without types', () => {
  it('is told what is missing, too', async () => {
    const untyped = imageFolder as (folder: string) => Promise<unknown>;
    await expect(untyped(folderOf(classes({ a: 2 })))).rejects.toThrow(
      'The size of the images is undefined',
    );
  });
});

describe('broken pictures', () => {
  const broken = {
    ...classes({ a: 5, b: 5 }),
    'a/cut.jpg': shadedJpeg(20, 20).subarray(0, 300),
    'a/page.png': '<!doctype html><html></html>',
    'b/pointer.jpg': 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n',
    'b/film.gif': Buffer.from('GIF89a\x01\0\x01\0', 'latin1'),
    'b/empty.png': '',
  };

  it('stop the start, all of them named', async () => {
    const data = folderOf(broken);
    rmSync(join(data, 'b', 'pointer.jpg'));
    symlinkSync(join(data, 'nowhere.png'), join(data, 'a', 'lost.png'));
    const failed = await imageFolder(data, small).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(FileError);
    const { message } = failed as FileError;
    expect(message).toMatch(/^5 of 15 pictures of \S+ cannot be used:\n/);
    for (const part of [
      'a/cut.jpg is damaged',
      'a/page.png is a web page (HTML)',
      'lost.png: there is no such file',
      'b/empty.png is an empty file',
      'b/film.gif is a GIF picture: expected a picture as PNG, JPEG or WebP. Save it as PNG first.',
      '--skip-broken',
    ]) {
      expect(message).toContain(part);
    }
  });

  it('are left out on demand, and named in the notes', async () => {
    const { train, val, notes } = await imageFolder(folderOf(broken), {
      ...small,
      skipBroken: true,
    });
    expect([...names(train), ...names(val)].sort()).toEqual(
      Object.keys(classes({ a: 5, b: 5 })).sort(),
    );
    expect(notes.join('\n')).toContain('5 of 15 pictures of');
    expect(train.normalization.mean).toEqual([1, 0, 0]);
  });

  it('are counted where they are many', async () => {
    const seven = Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`a/x${i}.jpg`, 'no']));
    await refused({ ...classes({ a: 2 }), ...seven }, '  and 2 more\nRepair or remove them');
  });

  it('make room for others where they were held out, and the statistics are of those that are left', async () => {
    const files = { ...classes({ a: 10 }), 'a/blue.png': plainPng(2, 2, [0, 0, 255]) };
    const data = folderOf(files);
    const first = names((await imageFolder(data, small)).val);
    for (const name of first) writeFileSync(join(data, name), 'broken now');
    const { train, val } = await imageFolder(data, { ...small, skipBroken: true });
    expect(first).toHaveLength(2);
    expect(val.size).toBe(2);
    expect(names(val).some((name) => first.includes(name))).toBe(false);
    const blue = names(train).includes('a/blue.png') ? 1 / train.size : 0;
    expect(train.normalization.mean[2]).toBeCloseTo(blue, 12);
  });

  it('may not be all of a class', async () => {
    await refused(
      { ...classes({ a: 4 }), 'b/1.png': 'no', 'b/2.png': 'neither' },
      / of the class 'b' are broken/,
      { skipBroken: true },
    );
  });

  it('are files that may not be read', async () => {
    const data = folderOf(classes({ a: 4 }));
    chmodSync(join(data, 'a', '2.png'), 0);
    // The administrator may read everything.
    if (process.getuid?.() === 0) return;
    await expect(imageFolder(data, small)).rejects.toThrow(/2\.png: permission denied/);
  });
});

describe('what is found out about the pictures', () => {
  const mixed = {
    'a/1.jpg': shadedJpeg(40, 30, 10),
    'a/2.jpg': shadedJpeg(7, 90, 200),
    'a/3.png': plainPng(3, 3, [10, 20, 30]),
    'b/1.png': plainPng(50, 2, [200, 100, 0]),
    'b/2.jpg': shadedJpeg(16, 16, 90),
  };

  it('is mean and deviation of the training pictures at the size wanted, and of no others', async () => {
    const { train, val } = await imageFolder(folderOf(mixed), small);
    const images: number[] = [];
    for (let index = 0; index < train.size; index++) {
      const example = await train.example(index);
      images.push(...fitted(example, train).image.data);
    }
    const { normalization } = imageDataset({
      images: Uint8Array.from(images),
      labels: [...(train.labels ?? [])],
      classes: train.classes,
      channels: 3,
      height: 8,
      width: 8,
    });
    expect(train.normalization).toEqual(normalization);
    expect(val.normalization).toEqual(normalization);
  });

  it('is kept until a picture changes: the second start reads none', async () => {
    const data = folderOf(mixed);
    const seen: ScanProgress[] = [];
    const options = { ...small, onProgress: (progress: ScanProgress) => void seen.push(progress) };
    const first = await imageFolder(data, options);
    expect(seen.at(-1)).toEqual({ done: 5, total: 5 });
    seen.length = 0;
    const second = await imageFolder(data, options);
    expect(second.train.normalization).toEqual(first.train.normalization);
    expect([seen, second.notes]).toEqual([[], first.notes]);

    // Other numbers need another look.
    await imageFolder(data, { ...options, size: 9 });
    await imageFolder(data, { ...options, channels: 1 });
    expect(seen.length).toBe(2);
    utimesSync(join(data, 'a', '1.jpg'), 1, 1);
    await imageFolder(data, options);
    expect(seen.length).toBe(3);
    addFiles(data, { 'a/4.png': plainPng(3, 3) });
    await imageFolder(data, options);
    expect(seen.at(-1)).toEqual({ done: 6, total: 6 });
  });

  it('is looked for again where what was kept is damaged', async () => {
    const data = folderOf(mixed);
    const first = await imageFolder(data, small);
    for (const file of readdirSync(join(data, '.fovea'))) {
      const path = join(data, '.fovea', file);
      writeFileSync(path, readFileSync(path, 'utf8').replace('"mean"', '"means"'));
    }
    expect((await imageFolder(data, small)).train.normalization).toEqual(first.train.normalization);
  });

  it('is kept in another folder, or not at all, if one says so', async () => {
    const data = folderOf(mixed);
    const cache = join(folderOf({}), 'new');
    await imageFolder(data, { ...small, cache });
    expect(readdirSync(cache).length).toBe(1);
    await imageFolder(data, { ...small, cache: false });
    expect(readdirSync(data)).toEqual(['a', 'b']);
  });

  it('is said not to be kept where the folder cannot be written to', async () => {
    const data = folderOf(mixed);
    addFiles(data, { '.fovea': 'a file in the way' });
    const { notes } = await imageFolder(data, small);
    expect(notes.at(-1)).toMatch(
      /could not be kept.*Another folder can be given as the option cache/,
    );
  });

  it('does not replace statistics that are given', async () => {
    const normalization = { mean: [0.5, 0.4, 0.3], std: [0.1, 0.2, 0.3] };
    const { train } = await imageFolder(folderOf(mixed), { ...small, normalization });
    expect(train.normalization).toBe(normalization);
  });
});

describe('the examples of a folder', () => {
  it('are read when they are wanted, at their own size, with the channels that are asked for', async () => {
    const data = folderOf({ 'a/1.png': plainPng(5, 3, [10, 20, 30]), 'a/2.png': plainPng(9, 2) });
    const { train, val } = await imageFolder(data, { ...small, channels: 4 });
    const both: Example[] = [await train.example(0), await val.example(0)];
    const sizes = both.map(({ image }) => [image.channels, image.height, image.width]);
    expect(sizes.sort()).toEqual([
      [4, 2, 9],
      [4, 3, 5],
    ]);
    expect(both.map(({ label }) => label)).toEqual([0, 0]);
    await expect(async () => train.example(1)).rejects.toThrow('There is no image 1 in');
  });

  it('become batches of the size that is asked for', async () => {
    const { train } = await imageFolder(
      folderOf({ 'a/1.png': plainPng(5, 3), 'a/2.png': plainPng(9, 2) }),
      {
        ...small,
        size: [6, 7],
      },
    );
    const fields = { images: field.image(), labels: field.label() };
    for await (const { fields: made } of batches(train, { fields, batchSize: 2 })) {
      expect(made['images']?.length).toBe(3 * 6 * 7);
      // Red is always 1 and has no deviation.
      expect(made['images']?.[0]).toBe(0);
    }
  });

  it('fail by name when their file has vanished', async () => {
    const data = folderOf(classes({ a: 3 }));
    const { train } = await imageFolder(data, small);
    rmSync(join(data, 'a'), { recursive: true });
    mkdirSync(join(data, 'a'));
    const run = batches(train, { fields: { images: field.image() }, batchSize: 1 }).next();
    await expect(run).rejects.toThrow(FileError);
    await expect(run).rejects.toThrow(/Cannot read .*a.\d\.png: there is no such file/);
  });
});
