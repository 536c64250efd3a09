import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { imageDataset, type ImageArrays, type ImageDataset } from '../data/dataset.js';
import { makeShapes } from '../data/shapes.js';
import { RequestError } from '../errors.js';
import { localiseRun } from '../explain/localise.js';
import { createModel } from '../models/index.js';
import { BatchNorm1d, Conv2d, Flatten, Linear, Module, ReLU, Sequential } from '../nn/index.js';
import { constantRate, sgd } from '../optim/index.js';
import { createRuntime } from '../runtime/node/create.js';
import type { Layer } from '../nn/module.js';
import type { Runtime } from '../runtime/runtime.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkTraining } from './check.js';
import { classification } from '../tasks/classification.js';
import { Evaluator } from './evaluate.js';
import { fit } from './fit.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime('cpu', { worker: false });
});
afterAll(() => runtime.close());

/** Images of noise, 8x8, with these labels. */
function dataset(labels: ArrayLike<number>, more: Partial<ImageArrays> = {}): ImageDataset {
  const images = Uint8Array.from({ length: labels.length * 192 }, (_, i) => (i * 37) % 256);
  return imageDataset({
    name: 'own',
    // More than the models tell apart.
    classes: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'],
    channels: 3,
    height: 8,
    width: 8,
    normalization: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
    images,
    labels: labels,
    ...more,
  });
}
const cycle = (n: number, from = 0) => Int32Array.from({ length: n }, (_, i) => from + (i % 3));

/** Three classes; every layer takes a batch of one. */
const plain = () =>
  new Sequential(
    new Conv2d(3, 4, 3, { stride: 2 }),
    new ReLU(),
    new Flatten(),
    new Linear(36, 3),
  ).initialize(1);

/** Normalises a vector over the batch, as the mechanisms with a bottleneck do. */
const normalising = () =>
  new Sequential(
    new Conv2d(3, 4, 8),
    new Flatten(),
    new BatchNorm1d(4),
    new Linear(4, 3),
  ).initialize(1);

function training(
  model: Layer,
  data: ImageDataset,
  { batchSize = 4, val = dataset(cycle(5), { split: 'val' }) } = {},
): { done: Promise<unknown>; steps: () => number } {
  let steps = 0;
  const done = fit(
    model,
    { train: data, val },
    {
      runtime,
      task: classification(),
      epochs: 1,
      batchSize,
      optimizer: sgd({}),
      schedule: constantRate(0.01),
      seed: 1,
      onStep: () => steps++,
    },
  );
  return { done, steps: () => steps };
}

describe('labels that are no class of the model', () => {
  it.each([
    ['from 1 to K', cycle(9, 1), /own \(train\): image 2 has the label 3.* 3 classes.* 0 to 2/],
    ['from -1', cycle(9, -1), /label 0 is -1/],
    ['not whole', [0, 1, 1.5, 2], /label 2 is 1\.5/],
    ['not a number', [0, 1, NaN], /label 2 is NaN/],
    ['huge', [0, 2, 2 ** 31], /label 2 is 2147483648/],
  ])('%s are refused', async (_, labels, message) => {
    const begun = (async () => training(plain(), dataset(labels)).done)();
    await expect(begun).rejects.toThrow(RequestError);
    await expect(begun).rejects.toThrow(message);
  });

  it('are refused before the first step', async () => {
    const { done, steps } = training(plain(), dataset(cycle(9, 1)));
    await expect(done).rejects.toThrow(/image 2 has the label 3/);
    expect(steps()).toBe(0);
  });

  it('are refused among the validation images too', async () => {
    const val = dataset([0, 1, 2, 7], { split: 'val' });
    const { done, steps } = training(plain(), dataset(cycle(9)), { val });
    await expect(done).rejects.toThrow(/own \(val\): image 3 has the label 7/);
    expect(steps()).toBe(0);
  });

  it('are refused by an evaluation, and by Grad-CAM that asks about them', async () => {
    const data = dataset([0, 1, 3]);
    expect(() => new Evaluator(runtime, classification(), plain(), data)).toThrow(
      /image 2 has the label 3/,
    );
    const masks = new Uint8Array(3 * 64).fill(1);
    const scored = localiseRun(runtime, plain(), dataset([0, 1, 3], { masks }), {
      task: classification(),
    });
    await expect(scored).rejects.toThrow(/image 2 has the label 3/);
  });
});

