import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { makeShapes } from '../data/shapes.js';
import {
  BatchNorm2d,
  Conv2d,
  Dropout,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
  Sequential,
} from '../nn/index.js';
import { adamw, constantRate, linearWarmup, sgd } from '../optim/index.js';
import { createRuntime } from '../runtime/node/create.js';
import type { HostTensors } from '../runtime/engine.js';
import type { Runtime } from '../runtime/runtime.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint.js';
import type { EpochMetrics } from './metrics.js';
import { classification } from '../tasks/classification.js';
import { Diverged, fit, Interrupted, type FitSettings, type Position } from './fit.js';
import { standardAugmentation } from '../data/augmentations/index.js';

const data = {
  train: makeShapes({ size: 50 }),
  // Not a whole number of evaluation batches either way: more than one batch of 250, the last one smaller.
  val: makeShapes({ size: 260, split: 'val' }),
};

/** Small, and with everything that has state of its own: BatchNorm's statistics, dropout's masks. */
function net() {
  return new Sequential(
    new Conv2d(3, 4, 3, { stride: 4 }),
    new BatchNorm2d(4),
    new ReLU(),
    new MaxPool2d(2),
    new Flatten(),
    new Dropout(0.3),
    new Linear(64, 10),
  ).initialize(3);
}

const options: FitSettings = {
  task: classification(),
  augment: standardAugmentation(),
  epochs: 3,
  batchSize: 16,
  optimizer: adamw(),
  schedule: linearWarmup(constantRate(0.01), { epochs: 1 }),
  seed: 5,
};

/** What a run leaves: metrics without times, and the last state as the bytes of a checkpoint. */
interface Outcome {
  metrics: Omit<EpochMetrics, 'seconds' | 'images_per_second'>[];
  state: HostTensors | undefined;
}

const timeless = (metrics: readonly EpochMetrics[]) =>
  metrics.map(({ seconds: _, images_per_second: __, ...figures }) => figures);

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime('cpu', { worker: false });
});
afterAll(() => runtime.close());

async function run(more: Partial<FitSettings> = {}): Promise<Outcome> {
  let state: HostTensors | undefined;
  const { metrics } = await fit(net(), data, {
    runtime,
    ...options,
    ...more,
    onCheckpoint: async (_, kept) => {
      state = await kept.read();
    },
  });
  return { metrics: timeless(metrics), state };
}

/** Stops a run after so many steps in all (training and evaluation) and goes on through a checkpoint's bytes. */
async function interruptedAfter(steps: number): Promise<{ outcome: Outcome; at: Position }> {
  const controller = new AbortController();
  let bytes: Uint8Array | undefined;
  let done = 0;
  const stopped = fit(net(), data, {
    runtime,
    ...options,
    signal: controller.signal,
    onStep: () => {
      if (++done === steps) controller.abort();
    },
    onCheckpoint: async (position, state) => {
      bytes = await writeCheckpoint(await state.read(), position);
    },
  });
  await expect(stopped).rejects.toThrow(Interrupted);
  if (bytes === undefined) throw new Error('nothing was saved');
  const resume = await readCheckpoint(bytes, 'test');
  return { outcome: await run({ resume }), at: resume.position };
}

