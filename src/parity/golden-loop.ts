/** The golden case of a whole epoch: document 000's train() and validate(), as PyTorch ran them. */
import { epochOrder } from '../data/batches.js';
import type { Dataset, Split } from '../data/dataset.js';
import { field } from '../data/fields.js';
import { FileError } from '../errors.js';
import { createModel } from '../models/index.js';
import type { StateEntry } from '../nn/module.js';
import { constantRate, sgd } from '../optim/index.js';
import type { HostTensors } from '../runtime/engine.js';
import type { Runtime } from '../runtime/runtime.js';
import { classification } from '../tasks/classification.js';
import { task, type Task } from '../tasks/task.js';
import type { Shape } from '../tensor/shape.js';
import { Evaluator } from '../training/evaluate.js';
import { fit } from '../training/fit.js';
import { nameMaps, renameState } from '../weights/names.js';
import type { GoldenCase, GoldenDifference } from './golden.js';
import type { Compare } from './verify.js';

/** The id of such cases. */
export const GOLDEN_LOOP = 'train.loop';

/** Float errors of three steps add up: the case asks for about this. */
const ALL = 1e-3;

/** Classification of images that come as the numbers that the network sees. */
function taskOf(shape: Shape): Task {
  const { loss, metrics } = classification();
  return task({
    id: GOLDEN_LOOP,
    inputs: { images: field.values('images', shape), labels: field.label() },
    loss: (logits, fields, data) => loss(logits, fields, data),
    metrics,
  });
}

/** What the loop came to. */
export interface GoldenLoop {
  /** Of each batch. */
  readonly losses: Readonly<Record<'train' | 'val', readonly number[]>>;
  /** Share of the images that were told right, in percent. */
  readonly top1: Readonly<Record<'train' | 'val', number>>;
  /** All values afterwards. */
  readonly after: HostTensors;
}

/** Trains for an epoch and validates as the case says, with `fit` and `Evaluator` as anybody would. */
export async function runGoldenLoop(golden: GoldenCase, runtime: Runtime): Promise<GoldenLoop> {
  const { num_classes, base, lr, momentum, weight_decay } = numbers(golden.config);
  const model = createModel('resnet18', { width: base, classes: num_classes });
  model.loadStateDict(statesUnder(golden, 'param.'));
  const data = {
    train: dataset(golden, 'train', num_classes),
    val: dataset(golden, 'val', num_classes),
  };
  const trained = taskOf(data.train.shape);
  const losses: Record<'train' | 'val', number[]> = { train: [], val: [] };
  const { metrics } = await fit(model, data, {
    runtime,
    task: trained,
    epochs: 1,
    batchSize: data.train.batchSize,
    optimizer: sgd({ momentum, weightDecay: weight_decay }),
    schedule: constantRate(lr),
    seed: SEED,
    onStep: ({ phase, iteration, figures: { loss = NaN } }) => {
      if (phase === 'train') losses.train.push(ofBatch(data.train, iteration, loss, losses.train));
    },
  });
  const evaluator = new Evaluator(runtime, trained, model, data.val, data.val);
  const state = await runtime.createState(model.stateValues());
  try {
    await evaluator.evaluate(state, {
      onBatch: (done, _, { sums, examples }) => {
        const mean = (sums['loss']?.[0] ?? NaN) / examples;
        losses.val.push(ofBatch(data.val, done, mean, losses.val));
      },
    });
  } finally {
    await evaluator.dispose();
    await state.dispose();
  }
  const [epoch] = metrics;
  const top1 = { train: epoch?.['train_top1'] ?? NaN, val: epoch?.['val_top1'] ?? NaN };
  return { losses, top1, after: model.stateValues() };
}

/**
 * Compares the losses of training (`train`) and validation (`eval`) and all values after the epoch
 * (`state`) with the case's.
 */