describe('a batch that the model cannot take', () => {
  it('is found before the first step, when it is the last of an epoch', async () => {
    const { done, steps } = training(normalising(), dataset(cycle(9)));
    await expect(done).rejects.toThrow(RequestError);
    await expect(done).rejects.toThrow(
      /^The last batch of an epoch has only 1 image \(of 9, in batches of 4\).* batchNorm at 2: .* Choose another batch size, 3 say, leave that batch out \(--drop-last\), or train on 8 images\.$/,
    );
    expect(steps()).toBe(0);
    // The advice holds.
    await training(normalising(), dataset(cycle(9)), { batchSize: 3 }).done;
    await training(normalising(), dataset(cycle(8))).done;
  });

  it('is named when it is every batch, or all there is', async () => {
    await expect(training(normalising(), dataset(cycle(4)), { batchSize: 1 }).done).rejects.toThrow(
      /cannot be trained on batches of 1 image\. .* Choose a larger batch size\.$/,
    );
    await expect(training(normalising(), dataset([1]), { batchSize: 8 }).done).rejects.toThrow(
      /only 1 image to train on, too few for the model\. .* Train on more images\.$/,
    );
  });

  it('may be any number of images, as a loss or a layer asks for', () => {
    /** Contrasts every image with two others. */
    class Contrast extends Module {
      readonly head = new Linear(192, 3);
      override forward(images: Tensor): Tensor {
        const [batch = 0] = images.shape;
        if (batch < 3) throw new RequestError(`contrast: ${batch} images have no two others`);
        return this.head.forward(images.reshape([batch, 192]));
      }
    }
    const data = (n: number) => ({ train: dataset(cycle(n)), val: dataset(cycle(5)) });
    const options = { task: classification(), batchSize: 4, optimizer: sgd({}) };
    expect(() => checkTraining(new Contrast().initialize(1), data(14), options)).toThrow(
      /has only 2 images \(of 14, in batches of 4\).* no two others\. Choose another batch size, 5 say, leave that batch out \(--drop-last\), or train on 12 images/,
    );
    expect(() => checkTraining(new Contrast().initialize(1), data(15), options)).not.toThrow();
  });

  it('is not blamed for what is wrong with every size', () => {
    const model = new Sequential(new Flatten(), new Linear(100, 3)).initialize(1);
    const data = { train: dataset(cycle(9)), val: dataset(cycle(5)) };
    expect(() =>
      checkTraining(model, data, { task: classification(), batchSize: 4, optimizer: sgd({}) }),
    ).toThrow(/^matmul at 1: cannot take/);
  });

  it.each([0, -1, 2.5, NaN, Infinity])('of %s images is no batch', async (batchSize) => {
    const { done } = training(plain(), dataset(cycle(9)), { batchSize });
    await expect(done).rejects.toThrow(`The batch size is ${batchSize}; expected a whole number`);
    expect(
      () => new Evaluator(runtime, classification(), plain(), dataset(cycle(9)), { batchSize }),
    ).toThrow(`The batch size is ${batchSize}`);
  });
});

describe('few classes', () => {
  it('are all among the first five', async () => {
    for (const classes of [3, 1]) {
      const model = createModel('resnet20', { classes, seed: 1, attention: 'cbam' });
      const labels = Int32Array.from({ length: 9 }, (_, i) => i % classes);
      const more = { height: 20, width: 12, images: new Uint8Array(9 * 3 * 240).fill(7) };
      const { done } = training(model, dataset(labels, more), {
        val: dataset(labels, { ...more, split: 'val' }),
        batchSize: 128,
      });
      const { metrics } = (await done) as Awaited<ReturnType<typeof fit>>;
      expect(metrics[0]?.['val_top5']).toBe(100);
    }
  });

  it('are not right for a network whose outputs are not numbers', async () => {
    const model = plain();
    for (const [, parameter] of model.namedParameters()) parameter.data.fill(NaN);
    const evaluator = new Evaluator(runtime, classification(), model, dataset(cycle(9)));
    const state = await runtime.createState(model.stateValues());
    expect(await evaluator.evaluate(state)).toMatchObject({ figures: { top1: 0, top5: 0 } });
    await evaluator.dispose();
    await state.dispose();
  });
});

it('finds a batch size for SK in the last stage of ResNet-20', () => {
  const data = { train: makeShapes({ size: 31 }), val: makeShapes({ size: 20, split: 'val' }) };
  const model = createModel('resnet20', { classes: 10, seed: 1, attention: 'sk', stages: [3] });
  expect(() =>
    checkTraining(model, data, { task: classification(), batchSize: 10, optimizer: sgd({}) }),
  ).toThrow(/The last batch of an epoch has only 1 image .* Choose another batch size, 9 say/);
});
