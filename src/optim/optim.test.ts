import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { constant, input } from '../ops/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Tensor } from '../tensor/tensor.js';
import { jsonFixture } from '../testing/golden-files.js';
import { adamw, sgd, type Optimizer } from './index.js';

interface Run {
  optimizer: 'SGD' | 'AdamW';
  options: {
    momentum?: number;
    dampening?: number;
    nesterov?: boolean;
    weight_decay?: number;
    betas?: [number, number];
    eps?: number;
  };
  parameter: number[];
  steps: { lr: number; gradient: number[]; parameter: number[]; slots: Record<string, number[]> }[];
}

interface DocumentRun {
  lr: number;
  momentum: number;
  weight_decay: number;
  param: number[];
  steps: { lr: number; grad: number[]; param_after: number[]; momentum_buffer_after: number[] }[];
}

/** Torch writes weight_decay; the other options have its names. */
function fromTorch({ optimizer, options: { weight_decay, ...rest } }: Run): Optimizer {
  const options = { ...rest, ...(weight_decay !== undefined && { weightDecay: weight_decay }) };
  return optimizer === 'SGD' ? sgd(options) : adamw(options);
}

/** Takes steps as a training loop does: slots from zero, scalars by the host, all in one small graph. */
function follow(
  optimizer: Optimizer,
  start: readonly number[],
  steps: readonly { lr: number; gradient: readonly number[] }[],
): { parameter: number[]; slots: Record<string, number[]> }[] {
  const shape = [start.length];
  const parameter = input('parameter', shape);
  const gradient = input('gradient', shape);
  const slots = optimizer.slots.map((name) => input(name, shape));
  const scalars = Object.fromEntries(
    Object.keys(optimizer.scalars(1, 0.1)).map((name) => [name, input(name, [])]),
  );
  const next = optimizer.update(parameter, gradient, slots, scalars);
  let values: NdArray[] = [ndarray(shape, start), ...slots.map(() => ndarray(shape))];
  return steps.map(({ lr, gradient: g }, i) => {
    const feeds = new Map<Tensor, NdArray>([[gradient, ndarray(shape, g)]]);
    [parameter, ...slots].forEach((tensor, which) => feeds.set(tensor, values[which]!));
    for (const [name, value] of Object.entries(optimizer.scalars(i + 1, lr))) {
      feeds.set(scalars[name]!, ndarray([], [value]));
    }
    values = evaluate([next.parameter, ...next.slots], feeds);
    const [after, ...kept] = values.map(({ data }) => [...data]);
    return {
      parameter: after!,
      slots: Object.fromEntries(optimizer.slots.map((name, which) => [name, kept[which]!])),
    };
  });
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 12);
}

describe('optimisers follow PyTorch step by step', () => {
  const runs = jsonFixture('torch-optimizers') as Run[];
  it.each(runs.map((run) => [`${run.optimizer} ${JSON.stringify(run.options)}`, run] as const))(
    '%s',
    (_, run) => {
      const path = follow(fromTorch(run), run.parameter, run.steps);
      for (const [i, { parameter, slots }] of run.steps.entries()) {
        expectClose(path[i]!.parameter, parameter);
        for (const [name, values] of Object.entries(path[i]!.slots)) {
          expectClose(values, slots[name]!);
        }
      }
    },
  );

  it('SGD as in the recipe of document 000', () => {
    const run = jsonFixture('document-optimizer') as DocumentRun;
    const optimizer = sgd({ momentum: run.momentum, weightDecay: run.weight_decay });
    const steps = run.steps.map(({ lr, grad }) => ({ lr, gradient: grad }));
    const path = follow(optimizer, run.param, steps);
    expect(path.length).toBeGreaterThan(3);
    for (const [i, { param_after, momentum_buffer_after }] of run.steps.entries()) {
      expectClose(path[i]!.parameter, param_after);
      expectClose(path[i]!.slots['momentum_buffer']!, momentum_buffer_after);
    }
  });
});

describe('optimisers', () => {
  it('SGD keeps no state without momentum', () => {
    expect(sgd().slots).toEqual([]);
    const p = constant([1], [1]);
    expect(sgd().update(p, p, [], { lr: constant([0.1], []) }).slots).toEqual([]);
  });

  it.each([
    () => sgd({ nesterov: true }),
    () => sgd({ nesterov: true, momentum: 0.9, dampening: 0.1 }),
    () => sgd({ momentum: -0.1 }),
    () => sgd({ weightDecay: NaN }),
    () => adamw({ betas: [0.9, 1] }),
    () => adamw({ eps: -1 }),
  ])('refuse values that torch refuses: %s', (make) => {
    expect(make).toThrow(RequestError);
  });
});
