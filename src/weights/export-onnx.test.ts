import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { createModel } from '../models/index.js';
import { record } from '../nn/context.js';
import { Module } from '../nn/module.js';
import { input } from '../ops/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Tensor } from '../tensor/tensor.js';
import { describeOnnx, faultsOf, runOnnxFile } from '../testing/onnx-file.js';
import { randomArray } from '../testing/values.js';
import { exportOnnx, exposedNames } from './export-onnx.js';

const IMAGE = [3, 8, 8];
const attention = 'cbam:ratio=2';
const model = createModel('resnet20', { classes: 4, width: 2, attention, stages: [3], seed: 1 });
const NAMES = exposedNames(model, IMAGE);

/** Outputs of the model, and all that it exposes, by the float64 reference. */
function reference(images: NdArray): Record<string, NdArray> {
  const x = input('x', images.shape);
  const { output, record: left } = record(false, () => model.forward(x));
  const wanted: Record<string, Tensor> = { logits: output, ...Object.fromEntries(left.exposed) };
  const feeds = new Map<Tensor, NdArray>([[x, images]]);
  for (const [, { tensor, shape, data }] of [...model.namedParameters(), ...model.namedBuffers()]) {
    feeds.set(tensor, ndarray(shape, Float64Array.from(data)));
  }
  const values = evaluate(Object.values(wanted), feeds);
  return Object.fromEntries(
    Object.keys(wanted).map((name, i) => [name, values[i] ?? ndarray([0])]),
  );
}

function expectClose(
  actual: NdArray | undefined,
  expected: NdArray | undefined,
  name: string,
): void {
  expect(actual?.shape, name).toEqual(expected?.shape);
  const scale = expected?.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0) ?? NaN;
  const errors = expected?.data.map((value, i) => Math.abs(value - (actual?.data[i] ?? NaN))) ?? [
    NaN,
  ];
  expect(Math.max(...errors), name).toBeLessThan(1e-5 * scale);
}

describe('exportOnnx', () => {
  it('writes a file that gives what the model gives, for any number of images, maps too', async () => {
    const bytes = exportOnnx(model, { image: IMAGE, expose: ['*'] });
    expect(faultsOf(bytes)).toEqual([]);
    const batches = [1, 3, 8].map((batch) => randomArray([batch, ...IMAGE], batch));
    const results = await runOnnxFile(bytes, 'images', batches);
    for (const [i, images] of batches.entries()) {
      const expected = reference(images);
      expect(Object.keys(results[i] ?? {})).toEqual(Object.keys(expected));
      for (const [name, value] of Object.entries(expected))
        expectClose(results[i]?.[name], value, name);
    }
  });

  it('is opset 17 with standard ops, symbolic in the batch alone, with weights by their names', () => {
    const bytes = exportOnnx(model, { image: IMAGE, metadata: { 'fovea.model': 'resnet20' } });
    const { opsets, ends, metadata, initializers, ops } = describeOnnx(bytes);
    expect(opsets).toEqual([':17']);
    expect(ends).toEqual({ images: ['batch', ...IMAGE], logits: ['batch', 4] });
    expect(metadata).toEqual({ 'fovea.model': 'resnet20' });
    const own = [...model.stateDict().keys()].filter(
      (name) => !name.endsWith('num_batches_tracked'),
    );
    expect(initializers).toEqual(expect.arrayContaining(own));
    expect(initializers.filter((name) => name.endsWith('num_batches_tracked'))).toEqual([]);
    expect(ops).not.toContain('Shape');
  });

  it('makes outputs of the maps that are asked for, and of no others', () => {
    const chosen = describeOnnx(exportOnnx(model, { image: IMAGE, expose: ['layer3.*.spatial'] }));
    const spatial = NAMES.filter((name) => name.endsWith('.spatial'));
    expect(spatial).toHaveLength(3);
    expect(Object.keys(chosen.ends)).toEqual(['images', 'logits', ...spatial]);
    expect(chosen.ends[spatial[0] ?? '']).toEqual(['batch', 1, 2, 2]);
  });

  it('normalises pixels itself when it is told how', async () => {
    const normalization = { mean: [0.5, 0.4, 0.3], std: [0.25, 0.2, 0.5] };
    const { data, shape } = randomArray([2, ...IMAGE], 5);
    const pixels = ndarray(
      shape,
      data.map((value) => (Math.tanh(value) + 1) / 2),
    );
    const ready = pixels.data.map((value, i) => {
      const channel = Math.floor(i / 64) % 3;
      return (value - (normalization.mean[channel] ?? NaN)) / (normalization.std[channel] ?? NaN);
    });
    const file = exportOnnx(model, { image: IMAGE, normalization });
    const [result] = await runOnnxFile(file, 'images', [pixels]);
    expectClose(result?.['logits'], reference(ndarray(shape, ready))['logits'], 'logits');
  });

  it('has a fixed batch when one is given', async () => {
    const file = exportOnnx(model, { image: IMAGE, batch: 2 });
    expect(describeOnnx(file).ends).toEqual({ images: [2, ...IMAGE], logits: [2, 4] });
    const images = randomArray([2, ...IMAGE]);
    const [result] = await runOnnxFile(file, 'images', [images]);
    expectClose(result?.['logits'], reference(images)['logits'], 'logits');
    await expect(runOnnxFile(file, 'images', [randomArray([3, ...IMAGE])])).rejects.toThrow();
  });

  it('gives the same bytes every time', () => {
    const once = exportOnnx(model, { image: IMAGE, expose: ['*'] });
    expect(exportOnnx(model, { image: IMAGE, expose: ['*'] })).toEqual(once);
  });

  /** Divides by the number of images, which no size of a shape can say. */
  class Share extends Module {
    override forward(x: Tensor): Tensor {
      return x.mul(1 / x.dim(0));
    }
  }

  it.each<[string, () => unknown, RegExp]>([
    [
      'a map that the model has not',
      () => exportOnnx(model, { image: IMAGE, expose: ['layer3.0.attention.spacial'] }),
      /No inner map or gate is called .* such as .*'layer3.0.attention.*spatial'/,
    ],
    [
      'maps of a model that shows none',
      () => exportOnnx(createModel('resnet20', { width: 2 }), { image: IMAGE, expose: ['*'] }),
      /there is none/,
    ],
    [
      'no image at all',
      () => exportOnnx(model, { image: IMAGE, batch: 0 }),
      /batch must be a positive integer, not 0/,
    ],
    ['half an image', () => exportOnnx(model, { image: IMAGE, batch: 1.5 }), /not 1.5/],
    ['images of another kind', () => exportOnnx(model, { image: [1, 8, 8] }), /conv at conv1/],
    [
      'a model whose numbers depend on the batch',
      () => exportOnnx(new Share(), { image: IMAGE }),
      /cannot be exported with a symbolic batch: the constant .* \(--batch N\)/,
    ],
  ])('refuses %s', (_, act, message) => {
    expect(act).toThrow(RequestError);
    expect(act).toThrow(message);
  });

  it('writes such a model for a fixed batch', async () => {
    const file = exportOnnx(new Share(), { image: [1, 1, 1], batch: 4 });
    const [result] = await runOnnxFile(file, 'images', [ndarray([4, 1, 1, 1], [4, 8, 12, 16])]);
    expect([...(result?.['logits']?.data ?? [])]).toEqual([1, 2, 3, 4]);
  });
});