describe('fit', () => {
  it('learns: the loss falls, and every epoch has its figures', async () => {
    const { metrics } = await run({ epochs: 8, optimizer: sgd() });
    expect(metrics.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(metrics[7]?.['train_loss']).toBeLessThan((metrics[0]?.['train_loss'] ?? NaN) - 0.2);
    expect(metrics[0]!.lr).toBeCloseTo(0.01, 6);
    for (const { val_top1 = NaN, val_top5 = NaN } of metrics) {
      expect(val_top1).toBeLessThanOrEqual(val_top5);
      // Of 260 images.
      expect((val_top1 * 260) / 100).toBeCloseTo(Math.round((val_top1 * 260) / 100), 9);
    }
  });

  it('gives the same bits when it is run again', async () => {
    expect(await run()).toEqual(await run());
  });

  it('gives other values for another seed', async () => {
    expect((await run({ seed: 6 })).metrics).not.toEqual((await run()).metrics);
  });

  // An epoch is 4 steps (16, 16, 16 and 2 images) and 2 batches of evaluation.
  it.each([
    { steps: 2, where: 'in the middle of the first epoch', epoch: 0, iteration: 2 },
    { steps: 5, where: 'during an evaluation', epoch: 0, iteration: 4 },
    { steps: 6, where: 'between two epochs', epoch: 1, iteration: 0 },
    { steps: 9, where: 'in the middle of a later epoch', epoch: 1, iteration: 3 },
  ])('stopped $where and resumed, equals the run that was not', async ({ steps, ...at }) => {
    const interrupted = await interruptedAfter(steps);
    expect(interrupted.at).toMatchObject({ epoch: at.epoch, iteration: at.iteration });
    expect(interrupted.outcome).toEqual(await run());
  });

  it('resumed from a checkpoint within an epoch equals the run that was not', async () => {
    const taken: { position: Position; bytes: Uint8Array }[] = [];
    await fit(net(), data, {
      runtime,
      ...options,
      checkpointMinutes: 0,
      onCheckpoint: async (position, state) => {
        taken.push({ position, bytes: await writeCheckpoint(await state.read(), position) });
      },
    });
    // After each of 4 steps, and after the evaluation.
    const places = taken.map(({ position: { epoch, iteration } }) => [epoch, iteration]);
    const ofEpoch = (epoch: number) => [1, 2, 3, 4].map((step) => [epoch, step]);
    expect(places).toEqual([...ofEpoch(0), [1, 0], ...ofEpoch(1), [2, 0], ...ofEpoch(2), [3, 0]]);
    const middle = await readCheckpoint(taken[6]!.bytes, 'test');
    expect(middle.position).toMatchObject({ epoch: 1, iteration: 2 });
    expect(await run({ resume: middle })).toEqual(await run());
  });

  it('takes no checkpoint within an epoch before the time has come', async () => {
    const taken: Position[] = [];
    const onCheckpoint = (position: Position) => Promise.resolve(void taken.push(position));
    await fit(net(), data, { runtime, ...options, epochs: 1, onCheckpoint });
    expect(taken).toMatchObject([{ epoch: 1, iteration: 0 }]);
  });

  it('stops before the first step if it is asked to by then, and saves that too', async () => {
    const saved: Position[] = [];
    const stopped = fit(net(), data, {
      runtime,
      ...options,
      signal: AbortSignal.abort(),
      onCheckpoint: (position) => Promise.resolve(void saved.push(position)),
    });
    await expect(stopped).rejects.toThrow('Stopped in epoch 1 of 3, after 0 of 4 steps.');
    expect(saved).toMatchObject([{ epoch: 0, iteration: 0 }]);
  });

  it('stops at a loss that is not finite, saying where, without another checkpoint', async () => {
    const checkpoints: number[] = [];
    const diverging = fit(net(), data, {
      runtime,
      ...options,
      optimizer: sgd(),
      schedule: { lr: (epoch) => (epoch < 1 ? 0.01 : 1e30) },
      onCheckpoint: ({ epoch }) => Promise.resolve(void checkpoints.push(epoch)),
    });
    await expect(diverging).rejects.toThrow(Diverged);
    await expect(diverging).rejects.toThrow(/loss became (NaN|Infinity) in epoch 2.* than 1e\+30/);
    expect(checkpoints).toEqual([1]);
  });

  it('stops when the last step of an epoch broke the weights, before they are saved', async () => {
    const checkpoints: number[] = [];
    const diverging = fit(net(), data, {
      runtime,
      ...options,
      optimizer: sgd(),
      schedule: { lr: (_, iteration, iterations) => (iteration < iterations - 1 ? 0.01 : 1e38) },
      onCheckpoint: ({ epoch }) => Promise.resolve(void checkpoints.push(epoch)),
    });
    await expect(diverging).rejects.toThrow(/validation loss became .* in epoch 1/);
    expect(checkpoints).toEqual([]);
  });

  it('tells of every step, with the share that is done', async () => {
    const seen: string[] = [];
    await run({
      epochs: 1,
      onStep: ({ phase, iteration, iterations }) =>
        seen.push(`${phase} ${iteration}/${iterations}`),
    });
    expect(seen).toEqual([
      'train 1/4',
      'train 2/4',
      'train 3/4',
      'train 4/4',
      'val 1/2',
      'val 2/2',
    ]);
  });
});
