import { describe, expect, it } from 'vitest';
import { cost } from '../inspect/cost.js';
import { traceForward } from '../inspect/trace.js';
import type { Module } from '../nn/module.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray } from '../tensor/ndarray.js';
import { faultsOf, runOnnxFeeds } from '../testing/onnx-file.js';
import { randomArray } from '../testing/values.js';
import { exportOnnx } from '../weights/export-onnx.js';
import { ProjectedEncoder } from './projected-encoder.js';
import { ResNet } from './resnet.js';
import { segmentationNet, type SegmentationNetOptions } from './segmentation.js';
import { SimpleVitClassifier } from './simple-vit.js';

const SIDE = 8;

function segmentation(options: Partial<SegmentationNetOptions>): Module {
  const encoder = new ResNet({
    block: 'basic',
    depths: [1, 1, 1],
    width: 4,
    classes: 0,
    shortcut: 'projection',
    imageSize: [SIDE, SIDE],
  });
  return segmentationNet({ encoder, classes: 3, ...options });
}

/** An exported file takes any batch, and gives what the reference gives. */
async function expectExported(model: Module, names: readonly string[]): Promise<void> {
  model.initialize(1);
  const image = [3, SIDE, SIDE];
  const bytes = exportOnnx(model, { inputs: { images: image } });
  expect(faultsOf(bytes)).toEqual([]);
  const images = randomArray([2, ...image], 1);
  const { inputs, outputs } = traceForward(model, [images.shape]);
  const feeds = model.constants();
  const values = new Map(
    [...feeds].map(([tensor, data]) => [
      tensor,
      ndarray(tensor.shape, Float64Array.from(data, Number)),
    ]),
  );
  for (const input of inputs) values.set(input, images);
  const expected = evaluate(outputs, values);
  const [results = {}] = await runOnnxFeeds(bytes, [{ images }]);
  expect(Object.keys(results)).toEqual(names);
  for (const [i, name] of names.entries()) {
    expect(results[name]?.shape).toEqual(expected[i]?.shape);
    for (const [at, value] of (expected[i]?.data ?? []).entries()) {
      expect(results[name]?.data[at], name).toBeCloseTo(value, 4);
    }
  }
}

describe('exportOnnx', () => {
  it.each(['add', 'concat', 'gated-fusion', 'msf', 'mfe', 'safm', 'osra', 'msaa'])(
    'writes a segmentation network with %s',
    async (fusion) => {
      await expectExported(segmentation({ fusion }), ['output']);
    },
  );

  it('writes the auxiliary outputs of a head by name', async () => {
    const model = segmentation({ head: 'danet-head' });
    await expectExported(model, ['output', 'aux1', 'aux2']);
    expect(cost(model, [3, SIDE, SIDE]).macs).toBeGreaterThan(0);
  });

  it('writes a SimpleViT under a projection, with embeddings and features', async () => {
    const encoder = new SimpleVitClassifier({ imageSize: SIDE, dim: 16, depth: 2, classes: 0 });
    await expectExported(new ProjectedEncoder(encoder), ['embeddings', 'features']);
  });
});
