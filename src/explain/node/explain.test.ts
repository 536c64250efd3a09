import { Transformer } from '@napi-rs/image';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { choose, makeShapes } from '../../data/index.js';
import { RequestError } from '../../errors.js';
import { createRuntime } from '../../runtime/node/create.js';
import type { Runtime } from '../../runtime/runtime.js';
import { imagesLike } from '../../testing/data-info.js';
import { predict as predictWith } from '../../training/evaluate.js';
import { modelOf, taskOf } from '../../training/node/from-recipe.js';
import { RunFolder } from '../../training/node/run-folder.js';
import { makeRecipe, type RecipeInput } from '../../training/recipe.js';
import { saveTensors } from '../../formats/node/files.js';
import { explanationSchema } from '../explanation.js';
import { createModel } from '../../models/index.js';
import { classification } from '../../tasks/index.js';
import { explain as explainModel, explainRun, type ExplainRunOptions } from './explain.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-explain-'));
let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime('cpu', { worker: false });
});
afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});

const recipeOf = (more: RecipeInput) =>
  makeRecipe({ model: 'resnet20', dataset: 'shapes', limitVal: 20, ...more });

/** The folder of a run whose network has not learned anything. */
async function untrained(name: string, more: RecipeInput): Promise<string> {
  const recipe = recipeOf(more);
  const path = join(folder, name);
  const run = await RunFolder.create(path, recipe);
  const state = [...modelOf(recipe, taskOf(recipe), imagesLike([3, 32, 32])).stateDict()].map(
    ([key, { shape, data }]) => {
      const stored =
        data instanceof Float32Array
          ? ({ dtype: 'F32', shape, data } as const)
          : ({ dtype: 'I64', shape, data } as const);
      return [key, stored] as const;
    },
  );
  await saveTensors(run.file('best.safetensors'), new Map(state));
  return path;
}

const explain = (path: string, options: ExplainRunOptions = {}) =>
  explainRun(path, { runtime, localise: 0, ...options });

/** A file with colours from left to right. */
async function writeImage(name: string, kind: 'png' | 'jpeg', side = 40): Promise<string> {
  const pixels = new Uint8Array(4 * side * side);
  for (let at = 0; at < side * side; at++) {
    pixels.set(at % side < side / 2 ? [250, 0, 0, 255] : [0, 0, 250, 255], 4 * at);
  }
  const file = join(folder, name);
  const picture = Transformer.fromRgbaPixels(pixels, side, side);
  writeFileSync(file, kind === 'png' ? await picture.png() : await picture.jpeg(95));
  return file;
}

const size = async (file: string) => {
  const { width, height, format } = await new Transformer(readFileSync(file)).metadata();
  return { width, height, format };
};

