/** The golden case of a whole epoch: seed 000's train() and validate(), as PyTorch ran them. */
import { FileError } from '../errors.js';
import type { GoldenCase, GoldenDifference } from './golden.js';
import type { Compare } from './verify.js';
import { createModel } from '../models/index.js';
import type { StateEntry } from '../nn/module.js';
import { sgd } from '../optim/index.js';
import type { TensorData } from '../tensor/op.js';
import { nameMaps, renameState } from '../weights/names.js';
import { evaluationStep, floatOutput, initialState, trainingStep } from '../training/step.js';

/** The id of such cases. */
export const GOLDEN_LOOP = 'train.loop';

/** Float errors of three steps add up: the case asks for about this. */
const ALL = 1e-3;

/**
 * Trains and validates as the case says, batch by batch through step graphs, and compares the
 * losses of training (`train`) and validation (`eval`) and all values after the epoch (`state`).
 */
export const compareGoldenLoop: Compare = async (golden, runtime) => {
  const { num_classes, base, lr, momentum, weight_decay } = numbers(golden.config);
  const model = createModel('resnet18', { width: base, classes: num_classes });
  model.loadStateDict(statesUnder(golden, 'param.'));
  const optimizer = sgd({ momentum, weightDecay: weight_decay });
  const state = await runtime.createState(initialState(model, optimizer));
  try {
    const losses: Record<'train' | 'val', number[]> = { train: [], val: [] };
    for (const [index, { images, labels, ...shape }] of batches(golden, 'train').entries()) {
      const step = await runtime.compile(trainingStep(model, optimizer, shape).graph);
      const feeds: Record<string, TensorData> = { images, labels };
      for (const [name, value] of Object.entries(optimizer.scalars(index + 1, lr))) {
        feeds[name] = Float32Array.of(value);
      }
      losses.train.push(floatOutput(await step.run(feeds, state), 'loss')[0] ?? NaN);
      await step.dispose();
    }
    for (const { images, labels, ...shape } of batches(golden, 'val')) {
      const step = await runtime.compile(evaluationStep(model, shape));
      const each = floatOutput(await step.run({ images, labels }, state), 'losses');
      losses.val.push(each.reduce((sum, loss) => sum + loss, 0) / labels.length);
      await step.dispose();
    }
    const after = await state.read();
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
  } finally {
    await state.dispose();
  }
};

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

function batches(golden: GoldenCase, kind: 'train' | 'val') {
  const count = [...golden.tensors.keys()].filter((name) =>
    name.startsWith(`${kind}.input.`),
  ).length;
  return Array.from({ length: count }, (_, index) => {
    const { shape, data } = valuesOf(golden, `${kind}.input.${index}`);
    return {
      batchSize: shape[0] ?? 0,
      imageShape: shape.slice(1),
      images: Float32Array.from(data),
      labels: Int32Array.from(valuesOf(golden, `${kind}.target.${index}`).data),
    };
  });
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
