/** Threads that read pictures, on the compiled package: what they make does not depend on them. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { addFiles, folderOf, maskPng, plainPng, shadedJpeg } from '../src/testing/pictures.node.js';

type DataModule = typeof import('../src/data/index.js');
type FolderModule = typeof import('../src/data/node/image-folder.js');
type MasksModule = typeof import('../src/data/node/segmentation-folder.js');
type PoolModule = typeof import('../src/data/node/decode-pool.js');

const compiled = (path: string): string => new URL(`../dist/data/${path}`, import.meta.url).href;
const {
  augmentations,
  BatchSource,
  colorJitter,
  defineAugmentation,
  field,
  flip,
  epochOrder,
  mixup,
  randomResizedCrop,
} = (await import(compiled('index.js'))) as DataModule;
const { imageFolder } = (await import(compiled('node/image-folder.js'))) as FolderModule;
const { segmentationFolder } = (await import(
  compiled('node/segmentation-folder.js')
)) as MasksModule;
const { openPool, workerCount } = (await import(compiled('node/decode-pool.js'))) as PoolModule;

type Augmentation = ReturnType<typeof flip>;

const data = folderOf(
  Object.fromEntries(
    Array.from({ length: 30 }, (_, i) => [
      `${i % 2 ? 'odd' : 'even'}/${i}.jpg`,
      shadedJpeg(20 + i, 40 - i, 8 * i),
    ]),
  ),
);
const masks = folderOf(
  Object.fromEntries(
    Array.from({ length: 12 }, (_, i) => [
      [`images/${i}.jpg`, shadedJpeg(20 + i, 10, 8 * i)] as const,
      [
        `masks/${i}.png`,
        maskPng(
          20 + i,
          10,
          Array.from({ length: 10 * (20 + i) }, (_, at) => (at + i) % 3),
        ),
      ] as const,
    ]).flat(),
  ),
);
afterAll(() => {
  for (const folder of [data, masks]) rmSync(folder, { recursive: true });
});

/** A hash of all batches of an epoch. */
async function bitsOf(
  workers: number,
  augment: readonly Augmentation[],
  { from = 0, folder = data }: { readonly from?: number; readonly folder?: string } = {},
): Promise<string[]> {
  const isMasks = folder === masks;
  const { train } = await (isMasks ? segmentationFolder : imageFolder)(folder, {
    size: [16, 20],
    workers,
  });
  const second = isMasks ? field.mask() : field.label();
  const fields = { one: field.image(), two: field.image(1), second };
  const mixing = { ...fields, partner: field.partner(), share: field.share() };
  const mixes = augment.some((one) => one.mix !== undefined);
  const source = new BatchSource(train, { fields: mixes ? mixing : fields, augment, seed: 3 });
  const hashes: string[] = [];
  try {
    const order = epochOrder(3, 1, train.size);
    for await (const batch of source.epoch({ batchSize: 10, order, epoch: 1, from })) {
      const hash = createHash('sha256');
      for (const values of Object.values(batch.fields)) {
        hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      }
      hashes.push(hash.digest('hex'));
    }
  } finally {
    await source.close();
  }
  return hashes;
}