describe('explainRun', () => {
  it('writes pictures of everything, and says the same in index.json', async () => {
    const run = await untrained('cbam', { attention: 'cbam', seed: 3 });
    const explanation = await explain(run, { images: [4, 0], localise: 20 });
    const output = join(run, 'explanation');
    const index: unknown = JSON.parse(readFileSync(join(output, 'index.json'), 'utf8'));
    expect(explanationSchema.parse(index)).toEqual(explanation);

    const { images, maps, gates, localisation = [] } = explanation;
    const blocks = [1, 2, 3].flatMap((stage) =>
      [0, 1, 2].map((i) => `layer${stage}.${i}.attention`),
    );
    const { labels, classes } = makeShapes({ size: 10, split: 'val' });
    expect(images.map(({ label, class: own }) => [label, own])).toEqual([
      ['shapes 4', classes[labels[4] ?? -1]],
      ['shapes 0', classes[labels[0] ?? -1]],
    ]);
    expect(maps.map(({ image, module }) => `${image} ${module}`)).toEqual(
      [0, 1].flatMap((i) => ['grad-cam', ...blocks].map((module) => `${i} ${module}`)),
    );
    expect(gates.map(({ module, values }) => [module, values.length])).toEqual(
      blocks.map((module) => [module, 16 * 2 ** (Number(module[5]) - 1)]),
    );
    for (const { scale, kind } of maps) {
      if (kind !== 'spatial') continue;
      expect(scale[0]).toBeGreaterThan(0);
      expect(scale[1]).toBeLessThan(1);
      expect(scale[0]).toBeLessThan(scale[1]);
    }
    for (const { file } of [...images, ...maps]) {
      expect(await size(join(output, file))).toEqual({ width: 192, height: 192, format: 'png' });
    }
    for (const { file = '' } of gates) {
      expect(readFileSync(join(output, file), 'utf8')).toMatch(/^<svg [^]*<\/svg>\n$/);
    }
    const page = readFileSync(join(output, 'index.html'), 'utf8');
    const linked = [...page.matchAll(/src="([^"]+)"/g)].map(([, file]) => file);
    expect(new Set(linked)).toEqual(
      new Set([...images, ...maps, ...gates].map(({ file }) => file)),
    );

    expect(localisation.map(({ module }) => module)).toEqual(['grad-cam', ...blocks]);
    const { masks = [] } = makeShapes({ size: 20, split: 'val' });
    const covered = Array.from(masks).filter((value) => value > 0).length / (20 * 1024);
    for (const { images: scored, share, pointing, energy } of localisation) {
      expect(scored).toBe(20);
      expect(share).toBeCloseTo(covered, 12);
      expect(pointing).toBeLessThanOrEqual(1);
      expect(energy).toBeGreaterThan(0);
    }
  });

  it('predicts what the evaluation of the same weights predicts', async () => {
    const run = await untrained('plain', { seed: 4 });
    const { images, maps } = await explain(run, { images: [2, 7, 11] });
    expect(maps.map(({ kind }) => kind)).toEqual(['grad-cam', 'grad-cam', 'grad-cam']);

    const recipe = recipeOf({ seed: 4 });
    const data = makeShapes({ size: 20, split: 'val' });
    const task = taskOf(recipe);
    const model = modelOf(recipe, task, data);
    const chosen = choose(data, Uint32Array.of(2, 7, 11));
    for await (const { index, values } of predictWith(model, chosen, { task, runtime })) {
      const probabilities = Array.from(values['probabilities']?.data ?? [], Number);
      const best = Math.max(...probabilities);
      expect(images[index]?.predicted).toBe(data.classes[probabilities.indexOf(best)]);
      expect(images[index]?.probability).toBeCloseTo(best, 5);
    }
  });

  it('draws rows of attention from the queries, with the query marked', async () => {
    const run = await untrained('sagan', { attention: 'sagan', stages: [3] });
    const layers = ['layer3.2.*'];
    const { maps } = await explain(run, { images: [0], layers, queries: [[0.99, 0]] });
    expect(maps).toHaveLength(2);
    expect(maps[1]).toMatchObject({
      module: 'layer3.2.attention',
      name: 'attention',
      kind: 'attention-row',
      query: [0.99, 0],
    });
    const file = join(run, 'explanation', maps[1]?.file ?? '');
    const pixels = await new Transformer(readFileSync(file)).rawPixels();
    // The lower left of 8 x 8 cells, each 24 pixels wide: dark at its edge, and white inside of it.
    const at = (x: number, y: number) =>
      Array.from(pixels.subarray(4 * (192 * y + x)).subarray(0, 3));
    expect(at(0, 191)).toEqual([0, 0, 0]);
    expect(at(1, 190)).toEqual([255, 255, 255]);
    expect(at(23, 168)).toEqual([0, 0, 0]);
  });

  it('replaces what was there of itself, and nothing else', async () => {
    const run = await untrained('again', { attention: 'eca' });
    const output = join(folder, 'again-output');
    await explain(run, { output, images: [0, 1], layers: ['layer1.0.*'] });
    writeFileSync(join(output, 'notes.txt'), 'mine');
    await explain(run, { output, images: [0], layers: ['layer2.0.*'] });
    expect(readdirSync(output).sort()).toEqual([
      'gate.layer2.0.attention.channel.svg',
      'image0.grad-cam.png',
      'image0.png',
      'index.html',
      'index.json',
      'notes.txt',
    ]);
    writeFileSync(join(output, 'index.json'), '{"name": "something else"}');
    await expect(explain(run, { output, images: [0] })).rejects.toThrow(/is in the way/);
    expect(existsSync(join(output, 'image0.png'))).toBe(true);
  });

  it('leaves alone what an index or a link from elsewhere leads to', async () => {
    const run = await untrained('hostile', {});
    const output = join(folder, 'hostile-output');
    const options = { output, images: [0] };
    const explanation = await explain(run, options);
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'mine');

    const [image] = explanation.images;
    for (const file of ['..', '.', '../victim', victim, 'a/b', '']) {
      const images = [{ ...image, file }];
      writeFileSync(join(output, 'index.json'), JSON.stringify({ ...explanation, images }));
      const again = explain(run, options);
      await expect(again).rejects.toThrow(RequestError);
      await expect(again).rejects.toThrow(
        /index\.json is in the way, and is not of an explanation/,
      );
    }
    rmSync(join(output, 'index.json'));

    for (const name of ['image0.png', 'index.html', 'index.json']) {
      for (const there of [victim, join(folder, 'nothing')]) {
        rmSync(join(output, name), { force: true });
        symlinkSync(there, join(output, name));
        await expect(explain(run, options)).rejects.toThrow(/leads out of .* it is not followed/);
        rmSync(join(output, name));
      }
    }
    expect(readFileSync(victim, 'utf8')).toBe('mine');
    expect(existsSync(join(folder, 'nothing'))).toBe(false);
    await explain(run, options);
  });

  it('takes grey pictures for a network of colours: each channel is the grey', async () => {
    const run = await untrained('grey', {});
    const grey = fileURLToPath(
      new URL('../../../tests/fixtures/cases/pictures/grey.png', import.meta.url),
    );
    const { problems } = await explain(run, { images: [grey] });
    expect(problems).toBeUndefined();
  });

  it('looks at files, and does not stop at those that are no images', async () => {
    const run = await untrained('files', {});
    const good = await writeImage('good.png', 'png');
    const text = join(folder, 'text.png');
    writeFileSync(text, 'no image');
    const whole = await writeImage('whole.jpg', 'jpeg');
    const cut = join(folder, 'cut.jpg');
    writeFileSync(cut, readFileSync(whole).subarray(0, 500));
    const missing = join(folder, 'missing.png');
    const { images, problems = [] } = await explain(run, {
      images: [text, good, missing, cut, whole],
    });
    expect(images.map(({ label, class: own }) => [label, own])).toEqual([
      ['good.png', ''],
      ['whole.jpg', ''],
    ]);
    expect(problems).toHaveLength(3);
    expect(problems[0]).toContain('text.png is a text that begins with');
    expect(problems[1]).toMatch(/Cannot read .*missing\.png: there is no such file/);
    expect(problems[2]).toMatch(/cut\.jpg .* damaged/);
    await expect(explain(run, { images: [text, missing] })).rejects.toThrow(/text\.png[^]*missing/);
  });

  it('looks at files without the data set at hand; its classes are numbers then', async () => {
    const run = await untrained('cifar', { dataset: 'cifar10', data: join(folder, 'nowhere') });
    const { images } = await explain(run, { images: [await writeImage('red.png', 'png')] });
    expect(images[0]?.predicted).toMatch(/^class \d$/);
    await expect(explain(run, { images: [0] })).rejects.toThrow(/nowhere/);
  });

  it('says what is wrong with a request', async () => {
    const run = await untrained('wrong', { attention: 'se' });
    await expect(explain(run, { images: [5, 20] })).rejects.toThrow(
      'There is no image 20 among the validation images of shapes: expected 0 to 19.',
    );
    await expect(explain(run, { checkpoint: 'last' })).rejects.toThrow(
      /has no last.safetensors yet/,
    );
    await expect(explain(run, { layers: ['*.spatial'] })).rejects.toThrow(
      /No map or gate is called/,
    );
    await expect(explain(run, { images: [] })).rejects.toThrow(/no image to look at/);
    await expect(explain(join(folder, 'none'))).rejects.toThrow(/not the folder of a run/);
    expect(existsSync(join(run, 'explanation'))).toBe(false);
  });
});