export const compareGoldenLoop: Compare = async (golden, runtime) => {
  const { losses, after } = await runGoldenLoop(golden, runtime);
  const differences: GoldenDifference[] = [
    { name: 'losses.train', kind: 'train', error: lossError(golden, 'train', losses.train) },
    { name: 'losses.val', kind: 'eval', error: lossError(golden, 'val', losses.val) },
    ...[...statesUnder(golden, 'after.')].map(([name, { data }]): GoldenDifference => {
      const error = relativeError(after[name]?.data ?? [], Array.from(data, Number));
      return { name: `after.${name}`, kind: 'state', error };
    }),
  ];
  const tolerance = { eval: ALL, attn: ALL, train: ALL, state: ALL, grad: ALL };
  return { differences, tolerance };
};

/** Keys the order of the images, which the data set undoes. */
const SEED = 1;

/** The mean loss of one batch, from the mean of all until there and the losses of those before. */
function ofBatch(
  { batchSize, size }: { readonly batchSize: number; readonly size: number },
  done: number,
  mean: number,
  before: readonly number[],
): number {
  const count = Math.min(batchSize, size - (done - 1) * batchSize);
  const seen = Math.min(size, done * batchSize);
  return (mean * seen - before.reduce((sum, loss) => sum + loss * batchSize, 0)) / count;
}

const SETTINGS = ['num_classes', 'base', 'lr', 'momentum', 'weight_decay'] as const;

function numbers(config: GoldenCase['config']): Record<(typeof SETTINGS)[number], number> {
  const entries = SETTINGS.map((name) => {
    const value = config[name];
    if (typeof value === 'number') return [name, value];
    throw new FileError(`The case's config needs a number '${name}'.`);
  });
  return Object.fromEntries(entries) as Record<(typeof SETTINGS)[number], number>;
}

function valuesOf({ tensors }: GoldenCase, name: string) {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new FileError(`The case has no tensor '${name}'.`);
  return { shape: tensor.shape, data: Array.from(tensor.data, Number) };
}

/** Values under a prefix by our names. */
function statesUnder({ tensors }: GoldenCase, prefix: string): Map<string, StateEntry> {
  const entries = [...tensors]
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, { shape, data }]): [string, StateEntry] => {
      return [name.slice(prefix.length), { shape, data: Float32Array.from(data, Number) }];
    });
  return renameState(new Map(entries), nameMaps['seed-000-resnet']);
}

/** The images of the case's batches, one after the other; those to train on so that the first epoch's order is the case's. */
function dataset(
  golden: GoldenCase,
  split: Split,
  classCount: number,
): Dataset & { readonly batchSize: number; readonly shape: Shape } {
  const count = [...golden.tensors.keys()].filter((name) =>
    name.startsWith(`${split}.input.`),
  ).length;
  const inputs = Array.from({ length: count }, (_, i) => valuesOf(golden, `${split}.input.${i}`));
  const [batchSize = 0, channels = 0, height = 0, width = 0] = inputs[0]?.shape ?? [];
  const pixels = inputs.flatMap(({ data }) => data);
  const targets = inputs.flatMap((_, i) => valuesOf(golden, `${split}.target.${i}`).data);
  const size = targets.length;
  const order = split === 'train' ? epochOrder(SEED, 0, size) : undefined;
  const record = channels * height * width;
  const placeOf = (index: number): number => (order ? order.indexOf(index) : index);
  return {
    name: GOLDEN_LOOP,
    split,
    size,
    batchSize,
    shape: [channels, height, width],
    classes: Array.from({ length: classCount }, (_, k) => String(k)),
    channels,
    height,
    width,
    normalization: { mean: [], std: [] },
    example: (index) => {
      const place = placeOf(index);
      return {
        image: { channels, height, width, data: new Uint8Array(record) },
        label: targets[place] ?? NaN,
        values: { images: pixels.slice(place * record, (place + 1) * record) },
      };
    },
  };
}

function lossError(golden: GoldenCase, kind: 'train' | 'val', actual: readonly number[]): number {
  return relativeError(actual, valuesOf(golden, `losses.${kind}`).data);
}

/** Largest difference over the largest expected magnitude; infinite for another number of values. */
function relativeError(actual: ArrayLike<number | bigint>, expected: readonly number[]): number {
  if (actual.length !== expected.length) return Infinity;
  const scale = Math.max(...expected.map(Math.abs)) || 1;
  const errors = expected.map((value, i) => Math.abs(value - Number(actual[i])) / scale);
  return errors.some(Number.isNaN) ? Infinity : Math.max(...errors);
}
