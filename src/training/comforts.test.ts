/** What a training can be told besides: averages, clipping, early stopping, mixing, dropping the last batch. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cutmix, mixup, standardAugmentation } from '../data/augmentations/index.js';
import { makeShapes } from '../data/shapes.js';
import { BatchNorm2d, Conv2d, Flatten, Linear, ReLU, Sequential } from '../nn/index.js';
import { constantRate, sgd } from '../optim/index.js';
import { createRuntime } from '../runtime/node/create.js';
import type { HostTensors } from '../runtime/engine.js';
import type { Runtime } from '../runtime/runtime.js';
import { classification } from '../tasks/classification.js';
import { evaluate } from './evaluate.js';
import { fit, Interrupted, type FitSettings, type Position } from './fit.js';

const data = { train: makeShapes({ size: 50 }), val: makeShapes({ size: 40, split: 'val' }) };

function net() {
  return new Sequential(
    new Conv2d(3, 4, 3, { stride: 4 }),
    new BatchNorm2d(4),
    new ReLU(),
    new Flatten(),
    new Linear(256, 10),
  ).initialize(3);
}

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime('cpu', { worker: false });
});
afterAll(() => runtime.close());

const options: FitSettings = {
  task: classification(),
  epochs: 1,
  batchSize: 16,
  optimizer: sgd(),
  schedule: constantRate(0.1),
  seed: 5,
};

/** The states after every step, and what the training came to. */
async function states(more: Partial<FitSettings>) {
  const model = net();
  const seen: HostTensors[] = [];
  const { metrics } = await fit(model, data, {
    runtime,
    ...options,
    ...more,
    checkpointMinutes: 0,
    onCheckpoint: async (position, state) => {
      if (position.iteration > 0) seen.push(await state.read());
    },
  });
  return { model, seen, metrics };
}

const values = (state: HostTensors | undefined, name: string) =>
  Array.from(state?.[name]?.data ?? [], Number);

describe('a moving average of the weights', () => {
  it('is decay times what it was and the rest of the new value, of weights and statistics', async () => {
    const { seen } = await states({ ema: 0.8 });
    expect(seen).toHaveLength(4);
    const first = net().stateValues();
    for (const name of ['0.weight', '1.running_mean', '1.running_var', '4.bias']) {
      let average = values(first, name);
      for (const state of seen) {
        const now = values(state, name);
        average = average.map((value, i) => 0.8 * value + 0.2 * (now[i] ?? NaN));
        values(state, `ema.${name}`).forEach((value, i) => {
          expect(value).toBeCloseTo(average[i] ?? NaN, 5);
        });
      }
    }
  });

  it('is what is evaluated, and what the model has in the end', async () => {
    const { model, seen, metrics } = await states({ ema: 0.8 });
    expect(values(model.stateValues(), '0.weight')).toEqual(values(seen.at(-1), 'ema.0.weight'));
    const { figures } = await evaluate(model, data.val, { task: options.task, runtime });
    expect(figures['loss']).toBeCloseTo(metrics[0]?.['val_loss'] ?? NaN, 6);
  });
});

describe('clipped gradients', () => {
  const names = ['0.weight', '0.bias', '1.weight', '1.bias', '4.weight', '4.bias'];
  /** How far the first step went, over the learning rate: plain SGD's gradient. */
  const gradient = (state: HostTensors | undefined) =>
    names.flatMap((name) => {
      const before = values(net().stateValues(), name);
      return values(state, name).map((value, i) => ((before[i] ?? NaN) - value) / 0.1);
    });
  const norm = (numbers: readonly number[]) =>
    Math.sqrt(numbers.reduce((sum, value) => sum + value * value, 0));
  const plain = { optimizer: sgd({ momentum: 0, weightDecay: 0 }) };

  it('have at most the norm that was asked for, and their direction', async () => {
    const free = gradient((await states(plain)).seen[0]);
    const clipped = gradient((await states({ ...plain, clipNorm: 0.5 })).seen[0]);
    expect(norm(free)).toBeGreaterThan(0.5);
    expect(norm(clipped)).toBeCloseTo(0.5, 3);
    const inner = free.reduce((sum, value, i) => sum + value * (clipped[i] ?? NaN), 0);
    expect(inner / (norm(free) * norm(clipped))).toBeCloseTo(1, 4);
  });

  it('have no element beyond what was asked for, and are the same below it', async () => {
    const free = gradient((await states(plain)).seen[0]);
    const clipped = gradient((await states({ ...plain, clipValue: 0.05 })).seen[0]);
    free.forEach((value, i) => {
      expect(clipped[i]).toBeCloseTo(Math.max(-0.05, Math.min(0.05, value)), 4);
    });
    expect(free.some((value) => Math.abs(value) > 0.05)).toBe(true);
  });
});

describe('the last batch of an epoch', () => {
  it('is left out where it is smaller and that was asked for', async () => {
    expect((await states({})).seen).toHaveLength(4);
    expect((await states({ dropLast: true })).seen).toHaveLength(3);
  });
});

describe('a training that does not become better', () => {
  it('ends after as many epochs as patience has', async () => {
    const { metrics } = await states({ epochs: 9, patience: 2, schedule: constantRate(0) });
    // With a rate of 0 only the running statistics change: the best epoch is one of the first.
    const best = metrics.map((one) => one['val_top1'] ?? NaN);
    const at = best.indexOf(Math.max(...best));
    expect(metrics).toHaveLength(Math.min(9, at + 1 + 2));
    expect(metrics.length).toBeLessThan(9);
  });

  it('ends when a callback says so', async () => {
    const { metrics } = await fit(net(), data, {
      runtime,
      ...options,
      epochs: 5,
      onEpoch: ({ epoch }) => (epoch === 2 ? 'stop' : undefined),
    });
    expect(metrics).toHaveLength(2);
  });
});

describe('mixed images', () => {
  const mixing: Partial<FitSettings> = {
    task: classification({ mixed: true }),
    augment: [...standardAugmentation(), mixup({ alpha: 0.4 }), cutmix()],
    epochs: 2,
  };

  it('train, and give the same bits when a run is left in the middle and goes on', async () => {
    const whole = (await states(mixing)).seen.at(-1);
    const controller = new AbortController();
    let resume: { position: Position; state: HostTensors } | undefined;
    const stopped = fit(net(), data, {
      runtime,
      ...options,
      ...mixing,
      signal: controller.signal,
      onStep: ({ epoch, iteration }) => {
        if (epoch === 2 && iteration === 1) controller.abort();
      },
      onCheckpoint: async (position, state) => {
        resume = {
          position: { ...position, metrics: [...position.metrics] },
          state: await state.read(),
        };
      },
    });
    await expect(stopped).rejects.toThrow(Interrupted);
    const { seen } = await states({ ...mixing, ...(resume && { resume }) });
    expect(seen.at(-1)).toEqual(whole);
  });

  it('are refused by a task that has one label for each image', async () => {
    await expect(states({ ...mixing, task: classification() })).rejects.toThrow(
      /classification\(\{ mixed: true \}\)/,
    );
  });
});
