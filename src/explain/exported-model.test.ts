import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeShapes } from '../data/index.js';
import { FileError, FoveaError, RequestError } from '../errors.js';
import { createModel } from '../models/index.js';
import { Conv2d } from '../nn/index.js';
import { createRuntime } from '../runtime/node/create.js';
import type { Runtime } from '../runtime/runtime.js';
import { classification } from '../tasks/index.js';
import { predict } from '../training/evaluate.js';
import { exportOnnx } from '../weights/export-onnx.js';
import { ExportedModel } from './exported-model.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime('cpu', { worker: false });
});
afterAll(() => runtime.close());

const data = makeShapes({ size: 7, split: 'val' });
const model = createModel('resnet20', { width: 4, seed: 2 });
const image = [3, 32, 32];
const { normalization } = data;

async function probabilitiesOf(predictions: AsyncIterable<{ values: object }>): Promise<number[]> {
  const all: number[] = [];
  for await (const { values } of predictions) {
    const { probabilities } = values as { probabilities: { data: Float32Array } };
    all.push(...probabilities.data);
  }
  return all;
}

describe('ExportedModel', () => {
  it.each([
    ['any number of images', {}],
    ['so many images that the last batch is filled up', { batch: 3 }],
  ])('predicts what the model does, from a file for %s', async (_, options) => {
    const bytes = exportOnnx(model, { image, ...options });
    const exported = await ExportedModel.load(runtime, bytes, { normalization });
    const alone = await probabilitiesOf(exported.predict(data, { batchSize: 4 }));
    await exported.dispose();
    const own = await probabilitiesOf(predict(model, data, { task: classification(), runtime }));
    expect(alone).toHaveLength(70);
    for (const [i, value] of own.entries()) expect(alone[i]).toBeCloseTo(value, 5);
  });

  it('knows from the metadata what the classes are called and what the file takes', async () => {
    const metadata = {
      'fovea.task': 'classification',
      'fovea.class_names': '["a","b"]',
      'fovea.input': 'pixels from 0 to 1',
    };
    const bytes = exportOnnx(model, { image, metadata, normalization });
    const { info, task } = await ExportedModel.load(runtime, bytes);
    expect(task).toBe('classification');
    expect(info).toMatchObject({ classes: ['a', 'b'], channels: 3, height: 32, width: 32 });
    expect(info.normalization).toEqual({ mean: [0, 0, 0], std: [1, 1, 1] });
    const twice = ExportedModel.load(runtime, bytes, { normalization });
    await expect(twice).rejects.toThrow(/normalises them itself/);
  });

  it('takes the largest of equal logits of a pixel to be the first', async () => {
    const conv = new Conv2d(3, 2, 1).initialize(1);
    conv.weight.data.set([1, 0, 0, 1, 0, 0]);
    conv.bias?.data.fill(0);
    const bytes = exportOnnx(conv, { image: [3, 4, 5] });
    const exported = await ExportedModel.load(runtime, bytes, { normalization });
    const small = { ...data, height: 4, width: 5, size: 1 };
    for await (const { values } of exported.predict(small)) {
      expect(values['classes']?.shape).toEqual([4, 5]);
      expect(new Set(values['classes']?.data as Int32Array)).toEqual(new Set([0]));
    }
  });

  it('refuses what is no model of images', async () => {
    const load = (bytes: Uint8Array, options = {}) => ExportedModel.load(runtime, bytes, options);
    await expect(load(new Uint8Array(100).fill(200))).rejects.toThrow(FileError);
    await expect(load(exportOnnx(model, { image }))).rejects.toThrow(RequestError);
    const pair = exportOnnx(new Conv2d(3, 2, 1), { inputs: { left: [3, 4, 4] } });
    const cut = pair.subarray(0, pair.length - 40);
    await expect(load(cut, { source: 'cut.onnx' })).rejects.toThrow(/^cut\.onnx is damaged/);
    const names = exportOnnx(model, { image, metadata: { 'fovea.class_names': '[1' } });
    await expect(load(names, { normalization })).rejects.toThrow(/class names .* cannot be read/);
  });
});

describe('Runtime.load', () => {
  it('runs a file with inputs by name, and says which input is missing', async () => {
    const loaded = await runtime.load(exportOnnx(model, { image }));
    expect(loaded.head.inputs).toEqual([
      { name: 'images', shape: ['batch', 3, 32, 32], dtype: 'float32' },
    ]);
    const images = new Float32Array(2 * 3 * 32 * 32);
    const feeds = { images: { dtype: 'float32', shape: [2, 3, 32, 32], data: images } } as const;
    expect((await loaded.run(feeds))['logits']?.shape).toEqual([2, 10]);
    await expect(loaded.run({})).rejects.toThrow(/The input 'images' was not given a value/);
    await loaded.dispose();
    await expect(loaded.run(feeds)).rejects.toThrow(FoveaError);
  });

  it('leaves the bytes to whoever gave them', async () => {
    const bytes = exportOnnx(model, { image });
    const before = bytes.slice();
    await (await runtime.load(bytes)).dispose();
    expect(bytes).toEqual(before);
  });
});
