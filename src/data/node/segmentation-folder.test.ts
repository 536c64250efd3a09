import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FileError } from '../../errors.js';
import { folderOf, maskPng, plainPng, shadedJpeg } from '../../testing/pictures.node.js';
import { batches } from '../batches.js';
import type { Dataset } from '../dataset.js';
import { field } from '../fields.js';
import { segmentationFolder, type SegmentationOptions } from './segmentation-folder.js';

const options = { size: 4, workers: 0 } as const;
const picture = plainPng(3, 2);
const mask = maskPng(3, 2, [0, 1, 2, 255, 1, 0]);
const names = (dataset: Dataset): string[] =>
  Array.from({ length: dataset.size }, (_, index) => dataset.nameOf?.(index) ?? '');

const pairs = {
  'images/1.png': picture,
  'images/2.png': picture,
  'images/sub/3.jpg': shadedJpeg(3, 2),
  'masks/1.png': mask,
  'masks/2.png': mask,
  'masks/sub/3.png': mask,
};

async function refused(
  files: Readonly<Record<string, Uint8Array | string>>,
  reason: string | RegExp,
  more: Partial<SegmentationOptions> = {},
): Promise<void> {
  const loading = segmentationFolder(folderOf(files), { ...options, ...more });
  await expect(loading).rejects.toThrow(FileError);
  await expect(loading).rejects.toThrow(reason);
}

describe('a folder of pictures and masks', () => {
  it('pairs them by name, reads the numbers of masks, and holds some out', async () => {
    const { train, val } = await segmentationFolder(folderOf(pairs), options);
    expect([...names(train), ...names(val)].sort()).toEqual([
      'images/1.png',
      'images/2.png',
      'images/sub/3.jpg',
    ]);
    expect([train.size, val.size]).toEqual([2, 1]);
    expect(train.pixelClasses).toEqual(['0', '1', '2']);
    expect(train.labels).toBeUndefined();
    const { image, mask: numbers, label } = await train.example(0);
    expect([image.height, image.width]).toEqual([2, 3]);
    expect([...(numbers ?? [])]).toEqual([0, 1, 2, 255, 1, 0]);
    expect(label).toBeUndefined();
  });

  it('makes batches of images and masks of the size that is asked for, without new numbers', async () => {
    const { train } = await segmentationFolder(folderOf(pairs), options);
    const fields = { images: field.image(), masks: field.mask() };
    for await (const { fields: made } of batches(train, { fields, batchSize: 2 })) {
      expect(made['masks']?.length).toBe(2 * 16);
      expect([...new Set(made['masks'])].sort((a, b) => a - b)).toEqual([0, 1, 2, 255]);
    }
  });

  it('has names of classes in classes.txt, or in an option', async () => {
    const named = folderOf({ ...pairs, 'classes.txt': '\ufeffsky\r\nroad\r\ncar\r\nbus\r\n\r\n' });
    const { train, notes } = await segmentationFolder(named, options);
    expect(train.pixelClasses).toEqual(['sky', 'road', 'car', 'bus']);
    expect(notes).toContainEqual(expect.stringMatching(/^No mask of \S+ shows 'bus'\.$/));
    const other = await segmentationFolder(named, { ...options, classes: ['a', 'b', 'c'] });
    expect(other.val.pixelClasses).toEqual(['a', 'b', 'c']);
  });

  it.each([
    ['above images and masks', ['train/images', 'train/masks', 'val/images', 'val/masks']],
    ['in images and masks', ['images/train', 'masks/train', 'images/val', 'masks/val']],
  ] as const)(
    'may be divided, with train and val %s',
    async (_, [images, masks, valImages, valMasks]) => {
      const { train, val, notes } = await segmentationFolder(
        folderOf({
          [`${images}/1.png`]: picture,
          [`${masks}/1.png`]: mask,
          [`${valImages}/1.png`]: picture,
          [`${valMasks}/1.png`]: mask,
        }),
        options,
      );
      expect([names(train), names(val)]).toEqual([[`${images}/1.png`], [`${valImages}/1.png`]]);
      expect(notes).toEqual([]);
    },
  );

  it('turns a photograph upright, and compares it with its mask then', async () => {
    const turned = readFileSync(
      new URL('../../../tests/fixtures/decoded/exif-6.jpg', import.meta.url),
    );
    const numbers = Array.from({ length: 12 * 8 }, (_, i) => i % 2);
    const data = folderOf({
      'images/1.jpg': turned,
      'masks/1.png': maskPng(8, 12, numbers),
      'images/2.jpg': turned,
      'masks/2.png': maskPng(8, 12, numbers),
    });
    const { train } = await segmentationFolder(data, options);
    expect((await train.example(0)).image).toMatchObject({ height: 12, width: 8 });
  });
});

describe('a folder of pictures and masks that cannot be used', () => {
  it('lacks its folders, or what should be in them', async () => {
    await refused(
      { 'pictures/1.png': picture },
      "has no folder 'images'. Expected images/1.jpg and masks/1.png",
    );
    await refused(
      { 'images/1.png': picture },
      /masks: there is no such folder. Expected a folder of masks/,
    );
    await refused({ 'images/a.txt': 'x', 'masks/1.png': mask }, /images has no pictures in it/);
    await refused(
      { 'images/1.png': picture, 'masks/1.png': mask },
      'There is only 1 picture, so none is left for validation',
    );
  });

  it('has a picture without a mask, a mask without a picture, or two of one name', async () => {
    await refused(
      { ...pairs, 'images/4.png': picture },
      /images.4\.png has no mask: expected \S*masks.4\.png\./,
    );
    await refused({ ...pairs, 'masks/4.png': mask }, /masks.4\.png is the mask of no picture/);
    await refused(
      { ...pairs, 'images/1.jpg': shadedJpeg(3, 2) },
      /images has 1\.jpg and 1\.png: two files of one name/,
    );
  });

  it('has a mask of another size than its picture, in colours, or no PNG', async () => {
    await refused(
      { ...pairs, 'masks/1.png': maskPng(2, 3, [0, 1, 2, 0, 1, 2]) },
      'masks/1.png has 2 x 3 pixels, but its image images/1.png has 3 x 2.',
    );
    await refused({ ...pairs, 'masks/1.png': picture }, /masks\/1\.png is in colours \(RGB/);
    const others = Object.fromEntries(
      Object.entries(pairs).filter(([path]) => path !== 'masks/1.png'),
    );
    await refused({ ...others, 'masks/1.jpg': shadedJpeg(3, 2) }, 'masks/1.jpg is not a PNG');
  });

  it('has a mask with a number that is no class', async () => {
    await refused(
      pairs,
      'masks/1.png has pixels of the number 2, but there are 2 classes: expected 0 to 1, or 255',
      { classes: ['a', 'b'] },
    );
  });

  it('has masks that tell nothing apart, as those of 0 and 255 do', async () => {
    const binary = maskPng(3, 2, [0, 255, 255, 255, 0, 0]);
    await refused(
      { ...pairs, 'masks/1.png': binary, 'masks/2.png': binary, 'masks/sub/3.png': binary },
      'have only the number 0 and 255, which means that a pixel is ignored',
    );
  });

  it('has names of classes that are not in order', async () => {
    await refused(
      { ...pairs, 'classes.txt': 'sky\n\nroad\n' },
      'classes.txt: line 2 is empty. Expected the name of class 1.',
    );
    await refused(
      { ...pairs, 'classes.txt': 'sky\n' },
      'has 1 classes of pixels; expected 2 to 255.',
    );
  });
});
