/** `fovea export` and `fovea convert` as a person meets them. */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createModel } from '../src/models/index.js';
import { randomArray } from '../src/testing/values.js';
import { describeOnnx, faultsOf, runOnnxFile } from '../src/testing/onnx-file.js';
import { exportOnnx } from '../src/weights/export-onnx.js';
import { readTensors, saveTensors } from '../src/formats/node/files.js';
import type { StoredTensor } from '../src/formats/safetensors.js';
import { runFovea } from './support/command.js';

const IMAGE = [3, 32, 32];
const model = createModel('resnet20', { attention: 'se', stages: [3], seed: 7 });
const MODEL = 'export --model resnet20 --attention se --stages 3 --dataset shapes --weights';
const pytorch = fileURLToPath(new URL('fixtures/pytorch', import.meta.url));
const published = fileURLToPath(
  new URL('../../shared/weights/resnet20-12fca82f.th', import.meta.url),
);

let folder: string;
const at = (name: string) => join(folder, name);
const fovea = (request: string) => runFovea(folder, request.split(' '));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-export-'));
  await cp(pytorch, folder, { recursive: true });
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { shape, data }] of model.stateDict()) {
    const stored: StoredTensor =
      data instanceof Float32Array ? { dtype: 'F32', shape, data } : { dtype: 'I64', shape, data };
    tensors.set(name, stored);
  }
  await saveTensors(at('weights.safetensors'), tensors);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('fovea export', () => {
  it('writes the file that the library makes, with what is worth knowing as metadata', async () => {
    const result = await fovea(`${MODEL} weights.safetensors --output a.onnx --json`);
    expect(result.stderr).toBe('');
    expect(result.code).toBe(0);
    const file = await readFile(at('a.onnx'));
    expect(JSON.parse(result.stdout)).toMatchObject({
      output: 'a.onnx',
      bytes: file.length,
      inputs: { images: ['batch', ...IMAGE] },
      outputs: ['logits'],
    });
    expect(faultsOf(file)).toEqual([]);
    const { metadata } = describeOnnx(file);
    expect(metadata).toMatchObject({
      'fovea.version': expect.stringMatching(/^\d+\.\d+\.\d+/) as string,
      'fovea.model': 'resnet20',
      'fovea.attention': 'se',
      'fovea.stages': '[3]',
      'fovea.classes': '10',
      'fovea.input': 'normalised',
    });
    expect(new Uint8Array(file)).toEqual(exportOnnx(model, { image: IMAGE, metadata }));
  });

  it('takes pixels, and shows gates, when it is told to', async () => {
    const statistics = '--mean 0.445,0.445,0.445 --std 0.184,0.184,0.184';
    const flags = `--pixels ${statistics} --expose layer3.* --batch 2`;
    const result = await fovea(`${MODEL} weights.safetensors --output b.onnx ${flags}`);
    expect(result.code).toBe(0);
    expect(result.stdout).toContain('images [2, 3, 32, 32], pixels from 0 to 1 -> logits [2, 10]');
    expect(result.stdout).toContain('and layer3.2.attention.channel');
    const file = await readFile(at('b.onnx'));
    expect(describeOnnx(file).ends['layer3.2.attention.channel']).toEqual([2, 64, 1, 1]);
    const pixels = randomArray([2, ...IMAGE]);
    const normalised = { ...pixels, data: pixels.data.map((value) => (value - 0.445) / 0.184) };
    const [ofPixels] = await runOnnxFile(file, 'images', [pixels]);
    const plain = exportOnnx(model, { image: IMAGE });
    const [expected] = await runOnnxFile(plain, 'images', [normalised]);
    for (const [i, value] of (expected?.['logits']?.data ?? []).entries()) {
      expect(ofPixels?.['logits']?.data[i]).toBeCloseTo(value, 4);
    }
  });

  it.each([
    ['nothing to export', 'export --output c.onnx', /either --run FOLDER, or --model ID with/],
    ['no file to write', 'export --model resnet20 --weights w', /'--output <file>' not specified/],
    [
      'a map that is not there',
      `${MODEL} weights.safetensors --output c.onnx --expose *.spatial`,
      /No inner map or gate is called '\*.spatial'. There are 3/,
    ],
    [
      'weights of another model',
      'export --model resnet20 --weights weights.safetensors --dataset shapes --output c.onnx',
      /weights.safetensors: The weights do not fit the model:\n {2}unknown \(\d+\): layer3.0.attention/,
    ],
    [
      'a folder that is not there',
      `${MODEL} weights.safetensors --output nowhere/c.onnx`,
      /Cannot write nowhere\/c.onnx: .*make the folder first/,
    ],
    [
      'settings beside a run',
      'export --run . --model resnet20 --output c.onnx',
      /A run has its own settings: leave out --model/,
    ],
  ])('refuses %s', async (_, request, message) => {
    const result = await fovea(request);
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(2);
    expect(existsSync(at('c.onnx'))).toBe(false);
  });
});

