import { describe, expect, it } from 'vitest';
import { RequestError } from '../../errors.js';
import { folderOf, maskPng, plainPng } from '../../testing/pictures.node.js';
import { imageDataset } from '../dataset.js';
import { datasets, defineDataset, loadData } from './registry.js';

describe('loadData', () => {
  it('makes shapes without files, as many as asked', async () => {
    const { train, val } = await loadData({ id: 'shapes', limitTrain: 30, limitVal: 20, seed: 4 });
    expect(train).toMatchObject({ name: 'shapes', split: 'train', size: 30 });
    expect(val).toMatchObject({ name: 'shapes', split: 'val', size: 20 });
    expect((await loadData({ id: 'shapes', limitTrain: 10 })).val.size).toBe(1000);
  });

  it('refuses an unknown name, suggesting the nearest', async () => {
    const loading = loadData({ id: 'cifr100' });
    await expect(loading).rejects.toThrow(RequestError);
    await expect(loading).rejects.toThrow("Unknown data set 'cifr100'. Did you mean 'cifar100'");
  });

  it.each(['folder', 'list', 'masks', 'cifar10'])('asks for the files of %s', async (id) => {
    await expect(loadData({ id })).rejects.toThrow(RequestError);
    await expect(loadData({ id })).rejects.toThrow('say where they are with --data');
  });

  it.each(['folder', 'list', 'masks'])('asks for the size of the images of %s', async (id) => {
    await expect(loadData({ id, data: 'x' })).rejects.toThrow('as --size 64');
  });

  it('reads the files of a person, limited with the classes in balance', async () => {
    const red = plainPng(2, 2);
    const paths = ['a', 'b'].flatMap((name) =>
      Array.from({ length: 10 }, (_, i) => `${name}/${i}.png`),
    );
    const data = folderOf({
      ...Object.fromEntries(paths.map((path) => [path, red])),
      'list.csv': paths.map((path) => `${path},${path[0] ?? ''}`).join('\n'),
    });
    const request = { size: 4, workers: 0, limitTrain: 4, limitVal: 2 };
    for (const { train, val } of [
      await loadData({ id: 'folder', data, ...request }),
      await loadData({ id: 'list', data: `${data}/list.csv`, ...request }),
    ]) {
      expect([...(train.labels ?? [])]).toEqual([0, 0, 1, 1]);
      expect([...(val.labels ?? [])]).toEqual([0, 1]);
      expect(train.nameOf?.(2)).toMatch(/^b/);
      expect(train.classes).toEqual(['a', 'b']);
    }
    const masks = Object.fromEntries(
      [1, 2, 3].flatMap((i) => [
        [`images/${i}.png`, red],
        [`masks/${i}.png`, maskPng(2, 2, [0, 1, 1, 255])],
      ]),
    );
    const { train } = await loadData({
      id: 'masks',
      data: folderOf(masks),
      size: 4,
      workers: 0,
      channels: 1,
    });
    expect(train).toMatchObject({ pixelClasses: ['0', '1'], channels: 1, size: 2 });
    await expect(loadData({ id: 'folder', data, ...request, limitTrain: 100 })).rejects.toThrow(
      'Cannot take 100 images of',
    );
  });

  it('loads what a program has added', async () => {
    const of = (split: 'train' | 'val') =>
      imageDataset({
        images: Uint8Array.of(1, 2),
        labels: [0, 1],
        classes: ['x', 'y'],
        channels: 1,
        height: 1,
        width: 1,
        split,
      });
    const own = defineDataset({
      id: 'my-data',
      title: 'Mine',
      source: 'made here',
      load: () => Promise.resolve({ train: of('train'), val: of('val'), notes: [] }),
    });
    datasets.add(own);
    expect((await loadData({ id: 'my-data' })).val).toMatchObject({ split: 'val', size: 2 });
    expect(datasets.list().map(({ id }) => id)).toEqual([
      'shapes',
      'cifar10',
      'cifar100',
      'folder',
      'list',
      'masks',
      'my-data',
    ]);
    expect(() => datasets.add({ ...own })).toThrow(
      "The id 'my-data' belongs to another data set already.",
    );
  });
});
