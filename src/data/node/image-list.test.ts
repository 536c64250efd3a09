import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileError, RequestError } from '../../errors.js';
import { folderOf, plainPng } from '../../testing/pictures.node.js';
import type { Dataset, Splits } from '../dataset.js';
import { imageList, type ListOptions } from './image-list.js';

const red = plainPng(3, 2);
const options = { size: 4, workers: 0 } as const;
const names = (dataset: Dataset): string[] =>
  Array.from({ length: dataset.size }, (_, index) => dataset.nameOf?.(index) ?? '');

/** Pictures of these names beside a list. */
function listed(
  text: string,
  paths: readonly string[],
  more: Partial<ListOptions> = {},
): Promise<Splits> {
  const pictures = Object.fromEntries(paths.map((path) => [path, red]));
  const folder = folderOf({ ...pictures, 'labels.csv': text });
  return imageList(join(folder, 'labels.csv'), { ...options, ...more });
}

/** The class name of every picture in both splits. */
function classOf({ train, val }: Splits): Record<string, string> {
  return Object.fromEntries(
    [train, val].flatMap((dataset) =>
      names(dataset).map((name, i) => [name, dataset.classes[dataset.labels?.[i] ?? NaN] ?? '']),
    ),
  );
}

const four = ['1.png', '2.png', '3.png', '4.png'];

describe('a list', () => {
  it.each([
    ['with names of columns', 'path,label\n1.png,cat\n2.png,dog\n3.png,cat\n4.png,dog\n'],
    ['without', '1.png,cat\n2.png,dog\n3.png,cat\n4.png,dog\n'],
    [
      'with columns in another order, and others',
      'id,Class,Filename\n7,cat,1.png\n8,dog,2.png\n9,cat,3.png\n9,dog,4.png',
    ],
    [
      'with a byte order mark, CRLF, quotes and blanks',
      '\ufeffpath,label\r\n"1.png",cat\r\n 2.png , dog\r\n./3.png,"cat"\r\n4.png,dog\r\n\r\n',
    ],
  ])('names pictures and their classes: %s', async (_, text) => {
    const splits = await listed(text, four);
    expect(splits.train.classes).toEqual(['cat', 'dog']);
    expect(classOf(splits)).toEqual({
      '1.png': 'cat',
      '2.png': 'dog',
      '3.png': 'cat',
      '4.png': 'dog',
    });
    expect([splits.train.size, splits.val.size]).toEqual([2, 2]);
    expect(splits.train.name).toBe('labels');
  });

  it('holds out the same pictures whatever the order of its lines', async () => {
    const paths = Array.from({ length: 20 }, (_, i) => `${i}.png`);
    const lines = paths.map((path, i) => `${path},${i % 2}`);
    const [one, other] = [
      await listed(lines.join('\n'), paths),
      await listed(lines.toReversed().join('\n'), paths),
    ];
    expect(names(one.val)).toEqual(names(other.val));
  });

  it('may say what each is for', async () => {
    const text = 'path,label,split\n1.png,a,train\n2.png,b,Train\n3.png,a,val\n4.png,b,test\n';
    const { train, val } = await listed(text, four);
    expect([names(train), names(val)]).toEqual([
      ['1.png', '2.png'],
      ['3.png', '4.png'],
    ]);
  });

  it('orders numbers as numbers, and may be given their names', async () => {
    const text = '1.png,10\n2.png,9\n3.png,10\n4.png,9\n';
    expect((await listed(text, four)).train.classes).toEqual(['9', '10']);
    const named = await listed('1.png,1\n2.png,0\n3.png,b\n4.png,a\n', four, {
      classes: ['a', 'b'],
    });
    expect(classOf(named)).toEqual({ '1.png': 'b', '2.png': 'a', '3.png': 'b', '4.png': 'a' });
  });

  it('may name files with commas, elsewhere, and by their whole path', async () => {
    const elsewhere = join(folderOf({ 'x.png': red }), 'x.png');
    const text = `"a, b.png",u\nsub/2.png,u\n../nowhere/../3.png,u\n${elsewhere},u`;
    const paths = ['a, b.png', 'sub/2.png'];
    const folder = folderOf({
      ...Object.fromEntries(paths.map((path) => [`in/${path}`, red])),
      '3.png': red,
      'in/l.csv': text,
    });
    const splits = await imageList(join(folder, 'in', 'l.csv'), options);
    expect(Object.keys(classOf(splits)).sort()).toEqual(
      ['../3.png', elsewhere, 'a, b.png', 'sub/2.png'].sort(),
    );
  });
});

describe('a list that cannot be used', () => {
  it.each<[string, string, string, Partial<ListOptions>?]>([
    ['is empty', '', 'lists no pictures. Expected lines of a path and a class'],
    ['has names of columns only', 'path,label\n', 'lists no pictures'],
    ['lacks a label', '1.png,a\n2.png\n', 'line 2: the label is missing. Expected path,label.'],
    ['lacks a path', 'path,label\n,a\n', 'line 2: the path is missing'],
    [
      'lacks a split',
      'path,label,split\n1.png,a,train\n2.png,a,\n',
      'line 3: the split is missing',
    ],
    [
      'has an unknown split',
      '1.png,a,train\n2.png,a,later\n',
      "line 2: the split 'later' is unknown. Expected train or val.",
    ],
    ['lists a picture twice', '1.png,a\n2.png,a\n./1.png,b\n', 'line 3: 1.png is listed twice'],
    ['lists two that differ in case', 'a.png,a\nA.png,a\n', 'A.png and a.png differ in case only'],
    [
      'lists a class that is not given',
      '1.png,a\n2.png,doog\n',
      "line 2: the class 'doog' is unknown. Did you mean 'dog'?",
      { classes: ['a', 'dog'] },
    ],
    [
      'lacks pictures of a class that is given',
      '1.png,a\n2.png,a\n',
      "lists no picture of the class 'b'",
      { classes: ['a', 'b'] },
    ],
    [
      'lacks pictures to judge a class by',
      '1.png,a,train\n2.png,b,train\n3.png,a,val\n',
      "labels.csv (val) lists no picture of the class 'b'",
    ],
    ['has a class of one picture', '1.png,a\n2.png,b\n3.png,a', "The class 'b' has only 1 picture"],
    [
      'names a file that is not there',
      '1.png,a\n2.png,a\n9.png,a\n',
      '1 of 3 pictures of labels cannot be used',
    ],
  ])('%s', async (_, text, reason, more) => {
    const loading = listed(text, four, more);
    await expect(loading).rejects.toThrow(RequestError);
    await expect(loading).rejects.toThrow(reason);
  });

  it('is a folder, or not there', async () => {
    const folder = folderOf({ 'list.csv': '' });
    await expect(imageList(folder, options)).rejects.toThrow('is a folder: expected a table (CSV)');
    const missing = imageList(join(folder, 'lists.csv'), options);
    await expect(missing).rejects.toThrow(FileError);
    await expect(missing).rejects.toThrow(`Did you mean '${join(folder, 'list.csv')}'?`);
  });
});
