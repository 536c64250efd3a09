/** `fovea predict`, and what else a trained model is asked about pictures, as a person meets it. */
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { makeShapes } from '../src/data/index.js';
import { readPngIndices } from '../src/formats/node/pictures/png-indices.js';
import { saveTensors } from '../src/formats/node/files.js';
import type { StoredTensor } from '../src/formats/safetensors.js';
import { createModel } from '../src/models/index.js';
import { describeOnnx, runOnnxFile } from '../src/testing/onnx-file.js';
import { addFiles, plainPng, shadedJpeg } from '../src/testing/pictures.node.js';
import { modelOf, taskOf, writtenInfo } from '../src/training/node/from-recipe.js';
import { RunFolder } from '../src/training/node/run-folder.js';
import { makeRecipe, type RecipeInput } from '../src/training/recipe.js';
import { exportOnnx } from '../src/weights/export-onnx.js';
import { expectNoTrace, runFovea } from './support/command.js';

const fixtures = fileURLToPath(new URL('fixtures/predict', import.meta.url));
const varieties = fileURLToPath(new URL('fixtures/cases/pictures', import.meta.url));
const { size: SIDE, pixels: EXPECTED } = JSON.parse(
  readFileSync(join(fixtures, 'expected.json'), 'utf8'),
) as { size: number; pixels: Record<string, string> };

interface Named {
  readonly class: string;
  readonly index: number;
  readonly probability: number;
}
interface Answers {
  readonly task: string;
  readonly classes: string[];
  readonly images: {
    readonly file: string;
    readonly predictions?: Named[];
    readonly shares?: { readonly class: string; readonly share: number }[];
    readonly mask?: string;
    readonly features?: number[];
  }[];
  readonly problems: string[];
}

let folder: string;
const at = (...names: string[]) => join(folder, ...names);
const fovea = (...args: string[]) => runFovea(folder, args);

/** What the program says as JSON; it must have nothing else to say. */
async function answers(...args: string[]): Promise<Answers> {
  const { code, stdout, stderr } = await fovea('predict', '--json', ...args);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout) as Answers;
}

