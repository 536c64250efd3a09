import { describe, expect, it } from 'vitest';
import { attention } from '../attention/index.js';
import { RequestError } from '../errors.js';
import { traceForward } from '../inspect/trace.js';
import { Conv2d } from '../nn/layers/conv.js';
import { Module } from '../nn/module.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Tensor } from '../tensor/tensor.js';
import { describeOnnx, faultsOf, runOnnxFeeds } from '../testing/onnx-file.js';
import { randomArray } from '../testing/values.js';
import { exportOnnx, exposedNames, type ExportOptions } from './export-onnx.js';

/** What a module makes of some inputs, by the float64 reference. */
function reference(module: Module, inputs: readonly NdArray[]): NdArray[] {
  const trace = traceForward(
    module,
    inputs.map(({ shape }) => shape),
  );
  const feeds = new Map<Tensor, NdArray>(trace.inputs.map((x, i) => [x, inputs[i]!]));
  for (const { tensor, shape, data } of [
    ...[...module.namedParameters()].map(([, own]) => own),
    ...[...module.namedBuffers()].map(([, own]) => own),
  ]) {
    feeds.set(tensor, ndarray(shape, Float64Array.from(data)));
  }
  return [...evaluate(trace.outputs, feeds)];
}

async function expectSame(
  module: Module,
  inputs: Readonly<Record<string, readonly number[]>>,
  outputs: readonly string[],
  options: Omit<ExportOptions, 'image' | 'inputs'> = {},
): Promise<void> {
  module.ensureInitialized();
  const bytes = exportOnnx(module, { inputs, ...options });
  expect(faultsOf(bytes)).toEqual([]);
  const { ends } = describeOnnx(bytes);
  expect(Object.keys(ends)).toEqual([...Object.keys(inputs), ...outputs]);
  for (const [name, shape] of Object.entries(inputs))
    expect(ends[name]).toEqual(['batch', ...shape]);
  for (const batch of [1, 3]) {
    const arrays = Object.values(inputs).map((shape, i) => randomArray([batch, ...shape], i));
    const feeds = Object.fromEntries(Object.keys(inputs).map((name, i) => [name, arrays[i]!]));
    const [results = {}] = await runOnnxFeeds(bytes, [feeds]);
    const expected = reference(module, arrays);
    for (const [i, name] of outputs.entries()) {
      const wanted = expected[i];
      if (wanted === undefined) continue;
      expect(results[name]?.shape, name).toEqual(wanted.shape);
      for (const [at, value] of wanted.data.entries()) {
        expect(results[name]?.data[at], name).toBeCloseTo(value, 4);
      }
    }
  }
}