describe('batches that threads make', () => {
  const list = [randomResizedCrop(), flip(), colorJitter({ brightness: 0.4 }), mixup()];

  it('are the same to the bit for any number of threads, and when they begin in the middle', async () => {
    const alone = await bitsOf(0, list);
    expect(alone).toHaveLength(3);
    expect(new Set(alone).size).toBe(3);
    for (const workers of [1, 3]) expect(await bitsOf(workers, list)).toEqual(alone);
    expect(await bitsOf(2, list, { from: 1 })).toEqual(alone.slice(1));
  });

  it('are the same with masks', async () => {
    const plain = [randomResizedCrop(), flip()];
    const alone = await bitsOf(0, plain, { folder: masks });
    expect(await bitsOf(2, plain, { folder: masks })).toEqual(alone);
  });

  it('are the same with augmentations that threads do not have: functions of the program', async () => {
    const negative: Augmentation = {
      // Its name means another thing in a thread.
      name: 'flip',
      options: {},
      apply: (picture) => {
        const { image } = picture;
        return { ...picture, image: { ...image, data: image.data.map((byte) => 255 - byte) } };
      },
    };
    const alone = await bitsOf(0, [negative]);
    expect(alone).not.toEqual(await bitsOf(0, [flip()]));
    expect(await bitsOf(2, [negative])).toEqual(alone);

    const added = defineAugmentation({
      id: 'upsideDown',
      create: () => ({
        apply: (picture) => {
          const { image } = picture;
          return { ...picture, image: { ...image, data: image.data.toReversed() } };
        },
      }),
    });
    augmentations.add(added);
    expect(await bitsOf(2, [added()])).toEqual(await bitsOf(0, [added()]));
  });

  it('are made where there is a file of the thread, by one for each core and at most four', () => {
    expect(workerCount(undefined)).toBeGreaterThanOrEqual(1);
    expect(workerCount(undefined)).toBeLessThanOrEqual(4);
    expect(workerCount(0)).toBe(0);
  });

  it('fail by name when a file has vanished or was damaged since', async () => {
    const short = folderOf({});
    addFiles(short, Object.fromEntries([0, 1, 2, 3].map((i) => [`a/${i}.png`, plainPng(3, 3)])));
    const { train } = await imageFolder(short, { size: 4, workers: 2 });
    const fields = { images: field.image() };
    const source = new BatchSource(train, { fields, augment: [], seed: 0 });
    const first = train.nameOf?.(0) ?? '';
    writeFileSync(join(short, first), 'not a picture');
    const one = { batchSize: 1, order: Uint32Array.of(0) };
    await expect(source.epoch(one).next()).rejects.toMatchObject({
      name: 'FileError',
      message: expect.stringContaining(`${first} is a text`) as string,
    });
    rmSync(join(short, first));
    await expect(source.epoch(one).next()).rejects.toThrow(`${first}: there is no such file`);
    // The others are not lost by that.
    const order = Uint32Array.of(1, 2);
    expect((await source.epoch({ batchSize: 2, order }).next()).value).toBeDefined();
    await expect(source.epoch({ batchSize: 1, order: Uint32Array.of(9) }).next()).rejects.toThrow(
      'There is no image 9',
    );
    await source.close();
    await expect(source.epoch(one).next()).rejects.toThrow('closed');
  });

  it('say so when a thread dies', async () => {
    const info = {
      name: 'x',
      classes: ['a'],
      channels: 3,
      height: 4,
      width: 4,
      normalization: { mean: [0, 0, 0], std: [1, 1, 1] },
    } as const;
    const unknown = { name: 'notInThreads', options: {} };
    const plan = { fields: { x: field.image() }, augment: [unknown], seed: 0 };
    const pool = openPool({ root: data, info, plan }, 1);
    const run = pool.run({ kind: 'fields', files: [{ path: 'even/0.jpg' }], indices: [0] });
    await expect(run).rejects.toMatchObject({ name: 'FileError' });
    await expect(run).rejects.toThrow(/^A thread that reads pictures ended: Unknown augmentation/);
    await expect(pool.run({ kind: 'look', files: [] })).rejects.toThrow('ended');
    await pool.close();
  });

  it('do not keep a program alive that has what it wanted', () => {
    const program = `
      const { BatchSource, field } = await import(${JSON.stringify(compiled('index.js'))});
      const { imageFolder } = await import(${JSON.stringify(compiled('node/image-folder.js'))});
      const { train } = await imageFolder(${JSON.stringify(data)}, { size: 8, workers: 2, cache: false });
      const source = new BatchSource(train, { fields: { x: field.image() }, augment: [], seed: 0 });
      for await (const { fields } of source.epoch({ batchSize: 4 })) { console.log(fields.x.length); break; }
    `;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--input-type=module', '--eval', program],
      { encoding: 'utf8', timeout: 50_000 },
    );
    expect(stderr).toBe('');
    expect([status, stdout]).toEqual([0, `${4 * 3 * 64}\n`]);
  });
});
