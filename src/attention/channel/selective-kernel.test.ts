import { describe, expect, it } from 'vitest';
import { RequestError } from '../../errors.js';
import type { Module } from '../../nn/module.js';
import { input } from '../../ops/index.js';
import { ndarray } from '../../tensor/ndarray.js';
import { expectValues } from '../../testing/expect-values.js';
import { runModule } from '../../testing/run-in-float64.js';
import { randomArray } from '../../testing/values.js';
import { SelectiveFusion } from './selective-fusion.js';
import { SelectiveKernel } from './selective-kernel.js';

type Vector = readonly number[];

/** A fresh BatchNorm in eval, and a ReLU. */
const normRelu = (v: Vector) => v.map((one) => Math.max(0, one / Math.sqrt(1 + 1e-5)));
const at = (v: ArrayLike<number> | undefined, i: number) => v?.[i] ?? NaN;
const add = (a: Vector, b: Vector) => a.map((one, i) => one + at(b, i));

/** A module's parameters by name, as plain reads. */
function parametersOf(module: Module) {
  const all = new Map(module.namedParameters());
  return (name: string) => all.get(name)?.data;
}

/** W x + b for weights [outputs, inputs], however many axes of size 1 follow; b may be absent. */
function dense(
  weight: ArrayLike<number> | undefined,
  bias: ArrayLike<number> | undefined,
  x: Vector,
  outputs: number,
): number[] {
  return Array.from({ length: outputs }, (_, o) =>
    x.reduce((sum, one, i) => sum + one * at(weight, o * x.length + i), bias ? at(bias, o) : 0),
  );
}

/** What a grouped k x k convolution with "same" padding makes of a map of one place: its centre tap. */
function centreTap(
  read: (name: string) => Float32Array | undefined,
  name: string,
  { x, outputs, kernel, groups }: { x: Vector; outputs: number; kernel: number; groups: number },
): number[] {
  const [weight, bias] = [read(`${name}.weight`), read(`${name}.bias`)];
  const inputs = x.length / groups;
  const centre = (kernel * kernel - 1) / 2;
  return Array.from({ length: outputs }, (_, o) => {
    const first = Math.floor(o / (outputs / groups)) * inputs;
    let sum = bias ? at(bias, o) : 0;
    for (let i = 0; i < inputs; i++) {
      sum += at(x, first + i) * at(weight, (o * inputs + i) * kernel * kernel + centre);
    }
    return sum;
  });
}

interface Form {
  readonly branches: number;
  readonly minHidden: number;
  readonly outChannels: number;
  readonly groups: number;
  readonly branch: 'dilation' | 'kernel';
  readonly head: 'shared' | 'per-branch';
}

/** The paper's equations for a map of one place. */
function reference(sk: SelectiveKernel, x: Vector, form: Form) {
  const read = parametersOf(sk);
  const { branches, minHidden: d, outChannels: outputs, groups, branch, head } = form;
  const maps = Array.from({ length: branches }, (_, i) => {
    const kernel = branch === 'kernel' ? 3 + 2 * i : 3;
    return normRelu(centreTap(read, `branches.${i}.0`, { x, outputs, kernel, groups }));
  });
  const s = maps.reduce(add);
  const z = normRelu(dense(read('fuse.0.weight'), undefined, s, d));
  const together = dense(read('select.weight'), undefined, z, branches * outputs);
  const logits = maps.map((_, i) =>
    head === 'shared'
      ? together.slice(i * outputs, (i + 1) * outputs)
      : dense(read(`select.${i}.weight`), read(`select.${i}.bias`), z, outputs),
  );
  const total = logits.map((row) => row.map(Math.exp)).reduce(add);
  const weights = logits.map((row) => row.map((v, c) => Math.exp(v) / at(total, c)));
  const y = maps.map((map, i) => map.map((v, c) => v * at(weights[i], c))).reduce(add);
  return { y, weights: weights.flat() };
}