describe('fovea convert', () => {
  it('lists a checkpoint of PyTorch and writes its weights', async () => {
    const result = await fovea('convert checkpoint.pt weights-of-it.safetensors');
    expect(result.stderr).toBe('');
    expect(result.stdout).toMatch(/0\.weight +6 +F32 +\[3, 2\]/);
    expect(result.stdout).toContain('checkpoint.pt (pytorch, model): 7 tensors');
    expect(result.stdout).toContain('left out: optimizer (4 tensors)');
    const { tensors, metadata } = await readTensors(at('weights-of-it.safetensors'));
    const { model: expected } = JSON.parse(await readFile(at('contents.json'), 'utf8')) as {
      model: Record<string, { values: number[] }>;
    };
    expect([...tensors.keys()].sort()).toEqual(Object.keys(expected).sort());
    for (const [name, { values }] of Object.entries(expected)) {
      expect(Array.from(tensors.get(name)?.data ?? [], Number)).toEqual(values);
    }
    expect(metadata).toEqual({ epoch: '3', best_acc: '0.5', arch: 'tiny' });
  });

  it('only lists when there is no second file, and says it to a program', async () => {
    const before = await readdir(folder);
    const result = await fovea('convert weights.safetensors --json');
    const { format, tensors } = JSON.parse(result.stdout) as { format: string; tensors: object[] };
    expect(format).toBe('safetensors');
    expect(tensors).toHaveLength(model.stateDict().size);
    expect(await readdir(folder)).toEqual(before);
  });

  it.skipIf(!existsSync(published))(
    'turns a published checkpoint into one that fits, and back into its names',
    async () => {
      await fovea(`convert ${published} resnet20.safetensors --names data-parallel`);
      const { tensors, metadata } = await readTensors(at('resnet20.safetensors'));
      const plain = createModel('resnet20');
      expect([...tensors].map(([name, { shape }]) => [name, shape]).sort()).toEqual(
        [...plain.stateDict()]
          .filter(([name]) => tensors.has(name) || !name.endsWith('num_batches_tracked'))
          .map(([name, { shape }]) => [name, shape])
          .sort(),
      );
      expect(Number(metadata['best_prec1'])).toBeCloseTo(91.78);
      await fovea('convert resnet20.safetensors back.safetensors --names data-parallel --reverse');
      const back = await readTensors(at('back.safetensors'));
      expect([...back.tensors.keys()].every((name) => name.startsWith('module.'))).toBe(true);
      expect(back.tensors.get('module.linear.bias')).toEqual(tensors.get('linear.bias'));
    },
  );

  it.each([
    [
      'a file that is not there',
      'convert none.pt d.safetensors',
      /Cannot read none.pt: there is no/,
    ],
    ['a file of another kind', 'convert contents.json d.safetensors', /contents.json: /],
    ['a whole module', 'convert module.pt d.safetensors', /Save its state_dict\(\) instead/],
    ['several parts', 'convert two-parts.pt d.safetensors', /--part: generator, critic/],
    ['a truncated file', 'convert cut.pt d.safetensors', /the file is truncated/],
    ['another format to write', 'convert tensors.pt d.pt', /call it d.safetensors instead of d.pt/],
    ['half a name map', 'convert tensors.pt d.safetensors --reverse', /give one with --names/],
  ])('refuses %s', async (_, request, message) => {
    const whole = await readFile(at('tensors.pt'));
    await writeFile(at('cut.pt'), whole.subarray(0, 2000));
    const result = await fovea(request);
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(2);
    expect((await readdir(folder)).filter((name) => name.startsWith('d.'))).toEqual([]);
  });
});
