/** Weights that other programs trained want their own statistics: they are given, asked for, or said. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { makeShapes } from '../../src/data/index.js';
import { createModel } from '../../src/models/index.js';
import { describeOnnx, runOnnxFile } from '../../src/testing/onnx-file.js';
import { RunFolder } from '../../src/training/node/run-folder.js';
import { makeRecipe } from '../../src/training/recipe.js';
import { exportOnnx } from '../../src/weights/export-onnx.js';
import { saveTensors } from '../../src/formats/node/files.js';
import type { StoredTensor } from '../../src/formats/safetensors.js';
import { runFovea } from '../support/command.js';

const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];
const GIVEN = `--mean ${MEAN.join(',')} --std ${STD.join(',')}`;
const IMAGES = 12;
const model = createModel('resnet20', { seed: 5 });

let folder: string;
const at = (...names: string[]) => join(folder, ...names);
const fovea = (request: string) => runFovea(folder, request.split(' '));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-normalization-'));
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { shape, data }] of model.stateDict()) {
    const stored: StoredTensor =
      data instanceof Float32Array ? { dtype: 'F32', shape, data } : { dtype: 'I64', shape, data };
    tensors.set(name, stored);
  }
  await saveTensors(at('foreign.safetensors'), tensors);
  const recipe = makeRecipe({ model: 'resnet20', dataset: 'shapes', limitVal: IMAGES });
  const run = await RunFolder.create(at('run'), recipe);
  await saveTensors(run.file('best.safetensors'), tensors);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const shapes = makeShapes({ size: IMAGES, split: 'val' });

/** Logits of the images, normalised here, by the bare network. */
async function logits(mean: readonly number[], std: readonly number[]): Promise<number[][]> {
  const shape = [IMAGES, 3, 32, 32];
  const data = Float64Array.from(shapes.images, (byte, i) => {
    const channel = Math.floor(i / 1024) % 3;
    return (byte / 255 - (mean[channel] ?? 0)) / (std[channel] ?? 1);
  });
  const file = exportOnnx(model, { image: [3, 32, 32] });
  const [output] = await runOnnxFile(file, 'images', [{ shape, data }]);
  const values = Array.from((output?.['logits']?.data ?? []) as ArrayLike<number>);
  return Array.from({ length: IMAGES }, (_, i) => values.slice(10 * i, 10 * i + 10));
}

/** Mean cross-entropy, by its definition. */
async function loss(mean: readonly number[], std: readonly number[]): Promise<number> {
  const rows = await logits(mean, std);
  const losses = rows.map((row, i) => {
    const total = row.reduce((sum, value) => sum + Math.exp(value), 0);
    return Math.log(total) - (row[shapes.labels[i] ?? -1] ?? NaN);
  });
  return losses.reduce((sum, value) => sum + value, 0) / IMAGES;
}

const EVAL = `eval --model resnet20 --dataset shapes --limit-val ${IMAGES} --json --weights foreign.safetensors`;

