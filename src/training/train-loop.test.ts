/** One epoch of the seed's script, as PyTorch ran it, against our step graphs in ONNX Runtime. */
import { readFileSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createModel } from '../models/index.js';
import { sgd } from '../optim/index.js';
import { createRuntime } from '../runtime/node/create.js';
import type { HostTensor } from '../runtime/engine.js';
import type { Runtime } from '../runtime/runtime.js';
import { goldenCase } from '../testing/golden-files.js';
import { nameMaps, renameState } from '../weights/names.js';
import type { TensorData } from '../tensor/op.js';
import type { StateEntry } from '../nn/module.js';
import { readSafetensors } from '../formats/safetensors.js';
import { addBatch, emptyTally, means } from './metrics.js';
import { evaluationStep, floatOutput, initialState, trainingStep } from './step.js';

const { config, tensors } = goldenCase('train_loop');
const names = nameMaps['seed-000-resnet'];

function stored(name: string): { shape: readonly number[]; data: number[] } {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`no '${name}' in the case`);
  return { shape: tensor.shape, data: Array.from(tensor.data, Number) };
}

function metadata(): Record<string, string> {
  const file = new URL('../../tests/fixtures/golden/train_loop.safetensors', import.meta.url);
  return readSafetensors(readFileSync(file)).metadata;
}

/** The values under a prefix, by our names. */
function state(prefix: string): Map<string, StateEntry> {
  const entries = [...tensors.keys()]
    .filter((name) => name.startsWith(prefix))
    .map((name): [string, StateEntry] => {
      const { shape, data } = stored(name);
      return [name.slice(prefix.length), { shape, data: Float32Array.from(data) }];
    });
  return renameState(new Map(entries), names);
}

function batch(name: 'train' | 'val', index: number) {
  const { shape, data } = stored(`${name}.input.${index}`);
  return {
    batchSize: shape[0] ?? 0,
    imageShape: shape.slice(1),
    images: Float32Array.from(data),
    labels: Int32Array.from(stored(`${name}.target.${index}`).data),
  };
}

/** Largest difference over the largest expected magnitude. */
function relativeError(actual: ArrayLike<number>, expected: readonly number[]): number {
  const scale = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(value - (actual[i] ?? NaN)))) / scale;
}

describe('one epoch of the seed, three batches of which the last is smaller', () => {
  let runtime: Runtime;
  const losses = { train: [] as number[], val: [] as number[] };
  const tallies = { train: emptyTally(), val: emptyTally() };
  let after: Readonly<Record<string, HostTensor>> = {};

  beforeAll(async () => {
    runtime = await createRuntime('cpu', { worker: false });
    const { num_classes, base, lr, momentum, weight_decay } = config as Record<string, number>;
    const model = createModel('resnet18', { width: base!, classes: num_classes! });
    model.loadStateDict(state('param.'));
    const optimizer = sgd({ momentum: momentum!, weightDecay: weight_decay! });
    const kept = await runtime.createState(initialState(model, optimizer));

    for (let index = 0; index < 3; index++) {
      const { images, labels, ...shape } = batch('train', index);
      const run = await runtime.compile(trainingStep(model, optimizer, shape).graph);
      const feeds: Record<string, TensorData> = { images, labels };
      for (const [name, value] of Object.entries(optimizer.scalars(index + 1, lr!))) {
        feeds[name] = Float32Array.of(value);
      }
      const outputs = await run.run(feeds, kept);
      const loss = floatOutput(outputs, 'loss')[0] ?? NaN;
      losses.train.push(loss);
      const count = labels.length;
      addBatch(tallies.train, floatOutput(outputs, 'logits'), labels, count, loss * count);
    }
    for (let index = 0; index < 2; index++) {
      const { images, labels, ...shape } = batch('val', index);
      const run = await runtime.compile(evaluationStep(model, shape));
      const outputs = await run.run({ images, labels }, kept);
      const sum = floatOutput(outputs, 'losses').reduce((a, b) => a + b, 0);
      losses.val.push(sum / labels.length);
      addBatch(tallies.val, floatOutput(outputs, 'logits'), labels, labels.length, sum);
    }
    after = await kept.read();
  });
  afterAll(() => runtime.close());

  it('has the losses of PyTorch', () => {
    expect(losses.train).toHaveLength(3);
    expect(relativeError(losses.train, stored('losses.train').data)).toBeLessThan(2e-5);
    expect(relativeError(losses.val, stored('losses.val').data)).toBeLessThan(2e-5);
  });

  it('gets as many images right as the error rates, which the seed calls precision, say', () => {
    const { train_returned, validate_returned } = metadata();
    expect(100 - means(tallies.train).top1).toBeCloseTo(Number(train_returned), 4);
    expect(100 - means(tallies.val).top1).toBeCloseTo(Number(validate_returned), 4);
  });

  it('ends with the weights and running statistics of PyTorch', () => {
    const expected = [...state('after.')];
    expect(expected).toHaveLength(122);
    const wrong = expected.flatMap(([name, { data }]) => {
      const error = relativeError(after[name]?.data as Float32Array, Array.from(data, Number));
      const tolerance = name.includes('running_') ? 1e-5 : 1e-4;
      return error < tolerance ? [] : [`${name}: ${error} > ${tolerance}`];
    });
    expect(wrong).toEqual([]);
  });
});