describe('SelectiveKernel', () => {
  const forms = (['dilation', 'kernel'] as const).flatMap((branch) =>
    (['shared', 'per-branch'] as const).map((head) => ({ branch, head })),
  );

  it.each(forms)("obeys the paper's equations: %o", (form) => {
    const options = {
      ...{ branches: 3, reduction: 16, minHidden: 5, stride: 1, groups: 2, outChannels: 4 },
      ...form,
    };
    const sk = new SelectiveKernel(6, options).initialize(7);
    const x = randomArray([1, 6, 1, 1], 3);
    const { output, exposed } = runModule(sk, [x]);
    const expected = reference(sk, [...x.data], options);
    expectValues(output, expected.y);
    expect(output.data.some((v) => v > 0.01)).toBe(true);
    expectValues(exposed.get('branchWeights'), expected.weights);
  });

  it('keeps the shape of its input, or divides it by the stride, in every form', () => {
    const x = input('x', [2, 16, 8, 6]);
    for (const form of forms) {
      expect(new SelectiveKernel(16, form).forward(x).shape).toEqual([2, 16, 8, 6]);
      const strided = new SelectiveKernel(16, { ...form, stride: 2, branches: 3 });
      expect(strided.forward(x).shape).toEqual([2, 16, 4, 3]);
    }
  });

  it('has the 32 groups of the paper where the channels divide into them, else the most that they do', () => {
    const groupsOf = (channels: number, outChannels: number | null) => {
      const { shape } =
        [...new SelectiveKernel(channels, { outChannels }).namedParameters()][0]?.[1] ?? {};
      return channels / (shape?.[1] ?? NaN);
    };
    expect([groupsOf(64, null), groupsOf(16, null), groupsOf(48, 32), groupsOf(7, null)]).toEqual([
      32, 16, 16, 7,
    ]);
  });

  it('refuses what it cannot build', () => {
    expect(() => new SelectiveKernel(48, { groups: 32 })).toThrow(RequestError);
    expect(() => new SelectiveKernel(16, { branches: 0 })).toThrow(/'branches'.*not 0/);
    expect(() => new SelectiveKernel(16, { minHidden: 0, reduction: 32 })).toThrow(RequestError);
  });
});

describe('SelectiveFusion', () => {
  it('weights the sum of its branches by an ECA gate over that sum', () => {
    const sf = new SelectiveFusion(4, { branches: 3, groups: 2 }).initialize(2);
    const x = randomArray([1, 4, 1, 1], 5);
    const read = parametersOf(sf);
    const union = [3, 5, 7]
      .map((kernel, i) =>
        centreTap(read, `branches.${i}.0`, { x: [...x.data], outputs: 4, kernel, groups: 2 }),
      )
      .map(normRelu)
      .reduce(add);
    const taps = read('eca.conv.weight');
    const gate = union.map((_, c) => {
      const logit = [-1, 0, 1].reduce(
        (sum, shift) => sum + at(taps, shift + 1) * (union[c + shift] ?? 0),
        0,
      );
      return 1 / (1 + Math.exp(-logit));
    });
    sf.assignPaths();
    const { output, exposed } = runModule(sf, [x]);
    expectValues(
      output,
      union.map((u, c) => u * at(gate, c)),
    );
    expect([...exposed.keys()]).toEqual(['channel']);
    expectValues(exposed.get('channel'), gate);
  });

  it('keeps the shape, also of channels that are no multiple of 32', () => {
    const x = ndarray([1, 12, 5, 4]);
    expect(runModule(new SelectiveFusion(12), [x]).output.shape).toEqual([1, 12, 5, 4]);
    expect(() => new SelectiveFusion(12, { groups: 32 })).toThrow(RequestError);
    expect(() => new SelectiveFusion(12, { branches: 1.5 })).toThrow(/'branches'/);
  });
});
