import { describe, expect, it } from 'vitest';
import { attention, Cbam, SimpleVit, SqueezeExcite } from '../attention/index.js';
import { Module, type Layer } from '../nn/module.js';
import { Conv2d, ReLU, Sequential } from '../nn/index.js';
import { constant } from '../ops/index.js';
import { createRuntime } from '../runtime/node/create.js';
import type { Tensor } from '../tensor/tensor.js';
import { runModule } from '../testing/run-in-float64.js';
import { randomArray } from '../testing/values.js';
import { runOnce } from './run-once.js';
import { traceForward, traceSteps } from './trace.js';

/** Calls one part twice, on two descriptions of its input, and a chain that nobody else looks at. */
class Twice extends Module {
  readonly shared: Layer = new Sequential(new Conv2d(4, 2, 1), new ReLU(), new Conv2d(2, 4, 1));

  override forward(x: Tensor): Tensor {
    const pooled = [x.globalAvgPool(), x.globalMaxPool()];
    const [a, b] = pooled.map((one) => this.shared.forward(one));
    if (a === undefined || b === undefined) return x;
    return x.mul(this.expose.channel(a.add(b).sigmoid(), 'gate'));
  }
}

/** Products with constant matrices, of which one only resizes. */
class Products extends Module {
  override forward(x: Tensor): Tensor {
    const resized = x.interpolate({ size: [6, 3], mode: 'bilinear' });
    const averaged = resized.adaptiveAvgPool([4, 3]);
    const rotation = constant([0, 1, 0, 0, 0, 1, 1, 0, 0], [3, 3]);
    return averaged.matmul(rotation).slice(2, 0, 2).softmax(1);
  }
}

describe('traceSteps', () => {
  it('tells a resize from other products with constants, by what the constants are for', () => {
    const steps = traceSteps(traceForward(new Products(), [[1, 4, 3, 3]]));
    const words = steps.flatMap(({ what }) => what).filter((word) => word !== 'reshape');
    expect(words).toEqual([
      'resize',
      'average',
      'matmul',
      'slice 0:2 of axis 2',
      'softmax over axis 1',
    ]);
  });

  it('tells operations and calls of parts in their order, with shapes and what is exposed', () => {
    const steps = traceSteps(traceForward(new SqueezeExcite(32), [[2, 32, 6, 5]]));
    expect(steps).toEqual([
      { number: 1, what: ['mean over axes 2, 3'], from: ['x'], shape: [2, 32, 1, 1] },
      { number: 2, part: 'reduce', what: ['Conv2d'], from: [1], shape: [2, 2, 1, 1] },
      { number: 3, what: ['relu'], from: [2], shape: [2, 2, 1, 1] },
      { number: 4, part: 'expand', what: ['Conv2d'], from: [3], shape: [2, 32, 1, 1] },
      { number: 5, what: ['sigmoid'], from: [4], shape: [2, 32, 1, 1], exposes: 'channel' },
      { number: 6, what: ['mul'], from: ['x', 5], shape: [2, 32, 6, 5] },
    ]);
  });

  it('keeps two calls of one part apart, and joins operations that follow each other', () => {
    const steps = traceSteps(traceForward(new Twice(), [[1, 4, 3, 3]]));
    expect(steps.map(({ part, what, from }) => [part ?? '', what.join(', '), ...from])).toEqual([
      ['', 'mean over axes 2, 3', 'x'],
      ['', 'reshape, maxFirst over axis 2, reshape', 'x'],
      ['shared', 'Conv2d, ReLU, Conv2d', 1],
      ['shared', 'Conv2d, ReLU, Conv2d', 2],
      ['', 'add, sigmoid', 3, 4],
      ['', 'mul', 'x', 5],
    ]);
  });

  it('shows a part of parts as one step, and looks into it when asked', () => {
    const trace = traceForward(new Cbam(32), [[1, 32, 4, 4]]);
    expect(traceSteps(trace).map(({ part }) => part)).toEqual([
      'channelGate',
      undefined,
      'spatialGate',
      undefined,
    ]);
    const inside = traceSteps(trace, 'spatialGate');
    expect(inside.at(-1)?.shape).toEqual([1, 1, 4, 4]);
    expect(inside.map(({ part }) => part)).toContain('conv');
    expect(inside[0]?.from).toEqual(['x']);
  });

  it('goes through lists of modules to the modules in them', () => {
    const sizes = { imageSize: 2, patchSize: 4, dim: 8, depth: 2, heads: 2, headDim: 4 };
    const trace = traceForward(new SimpleVit(8, sizes), [[1, 8, 2, 2]]);
    expect(traceSteps(trace, 'transformer').map(({ part }) => part)).toEqual([
      'layers.0',
      'layers.1',
    ]);
  });

  it.each(attention.list().map((entry) => [entry.id, entry] as const))(
    '%s: the last step is the output, and every step works on what came before',
    (id, entry) => {
      const module = attention.get(id).create(64, entry.optionsFor(8, 8));
      const shapes = Array.from({ length: entry.inputs }, () => [2, 64, 8, 8]);
      const trace = traceForward(module, shapes);
      const steps = traceSteps(trace);
      expect(trace.outputs.map(({ shape }) => shape)).toContainEqual(steps.at(-1)?.shape);
      for (const { number, from } of steps) {
        expect(from.length).toBeGreaterThan(0);
        for (const source of from)
          if (typeof source === 'number') expect(source).toBeLessThan(number);
      }
    },
  );
});

describe('runOnce', () => {
  it('gives what the float64 reference gives: output and gates', async () => {
    const module = new SqueezeExcite(16, { ratio: 4 }).initialize(3);
    const x = randomArray([2, 16, 3, 4]);
    const expected = runModule(module, [x]);
    const runtime = await createRuntime('cpu', { worker: false });
    const input = { shape: x.shape, data: Float32Array.from(x.data) };
    const { outputs, exposed } = await runOnce(runtime, module, [input]);
    await runtime.close();
    expect(outputs.map(({ shape }) => shape)).toEqual([[2, 16, 3, 4]]);
    const close = (actual: ArrayLike<unknown> | undefined, wanted: ArrayLike<number>) => {
      expect(actual?.length).toBe(wanted.length);
      for (let i = 0; i < wanted.length; i++) expect(actual?.[i]).toBeCloseTo(wanted[i] ?? NaN, 5);
    };
    close(outputs[0]?.data, expected.output.data);
    close(exposed.get('channel')?.data, expected.exposed.get('channel')?.data ?? []);
  });
});
