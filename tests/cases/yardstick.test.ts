/** Situations from the field that went right, and are to go on: mechanisms of odd shapes, huge logits, few classes. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  attention,
  constantRate,
  Conv2d,
  createModel,
  createRuntime,
  crossEntropy,
  gradCam,
  gradients,
  input,
  lastFeatureMap,
  Linear,
  Module,
  runOnce,
  sgd,
  fit,
  classification,
  imageDataset,
  type Runtime,
  type StateEntry,
  type Tensor,
} from '../../src/node.js';
import type { ImageDataset } from '../../src/data/dataset.js';

const fixture = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../fixtures/cases/${name}.json`, import.meta.url), 'utf8'));

/** The numbers of tests/fixtures/cases/att-odd-shapes/make.py. */
function made(name: string, shape: readonly number[]): Float32Array {
  const seed = Array.from(name).reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
  const count = shape.reduce((a, b) => a * b, 1);
  const more = name.endsWith('running_var') ? 1 : 0;
  return Float32Array.from(
    { length: count },
    (_, i) => Math.floor(((i * 7919 + seed * 104729) % 1021) / 4) / 256 - 0.5 + more,
  );
}

/** Gives every parameter and buffer its number by the formula. */
function fill(module: Module): void {
  const state = new Map<string, StateEntry>();
  for (const [name, { shape, data }] of module.stateDict()) {
    state.set(name, { shape, data: data instanceof Float32Array ? made(name, shape) : data });
  }
  module.loadStateDict(state);
}

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime('cpu', { worker: false });
});
afterAll(() => runtime.close());

interface AttentionCase {
  readonly id: string;
  readonly channels: number;
  readonly shape: number[];
  readonly options: Record<string, number | boolean>;
  readonly scale: number;
  readonly parameters: Record<string, number[]>;
  readonly output: number[];
}

describe('mechanisms of odd channels and maps, as PyTorch computes them', () => {
  const cases = fixture('att-odd-shapes/cases') as AttentionCase[];
  const titled = cases.map((c): [string, AttentionCase] => [
    `${c.id} on [${c.shape.join(', ')}] ${JSON.stringify(c.options)}, inputs times ${c.scale}`,
    c,
  ]);

  it.each(titled)('%s', async (_, { id, channels, shape, options, scale, parameters, output }) => {
    const module = attention.get(id).create(channels, options);
    fill(module);
    const shapes = [...module.namedParameters(), ...module.namedBuffers()].map(([name, part]) => [
      name,
      [...part.shape],
    ]);
    expect(Object.fromEntries(shapes)).toMatchObject(parameters);
    const data = made('x', shape).map((v) => v * scale);
    const [y] = (await runOnce(runtime, module, [{ shape, data }])).outputs;
    const largest = Math.max(...output.map(Math.abs));
    expect(y?.data).toHaveLength(output.length);
    for (const [i, v] of output.entries()) {
      expect(Math.abs(Number(y?.data[i]) - v) / largest).toBeLessThan(2e-6);
    }
  });

  it.each([
    ['se', 8, { ratio: 16 }, /no hidden unit/],
    ['eca', 16, { kernel: 4 }, /even kernel|kernel 4/],
    ['cbam', 16, { kernel: 6 }, /even kernel/],
    ['simple-non-local', 1, {}, /no inner channel/],
  ])('%s of %d channels with %j is refused', (id, channels, options, message) => {
    expect(() => attention.get(id).create(channels, options)).toThrow(message);
  });

  it('self-attention on a map of 80x80 runs', async () => {
    const module = attention.create('sagan', 8);
    fill(module);
    const shape = [1, 8, 80, 80];
    const [y] = (await runOnce(runtime, module, [{ shape, data: made('x', shape) }])).outputs;
    expect(y?.shape).toEqual(shape);
    expect(Array.from(y?.data ?? [], Number).every(Number.isFinite)).toBe(true);
  });
});

interface LossCase {
  readonly smoothing: number;
  readonly logits: number[][];
  readonly labels: number[];
  readonly loss: number;
  readonly gradient: number[][];
}