describe('fovea eval', () => {
  it('normalises by the statistics that are given', async () => {
    const { code, stdout, stderr } = await fovea(`${EVAL} ${GIVEN}`);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const figures = JSON.parse(stdout) as { loss: number };
    expect(figures).toMatchObject({
      normalization: { mean: MEAN, std: STD },
      normalizationAssumed: false,
    });
    expect(figures.loss).toBeCloseTo(await loss(MEAN, STD), 4);
  });

  it('says which statistics it took where nobody knows those of the weights', async () => {
    const { code, stdout, stderr } = await fovea(EVAL);
    expect(code).toBe(0);
    expect(stderr).toContain(
      'foreign.safetensors is not of a run of Fovea, so nothing tells how its images were normalised.',
    );
    const { mean, std } = shapes.normalization;
    expect(stderr).toContain(`--mean ${mean.join(',')} --std ${std.join(',')}`);
    const figures = JSON.parse(stdout) as { loss: number };
    expect(figures).toMatchObject({ normalizationAssumed: true });
    expect(figures.loss).toBeCloseTo(await loss(mean, std), 4);
  });

  it('does not ask about a run', async () => {
    const { code, stderr } = await fovea('eval --run run');
    expect([code, stderr]).toEqual([0, '']);
  });

  it.each([
    ['--mean 0.5,0.5,0.5', '--mean was given without --std'],
    ['--std 0.5,0.5,0.5', '--std was given without --mean'],
    ['--mean 0.5 --std 0.5', 'has 1 values (0.5): expected 3'],
    ['--mean 124,116,104 --std 58,57,57', 'divided by 255'],
    ['--mean 0.5,0.5,0.5 --std 0.5,0,0.5', 'the value 0: expected numbers above 0'],
    ['--mean 0.5,x,0.5 --std 1,1,1', 'Expected a number for each channel'],
    ['--mean 0.5,,0.5 --std 1,1,1', 'Expected a number for each channel'],
  ])('refuses %s', async (flags, reason) => {
    const { code, stderr } = await fovea(`${EVAL} ${flags}`);
    expect(code).toBe(2);
    expect(stderr).toContain(reason);
  });
});

describe('fovea export', () => {
  const EXPORT = 'export --model resnet20 --dataset shapes --weights foreign.safetensors';

  it('does not normalise pixels by statistics that nobody gave', async () => {
    const { code, stderr } = await fovea(`${EXPORT} --pixels --output none.onnx`);
    expect(code).toBe(2);
    expect(stderr).toMatch(/is not of a run of Fovea.*say so with --mean and --std/);
    expect(existsSync(at('none.onnx'))).toBe(false);
  });

  it('writes the statistics that were given into the file', async () => {
    const { code } = await fovea(`${EXPORT} --pixels ${GIVEN} --output pixels.onnx`);
    expect(code).toBe(0);
    const file = await readFile(at('pixels.onnx'));
    expect(describeOnnx(file).metadata['fovea.normalization']).toBe(
      JSON.stringify({ mean: MEAN, std: STD }),
    );
    const data = Float64Array.from(shapes.images, (byte) => byte / 255);
    const pixels = { shape: [IMAGES, 3, 32, 32], data };
    const [output] = await runOnnxFile(file, 'images', [pixels]);
    const expected = (await logits(MEAN, STD)).flat();
    const found = Array.from((output?.['logits']?.data ?? []) as ArrayLike<number>);
    const largest = Math.max(...found.map((value, i) => Math.abs(value - (expected[i] ?? NaN))));
    expect(largest).toBeLessThan(1e-4);
  });

  it('says nothing of statistics in the file where nobody knows them', async () => {
    expect((await fovea(`${EXPORT} --output bare.onnx`)).code).toBe(0);
    const { metadata } = describeOnnx(await readFile(at('bare.onnx')));
    expect(metadata['fovea.normalization']).toBeUndefined();
    const ofRun = await fovea('export --run run --pixels --output run.onnx');
    expect(ofRun.code).toBe(0);
    expect(describeOnnx(await readFile(at('run.onnx'))).metadata['fovea.normalization']).toBe(
      JSON.stringify(shapes.normalization),
    );
  });
});

describe('fovea explain', () => {
  it('shows the network images normalised by the statistics that are given', async () => {
    for (const [flags, { mean, std }] of [
      ['', shapes.normalization],
      [` ${GIVEN}`, { mean: MEAN, std: STD }],
    ] as const) {
      const { code, stdout } = await fovea(
        `explain --run run --dataset 3 --localise 0 --json${flags}`,
      );
      expect(code).toBe(0);
      const { images } = JSON.parse(stdout) as { images: { probability: number }[] };
      const powers = ((await logits(mean, std))[3] ?? []).map(Math.exp);
      const total = powers.reduce((sum, value) => sum + value, 0);
      expect(images[0]?.probability).toBeCloseTo(Math.max(...powers) / total, 4);
    }
    const wrong = await fovea('explain --run run --dataset 3 --mean 1 --std 1');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('has 1 values (1): expected 3');
  });
});
