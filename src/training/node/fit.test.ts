import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeShapes } from '../../data/shapes.js';
import { RequestError } from '../../errors.js';
import { Conv2d, Flatten, Linear, Module, ReLU } from '../../nn/index.js';
import { adamw, constantRate } from '../../optim/index.js';
import { createRuntime } from '../../runtime/node/create.js';
import type { Runtime } from '../../runtime/runtime.js';
import { classification } from '../../tasks/classification.js';
import type { Tensor } from '../../tensor/tensor.js';
import { fit, loadRun, type FitOptions } from './fit.js';
import { RunFolder } from './run-folder.js';

/** A class of a program's own, which no name stands for. */
class Own extends Module {
  readonly conv = new Conv2d(3, 4, 3, { stride: 4 });
  readonly flatten = new Flatten();
  readonly linear = new Linear(256, 10);
  readonly relu = new ReLU();

  override forward(x: Tensor): Tensor {
    return this.linear.forward(this.flatten.forward(this.relu.forward(this.conv.forward(x))));
  }
}

const data = { train: makeShapes({ size: 40 }), val: makeShapes({ size: 20, split: 'val' }) };
const folder = mkdtempSync(join(tmpdir(), 'fovea-fit-'));
let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime('cpu', { worker: false });
});
afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});

const options = (): FitOptions => ({
  runtime,
  task: classification(),
  epochs: 2,
  batchSize: 16,
  optimizer: adamw(),
  schedule: constantRate(0.01),
  seed: 1,
});
const own = () => new Own().initialize(1);

describe('fit of a program', () => {
  const output = join(folder, 'run');

  it('keeps a run folder, goes on in it, and adds epochs to it', async () => {
    const model = own();
    const { metrics, summary } = await fit(model, data, { ...options(), output });
    expect(metrics).toHaveLength(2);
    expect(summary).toMatchObject({ task: 'classification', epochs: 2, train_examples: 40 });
    for (const file of ['metrics.jsonl', 'best.safetensors', 'evaluation.json', 'summary.json']) {
      expect(existsSync(join(output, file)), file).toBe(true);
    }
    const evaluation = JSON.parse(readFileSync(join(output, 'evaluation.json'), 'utf8')) as {
      confusion: number[][];
      per_class: { accuracy: number[] };
    };
    expect(evaluation.confusion.flat().reduce((sum, count) => sum + count, 0)).toBe(20);
    expect(evaluation.per_class.accuracy).toHaveLength(10);

    const more = await fit(own(), data, { ...options(), epochs: 3, output });
    const whole = await fit(own(), data, { ...options(), epochs: 3 });
    const timeless = (all: typeof metrics) =>
      all.map(({ seconds: _, images_per_second: __, ...rest }) => rest);
    expect(timeless(more.metrics)).toEqual(timeless(whole.metrics));
  });

  it('gives a model its weights back', async () => {
    const best = await loadRun(own(), output);
    expect(best.conv.weight.data).not.toEqual(own().conv.weight.data);
    const other = new Linear(3, 4).initialize(1);
    await expect(loadRun(other, output)).rejects.toThrow(/conv.*is unknown/);
  });

  it('refuses a folder that holds another training, and tells commands what it is', async () => {
    const another = fit(own(), data, { ...options(), batchSize: 8, output });
    await expect(another).rejects.toThrow(RequestError);
    await expect(another).rejects.toThrow(/holds another training/);
    await expect(RunFolder.open(output)).rejects.toThrow(/was made by a program.*loadRun/);
  });
});