describe('cross-entropy of huge logits, of two classes and of one', () => {
  const cases = fixture('ce-smoothing-huge/cases') as LossCase[];

  it.each(cases.map((c) => [c.smoothing, JSON.stringify(c.logits), c] as const))(
    'smoothing %d, logits %s',
    async (_, __, { smoothing, logits, labels, loss, gradient }) => {
      const x = input('x', [logits.length, logits[0]?.length ?? 0]);
      const y = input('y', [labels.length], 'int32');
      const graph = crossEntropy(x, y, { labelSmoothing: smoothing });
      const [slope = graph] = gradients([graph], [x]);
      const executable = await runtime.compile({ inputs: { x, y }, outputs: { graph, slope } });
      const found = await executable.run({
        x: Float32Array.from(logits.flat()),
        y: Int32Array.from(labels),
      });
      await executable.dispose();
      const close = (actual: unknown, expected: number) =>
        expect(Math.abs(Number(actual) - expected)).toBeLessThanOrEqual(
          1e-6 * Math.max(1, Math.abs(expected)),
        );
      close(found['graph']?.data[0], loss);
      gradient.flat().forEach((v, i) => close(found['slope']?.data[i], v));
    },
  );
});

describe('Grad-CAM', () => {
  class Network extends Module {
    readonly conv1 = new Conv2d(3, 5, 3, { padding: 1 });
    readonly conv2 = new Conv2d(5, 4, 3, { padding: 1, stride: 2 });
    readonly fc = new Linear(4, 3);
    override forward(x: Tensor): Tensor {
      const features = this.conv2.forward(this.conv1.forward(x).relu()).relu();
      return this.fc.forward(features.mean([2, 3]));
    }
  }

  async function cam(net: Network, classes: readonly number[]) {
    const [x, c] = [input('x', [2, 3, 7, 9]), input('c', [2], 'int32')];
    const logits = net.forward(x);
    const features = lastFeatureMap(logits);
    const executable = await runtime.compile({
      inputs: { x, c },
      outputs: { cam: gradCam(logits, features, c) },
      constants: net.constants(),
    });
    const feeds = { x: made('x', x.shape), c: Int32Array.from(classes) };
    const { cam: found } = await executable.run(feeds);
    await executable.dispose();
    return found;
  }

  it('of an odd, strided map is that of autograd', async () => {
    const expected = fixture('gradcam/cam') as {
      classes: number[];
      shape: number[];
      cam: number[];
    };
    const net = new Network();
    fill(net);
    const found = await cam(net, expected.classes);
    expect(found?.data).toHaveLength(expected.cam.length);
    const largest = Math.max(...expected.cam);
    expect(largest).toBeGreaterThan(0);
    expected.cam.forEach((v, i) =>
      expect(Math.abs(Number(found?.data[i]) - v) / largest).toBeLessThan(1e-5),
    );
  });

  it('of a map of zeros is zeros', async () => {
    const net = new Network();
    net.ensureInitialized();
    for (const parameter of net.parameters()) parameter.data.fill(0);
    const found = await cam(net, [0, 1]);
    expect(new Set(Array.from(found?.data ?? [], Number))).toEqual(new Set([0]));
  });
});

describe('training with few classes and odd batches', () => {
  const dataset = (split: ImageDataset['split'], classes: number, count: number): ImageDataset =>
    imageDataset({
      name: 'own',
      split,
      classes: Array.from({ length: classes }, (_, i) => `class ${i}`),
      channels: 3,
      height: 20,
      width: 12,
      normalization: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
      images: Uint8Array.from({ length: count * 720 }, (_, i) => (i * 37) % 256),
      labels: Int32Array.from({ length: count }, (_, i) => i % classes),
    });

  it.each([
    ['three classes, a last batch of one', 3, 4],
    ['one class', 1, 4],
    ['a batch larger than the set', 3, 128],
  ])('%s: the five best classes hold every label', async (_, classes, batchSize) => {
    const model = createModel('resnet20', { classes, width: 4 });
    model.initialize(1);
    const data = { train: dataset('train', classes, 9), val: dataset('val', classes, 5) };
    const { metrics } = await fit(model, data, {
      runtime,
      task: classification(),
      epochs: 1,
      batchSize,
      optimizer: sgd({}),
      schedule: constantRate(0.01),
      seed: 1,
    });
    expect(metrics[0]?.val_top5).toBe(100);
    expect(Number.isFinite(metrics[0]?.train_loss)).toBe(true);
  });
});