describe('explain', () => {
  const task = classification();
  const model = createModel('resnet20', { attention: 'se', seed: 1 });

  it('draws what a model without a name looks at, in a data set that is a value', async () => {
    const output = join(folder, 'value');
    const data = makeShapes({ size: 3, split: 'val' });
    const { images, maps, gates } = await explainModel(model, data, { task, output, runtime });
    expect(images.map(({ label }) => label)).toEqual(['shapes 0', 'shapes 1', 'shapes 2']);
    expect([maps.length, gates.length]).toEqual([3, 9]);
    expect(readFileSync(join(output, 'index.html'), 'utf8')).toContain('What ResNet looks at');
    const some = { task, output, runtime, indices: [2], localise: 3, title: 'Mine' };
    const again = await explainModel(model, data, some);
    expect(again.images.map(({ label }) => label)).toEqual(['shapes 2']);
    expect(again.localisation?.[0]?.images).toBe(3);
  });

  it('draws files over themselves, if it is told what images the model takes', async () => {
    const output = join(folder, 'value-of-files');
    const file = await writeImage('large.png', 'png', 300);
    const info = imagesLike([3, 32, 32]);
    const { images } = await explainModel(model, [file], { task, info, output, runtime });
    expect(images[0]?.predicted).toMatch(/^class \d$/);
    const original = await new Transformer(readFileSync(file)).rawPixels();
    const shown = await new Transformer(readFileSync(join(output, 'image0.png'))).rawPixels();
    expect(Buffer.compare(shown, original)).toBe(0);
    await expect(explainModel(model, [file], { task, output, runtime })).rejects.toThrow(
      /give info/,
    );
    await expect(
      explainModel(model, [file], { task, info, output, runtime, localise: 5 }),
    ).rejects.toThrow(/Files have no masks/);
  });
});
