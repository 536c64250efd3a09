import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { FileError, RequestError } from '../../errors.js';
import { imagesLike } from '../../testing/data-info.js';
import { folderOf, plainPng } from '../../testing/pictures.node.js';
import { batches } from '../batches.js';
import { field } from '../fields.js';
import { picturesDataset } from './pictures-dataset.js';

const folder = folderOf({ 'red.png': plainPng(9, 5), 'text.png': 'none' });
afterAll(() => rmSync(folder, { recursive: true }));
const red = join(folder, 'red.png');
const text = join(folder, 'text.png');
const info = imagesLike([3, 4, 6]);

const imagesOf = async (dataset: ReturnType<typeof picturesDataset>) => {
  const all: Float32Array[] = [];
  const wanted = { fields: { images: field.image() }, batchSize: 2 };
  for await (const { fields } of batches(dataset, wanted))
    all.push(fields['images'] as Float32Array);
  return all;
};

describe('picturesDataset', () => {
  it('reads pictures when they are asked for, at their own size, and has no labels', async () => {
    const dataset = picturesDataset([red, text], info);
    expect(dataset).toMatchObject({
      size: 2,
      channels: 3,
      height: 4,
      width: 6,
      classes: info.classes,
    });
    expect(dataset.labels).toBeUndefined();
    expect(dataset.nameOf?.(1)).toBe(text);
    const { image, label } = await dataset.example(0);
    expect([image.channels, image.height, image.width, label]).toEqual([3, 5, 9, undefined]);
    await expect(dataset.example(1)).rejects.toThrow(FileError);
    await expect(dataset.example(2)).rejects.toThrow(/no picture 2: expected .* from 0 to 1/);
  });

  it('brings them to the size and statistics of the model in batches', async () => {
    const [batch] = await imagesOf(picturesDataset([red], info));
    expect(batch).toHaveLength(3 * 4 * 6);
    expect(new Set(batch?.subarray(0, 24))).toEqual(new Set([(1 - 0.5) / 0.25]));
    expect(new Set(batch?.subarray(24))).toEqual(new Set([(0 - 0.5) / 0.25]));
  });

  it('tells of one that is broken and goes on, if it is asked to', async () => {
    const broken: [number, string][] = [];
    const onBroken = (index: number, { message }: Error) => broken.push([index, message]);
    const dataset = picturesDataset([text, red, text], info, { onBroken });
    expect(await imagesOf(dataset)).toHaveLength(2);
    expect(broken.map(([index]) => index)).toEqual([0, 2]);
    expect(broken[0]?.[1]).toContain('text.png');
    await expect(imagesOf(picturesDataset([text], info))).rejects.toThrow(FileError);
  });

  it('refuses no pictures, and channels that pictures have not', () => {
    expect(() => picturesDataset([], info)).toThrow(RequestError);
    expect(() => picturesDataset([red], imagesLike([7, 4, 6]))).toThrow(/images of 7 channels/);
  });
});