describe('exportOnnx of a module with several inputs or outputs', () => {
  it('names two inputs in the order of the arguments of forward', async () => {
    const fusion = attention.create('gated-fusion', 4).initialize(1);
    await expectSame(fusion, { left: [4, 5, 3], right: [4, 5, 3] }, ['output']);
    await expectSame(fusion, { a: [4, 2, 2], b: [4, 2, 2] }, ['fused', 'gate'], {
      outputs: ['fused'],
      expose: ['gate'],
    });
  });

  it('takes three inputs, and four', async () => {
    const msf = attention.create('msf', 4).initialize(2);
    const map = [4, 6, 6];
    await expectSame(msf, { one: map, two: map, three: map, four: map }, ['output']);
    const msaa = attention.create('msaa', 16).initialize(2);
    await expectSame(msaa, { low: [16, 4, 4], middle: [16, 4, 4], high: [16, 4, 4] }, ['output']);
  });

  it('numbers the outputs of a list, or calls them as it is told', async () => {
    const head = attention.create('danet-head', 32, { classes: 3 }).initialize(3);
    const plain = ['output.0', 'output.1', 'output.2'];
    await expectSame(head, { features: [32, 3, 4] }, plain);
    const outputs = ['logits', 'position', 'channel'];
    await expectSame(head, { features: [32, 3, 4] }, outputs, { outputs });
  });

  it('shows inner maps as further outputs', async () => {
    const sagan = attention.create('sagan', 8).initialize(4);
    expect(exposedNames(sagan, { x: [8, 3, 3] })).toEqual(['attention']);
    await expectSame(sagan, { x: [8, 3, 3] }, ['output', 'attention'], { expose: ['*'] });
  });

  it('calls outputs as the keys of an object, also one tensor twice and an input itself', async () => {
    class Named extends Module {
      readonly mix = new Conv2d(2, 3, 1);
      override forward = (a: Tensor, b: Tensor): Record<string, Tensor> => {
        const sum = this.mix.forward(a).add(b);
        return { sum, again: sum, a, bias: this.mix.bias?.tensor ?? sum };
      };
    }
    const named = new Named().initialize(5);
    await expectSame(named, { left: [2, 4, 4], b: [3, 4, 4] }, ['sum', 'again', 'a', 'bias']);
  });

  it('has a fixed batch when one is given', () => {
    const fusion = attention.create('gated-fusion', 4);
    const bytes = exportOnnx(fusion, { inputs: { a: [4, 2, 2], b: [4, 2, 2] }, batch: 2 });
    expect(describeOnnx(bytes).ends).toEqual({
      a: [2, 4, 2, 2],
      b: [2, 4, 2, 2],
      output: [2, 4, 2, 2],
    });
  });

  class Returning extends Module {
    constructor(private readonly value: (x: Tensor) => unknown) {
      super();
    }
    override forward(x: Tensor): unknown {
      return this.value(x);
    }
  }
  const image = [2, 3, 3];

  it.each<[string, () => unknown, RegExp]>([
    [
      'too few inputs',
      () => exportOnnx(attention.create('gated-fusion', 2), { image }),
      /GatedFusion\.forward takes 2 inputs, but 1 is given/,
    ],
    ['neither an image nor inputs', () => exportOnnx(new Conv2d(2, 2, 1), {}), /either image,/],
    [
      'both an image and inputs',
      () => exportOnnx(new Conv2d(2, 2, 1), { image, inputs: { image } }),
      /either image,/,
    ],
    [
      'a size that is none',
      () => exportOnnx(new Conv2d(2, 2, 1), { inputs: { x: [2, 0, 3] } }),
      /size of the input 'x' must be a list of positive integers .* not \[2,0,3\]/,
    ],
    [
      'another number of names than outputs',
      () => exportOnnx(new Conv2d(2, 2, 1), { image, outputs: ['a', 'b'] }),
      /2 outputs are named, but the model returns 1: output/,
    ],
    [
      'one name for an input and an output',
      () => exportOnnx(new Conv2d(2, 2, 1), { image, outputs: ['images'] }),
      /'images' cannot be the name of an input or output/,
    ],
    [
      'one name for an output and an inner map',
      () =>
        exportOnnx(attention.create('sagan', 8), {
          inputs: { x: [8, 2, 2] },
          outputs: ['attention'],
          expose: ['*'],
        }),
      /'attention' cannot be the name/,
    ],
    [
      'normalisation of other inputs than images',
      () =>
        exportOnnx(new Conv2d(2, 2, 1), {
          inputs: { x: image },
          normalization: { mean: [0], std: [1] },
        }),
      /Normalisation is of images/,
    ],
    ['nothing', () => exportOnnx(new Returning(() => undefined), { image }), /returned undefined/],
    ['a number', () => exportOnnx(new Returning(() => 7), { image }), /returned the number 7/],
    [
      'a promise',
      () => exportOnnx(new Returning((x) => Promise.resolve(x)), { image }),
      /returned a Promise instead of a Tensor.*no async/,
    ],
    ['an empty list', () => exportOnnx(new Returning(() => []), { image }), /returned an Array\. /],
    [
      'a list in a list',
      () => exportOnnx(new Returning((x) => [[x]]), { image }),
      /returned an Array as output\.0/,
    ],
  ])('refuses %s', (_, act, message) => {
    expect(act).toThrow(RequestError);
    expect(act).toThrow(message);
  });
});