/** The folder of a run on the shapes whose network has not learned anything. */
async function untrained(name: string, more: RecipeInput): Promise<string> {
  const data = makeShapes({ size: 4, split: 'val' });
  const recipe = makeRecipe({
    model: 'resnet20',
    dataset: 'shapes',
    limitVal: 12,
    ...more,
    info: writtenInfo(data),
  });
  const run = await RunFolder.create(at(name), recipe);
  const state = modelOf(recipe, taskOf(recipe), data).stateDict();
  const tensors = [...state].map(([key, { shape, data: values }]): [string, StoredTensor] => [
    key,
    values instanceof Float32Array
      ? { dtype: 'F32', shape, data: values }
      : { dtype: 'I64', shape, data: values },
  ]);
  await saveTensors(run.file('best.safetensors'), new Map(tensors));
  return name;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fovea-predict-'));
  cpSync(fixtures, at('pictures'), { recursive: true });
  const colors = { blue: [10, 20, 220], green: [20, 210, 30], red: [230, 20, 10] } as const;
  for (const [name, color] of Object.entries(colors)) {
    for (let i = 0; i < 5; i++) {
      addFiles(folder, { [`data/${name}/${i}.png`]: plainPng(9 + 7 * i, 30 - 4 * i, color) });
    }
  }
  addFiles(folder, { 'data/blue/shaded.jpg': shadedJpeg(40, 25, 250) });
  const flags = `--dataset folder --data data --size ${SIDE} --model resnet20 --epochs 1 --batch-size 5 --lr 0.01`;
  const trained = await fovea('train', ...flags.split(' '), '--output', 'run');
  expect(trained.code).toBe(0);
  await untrained('segmenting', { task: 'segmentation', attention: 'cbam', head: 'danet-head' });
  await untrained('contrasting', { task: 'contrastive', model: 'simple-vit' });
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const names = Object.keys(EXPECTED);
const files = names.map((name) => `pictures/${name}`);

describe('the probabilities of fovea predict', () => {
  it('are those of the exported file, run without Fovea on what Pillow makes of the pictures', async () => {
    const exported = await fovea('export', '--run', 'run', '--pixels', '--output', 'pixels.onnx');
    expect(exported.code).toBe(0);
    const { images, classes } = await answers('--run', 'run', ...files);
    expect(classes).toEqual(['blue', 'green', 'red']);
    expect(images.map(({ file }) => file)).toEqual(files);

    const pixels = names.map((name) =>
      Uint8Array.from(Buffer.from(EXPECTED[name] ?? '', 'base64')),
    );
    const data = Float64Array.from(
      pixels.flatMap((bytes) => Array.from(bytes)),
      (byte) => byte / 255,
    );
    const batch = { shape: [names.length, 3, SIDE, SIDE], data };
    const [outputs] = await runOnnxFile(readFileSync(at('pixels.onnx')), 'images', [batch]);
    const logits = outputs?.['logits']?.data ?? [];
    for (const [i, { predictions = [] }] of images.entries()) {
      const powers = [0, 1, 2].map((k) => Math.exp(logits[3 * i + k] ?? NaN));
      const total = powers.reduce((a, b) => a + b);
      expect(predictions).toHaveLength(3);
      for (const { index, class: name, probability } of predictions) {
        expect(name).toBe(classes[index]);
        expect(Math.abs(probability - (powers[index] ?? NaN) / total)).toBeLessThan(1e-5);
      }
      const sorted = predictions.map(({ probability }) => probability);
      expect(sorted).toEqual([...sorted].sort((a, b) => b - a));
    }
  });

  it.each([[['--pixels']], [[]], [['--pixels', '--batch', '3']], [['--expose']]])(
    'are the same from the exported file alone, exported with %j',
    async (flags) => {
      await fovea('export', '--run', 'run', ...flags, '--output', 'model.onnx');
      const own = await answers('--run', 'run', ...files);
      const alone = await answers('--onnx', 'model.onnx', ...files);
      expect(alone.task).toBe('classification');
      for (const [i, { predictions = [] }] of alone.images.entries()) {
        for (const [k, { class: name, probability }] of predictions.entries()) {
          const one = own.images[i]?.predictions?.[k];
          expect(name).toBe(one?.class);
          expect(Math.abs(probability - (one?.probability ?? NaN))).toBeLessThan(1e-5);
        }
      }
    },
  );

  it('are the same from the weights alone, when everything is said that the run knows', async () => {
    const { mean, std } = (
      JSON.parse(readFileSync(at('run', 'config.json'), 'utf8')) as {
        info: { normalization: { mean: number[]; std: number[] } };
      }
    ).info.normalization;
    const said = `--model resnet20 --size ${SIDE} --classes blue,green,red --mean ${mean.join(',')} --std ${std.join(',')}`;
    const weights = ['--weights', 'run/best.safetensors', ...said.split(' ')];
    expect((await answers(...weights, ...files)).images).toEqual(
      (await answers('--run', 'run', ...files)).images,
    );
  });

  it('do not depend on the pictures beside', async () => {
    const { images } = await answers('--run', 'run', ...files);
    const alone = await answers('--run', 'run', files[4] ?? '');
    for (const [k, { probability }] of (alone.images[0]?.predictions ?? []).entries()) {
      expect(probability).toBeCloseTo(images[4]?.predictions?.[k]?.probability ?? NaN, 5);
    }
  });
});

describe('fovea predict', () => {
  it('takes folders and patterns of every variety, and goes on behind what it cannot read', async () => {
    writeFileSync(at('text.png'), 'no picture');
    writeFileSync(at('cut.jpg'), readFileSync(join(varieties, 'baseline.jpg')).subarray(0, 300));
    const result = await fovea(
      ...['predict', '--run', 'run', '--csv', '--top', '1'],
      ...[varieties, 'text.png', 'cut.jpg', 'data/*/0.png', 'nowhere.png'],
    );
    expectNoTrace(result);
    expect(result.code).toBe(2);
    const [head, ...lines] = result.stdout.trimEnd().split('\n');
    expect(head).toBe('file,rank,class,probability');
    const pictures = readdirSync(varieties).filter((name) => !name.endsWith('.json'));
    expect(lines).toHaveLength(pictures.length + 3);
    expect(lines.some((line) => line.includes('cmyk.jpg,1,'))).toBe(true);
    expect(lines.every((line) => /,1,(blue|green|red),0\.\d+$/.test(line))).toBe(true);
    expect(result.stderr).toMatch(/^fovea: text\.png is a text/m);
    expect(result.stderr).toMatch(/^fovea: cut\.jpg .*damaged/m);
    expect(result.stderr).toMatch(/^fovea: Cannot read nowhere\.png/m);
  });

  it('prints a line for each picture to a person', async () => {
    const { stdout } = await fovea('predict', '--run', 'run', '--top', '2', 'data/red');
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(5);
    for (const line of lines) {
      expect(line).toMatch(/^data\/red\/\d\.png {2}(\w+ \d+\.\d % {2})\w+ \d+\.\d %$/);
    }
  });

  it('is JSON also where no picture can be read', async () => {
    const { code, stdout } = await fovea('predict', '--run', 'run', '--json', 'nowhere.png');
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ images: [], problems: [expect.any(String)] });
  });

  it('takes an ONNX file that says nothing of itself, and is told the rest', async () => {
    const model = createModel('resnet20', { classes: 2, seed: 3 });
    writeFileSync(at('bare.onnx'), exportOnnx(model, { image: [3, 32, 32], outputs: ['scores'] }));
    const silent = await fovea('predict', '--onnx', 'bare.onnx', 'pictures/rgb.png');
    expect(silent.code).toBe(2);
    expect(silent.stderr).toMatch(/bare\.onnx does not say how .* --mean and --std/);
    const statistics = ['--mean', '0.5,0.5,0.5', '--std', '0.2,0.2,0.2'];
    const told = await answers(
      ...['--onnx', 'bare.onnx', ...statistics, '--classes', 'cat,dog', 'pictures/rgb.png'],
    );
    const [first, second] = told.images[0]?.predictions ?? [];
    expect([first?.class, second?.class].sort()).toEqual(['cat', 'dog']);
    expect((first?.probability ?? NaN) + (second?.probability ?? NaN)).toBeCloseTo(1, 6);
  });

  it.each([
    ['nothing to predict with', ['x.png'], /either --run FOLDER, or --model ID with --weights/],
    ['no picture', ['--run', 'run'], /missing required argument 'image'/],
    ['an empty folder', ['--run', 'run', 'run'], /no picture .* in the folder run/],
    ['two forms', ['--run', 'run', '--json', '--csv', 'x.png'], /either --json or --csv/],
    ['two models', ['--run', 'run', '--onnx', 'm.onnx', 'x.png'], /leave out --run/],
    ['a file that is no ONNX', ['--onnx', 'pictures/rgb.png', 'x.png'], /is not an ONNX model/],
    ['a run that is not there', ['--run', 'none', 'x.png'], /none is not the folder of a run/],
    ['classes beside a run', ['--run', 'run', '--classes', 'a,b', 'x.png'], /leave out --classes/],
  ])('refuses %s', async (_, args, message) => {
    const result = await fovea('predict', ...args);
    expectNoTrace(result);
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(2);
  });
});

describe('a segmentation network', () => {
  it('is asked for masks of the size of the upright picture, and how much each class covers', async () => {
    const { images } = await answers('--run', 'segmenting', '--output', 'masks', ...files);
    for (const [i, { shares = [], mask = '' }] of images.entries()) {
      expect(mask).toBe(`masks/${names[i] ?? ''}`);
      expect(shares.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
      const { width, height, data } = readPngIndices(readFileSync(at(mask)), mask);
      const largest = shares[0]?.class ?? '';
      expect(['background', ...makeShapes({ size: 1 }).classes]).toContain(largest);
      if (names[i] === 'turned.png') expect([width, height]).toEqual([20, 44]);
      if (names[i] === 'rgb.png') expect([width, height]).toEqual([37, 23]);
      expect(Math.max(...data)).toBeLessThan(11);
    }
  });

  it('gives the same masks from its exported file, whose one output is the logits', async () => {
    const flags = ['--run', 'segmenting', '--pixels', '--output', 'masks.onnx', '--json'];
    const { stdout } = await fovea('export', ...flags);
    expect(JSON.parse(stdout)).toMatchObject({
      outputs: ['logits'],
      shapes: { logits: ['batch', 11, 32, 32] },
      metadata: { 'fovea.task': 'segmentation' },
    });
    const own = await answers('--run', 'segmenting', '--output', 'masks', ...files);
    const alone = await answers('--onnx', 'masks.onnx', '--output', 'others', ...files);
    for (const [i, { shares, mask = '' }] of alone.images.entries()) {
      expect(shares?.map((one) => one.class)).toEqual(
        own.images[i]?.shares?.map((one) => one.class),
      );
      expect(readFileSync(at(mask))).toEqual(readFileSync(at(own.images[i]?.mask ?? '')));
    }
  });

  it('has its auxiliary outputs in the file when they are asked for', async () => {
    await fovea('export', '--run', 'segmenting', '--auxiliary', '--output', 'all.onnx');
    const { ends } = describeOnnx(readFileSync(at('all.onnx')));
    expect(Object.keys(ends)).toEqual(['images', 'logits', 'aux1', 'aux2']);
    expect(ends['aux2']).toEqual(['batch', 11, 32, 32]);
  });

  it('never replaces a picture by its mask, nor one mask by another', async () => {
    const clash = ['--run', 'segmenting', '--output', 'pictures', 'pictures/rgb.png'];
    const { code, stderr } = await fovea('predict', ...clash);
    expect(code).toBe(2);
    expect(stderr).toMatch(/would replace the picture of that name/);
    const both = ['--output', 'twice', 'data/red/0.png', 'data/blue/0.png'];
    const { images } = await answers('--run', 'segmenting', ...both);
    expect(images.map(({ mask }) => mask)).toEqual(['twice/0.png', 'twice/0-2.png']);
  });

  it('is explained by its masks beside the true ones, without Grad-CAM', async () => {
    const { stdout, code } = await fovea(
      'explain',
      '--run',
      'segmenting',
      '--count',
      '2',
      '--json',
    );
    expect(code).toBe(0);
    const { images, maps, masks, localisation } = JSON.parse(stdout) as {
      images: { predicted: string; probability?: number }[];
      maps: { kind: string }[];
      masks: { image: number; kind: string; file: string }[];
      localisation?: unknown;
    };
    expect(images).toMatchObject([{ predicted: '' }, { predicted: '' }]);
    expect(new Set(maps.map(({ kind }) => kind))).toEqual(new Set(['spatial', 'attention-row']));
    expect(masks.map(({ image, kind }) => [image, kind])).toEqual([
      [0, 'true'],
      [0, 'predicted'],
      [1, 'true'],
      [1, 'predicted'],
    ]);
    expect(localisation).toBeUndefined();
    const truth = at('segmenting', 'explanation', masks[0]?.file ?? '');
    const { width, data } = readPngIndices(readFileSync(truth), truth);
    const shapes = makeShapes({ size: 1, split: 'val' });
    expect(width).toBe(192);
    // Every sixth pixel of the enlarged mask is one of the mask's own.
    const own = Array.from(
      { length: 1024 },
      (_, i) => data[6 * Math.floor(i / 32) * 192 + 6 * (i % 32)],
    );
    expect(own).toEqual(Array.from(shapes.masks?.subarray(0, 1024) ?? []));
  });
});

describe('a contrastive network', () => {
  it('is asked for features, the same from its exported file', async () => {
    const { images } = await answers('--run', 'contrasting', ...files);
    await fovea('export', '--run', 'contrasting', '--pixels', '--output', 'features.onnx');
    const { ends } = describeOnnx(readFileSync(at('features.onnx')));
    expect(ends).toMatchObject({ embeddings: ['batch', 128], features: ['batch', 128] });
    const alone = await answers('--onnx', 'features.onnx', ...files);
    for (const [i, { features = [] }] of images.entries()) {
      expect(features).toHaveLength(128);
      for (const [k, value] of features.entries()) {
        expect(alone.images[i]?.features?.[k]).toBeCloseTo(value, 4);
      }
    }
    const { stdout } = await fovea('predict', '--run', 'contrasting', '--csv', files[0] ?? '');
    expect(stdout.split('\n')[0]?.split(',').slice(0, 3)).toEqual([
      'file',
      'features.0',
      'features.1',
    ]);
  });

  it('shows how its patches look at each other', async () => {
    const { stdout, code } = await fovea(
      'explain',
      '--run',
      'contrasting',
      '--images',
      'pictures/rgb.png',
    );
    expect(code).toBe(0);
    expect(stdout).toContain('12 maps and 0 gates: open contrasting/explanation/index.html');
  });
});

describe('fovea explain', () => {
  it('draws over the whole original at its own size, for weights that are of no run', async () => {
    const said = `--weights run/best.safetensors --model resnet20 --size ${SIDE} --classes blue,green,red`;
    const statistics = '--mean 0.4,0.4,0.4 --std 0.3,0.3,0.3';
    const wide = shadedJpeg(700, 260);
    addFiles(folder, { 'wide/picture.jpg': wide, 'wide/huge.jpg': shadedJpeg(2100, 300) });
    const flags = [
      ...said.split(' '),
      ...statistics.split(' '),
      '--images',
      'wide',
      '--output',
      'seen',
    ];
    const { code, stdout } = await fovea('explain', ...flags);
    expect(code).toBe(0);
    expect(stdout).toContain('2 maps and 0 gates: open seen/index.html');
    const sizeOf = (name: string) => {
      const head = readFileSync(at('seen', name));
      return [head.readUInt32BE(16), head.readUInt32BE(20)];
    };
    for (const suffix of ['', '.grad-cam']) {
      expect(sizeOf(`image0${suffix}.png`)).toEqual([1024, 146]);
      expect(sizeOf(`image1${suffix}.png`)).toEqual([700, 260]);
    }
  });

  it('names the validation pictures of a folder, however few there are', async () => {
    const { stdout } = await fovea('explain', '--run', 'run', '--json');
    const { images } = JSON.parse(stdout) as { images: { label: string; class: string }[] };
    expect(images.length).toBeLessThan(8);
    for (const { label, class: own } of images) expect(label.startsWith(`${own}/`)).toBe(true);
    expect(existsSync(at('run', 'explanation', 'index.html'))).toBe(true);
  });
});

describe('fovea eval', () => {
  it('has the figures of each class by its name', async () => {
    const { stdout } = await fovea('eval', '--run', 'run', '--json');
    const evaluated = JSON.parse(stdout) as {
      top1: number;
      classes: string[];
      perClass: Record<string, { accuracy: number }>;
      confusion: number[][];
    };
    expect(Object.keys(evaluated.perClass)).toEqual(['blue', 'green', 'red']);
    for (const [k, name] of evaluated.classes.entries()) {
      const row = evaluated.confusion[k] ?? [];
      const share = (100 * (row[k] ?? NaN)) / row.reduce((a, b) => a + b);
      expect(evaluated.perClass[name]?.accuracy).toBeCloseTo(share, 9);
    }
    const text = await fovea('eval', '--run', 'segmenting', '--per-class');
    expect(text.stdout).toMatch(/^class +iou\nbackground +\d+\.\d\d\ncircle/m);
  });
});
