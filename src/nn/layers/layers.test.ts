import { describe, expect, it } from 'vitest';
import { RequestError, ShapeError } from '../../errors.js';
import { gradients } from '../../autodiff/gradients.js';
import { constant, input } from '../../ops/index.js';
import { RandomStream } from '../../random/index.js';
import { evaluate } from '../../tensor/evaluate.js';
import type { NdArray } from '../../tensor/ndarray.js';
import type { Tensor } from '../../tensor/tensor.js';
import { jsonFixture, torchCases } from '../../testing/golden-files.js';
import { compareWithGolden } from '../../parity/golden.js';
import { record } from '../context.js';
import { Module, type Layer } from '../module.js';
import * as nn from './index.js';

/** The layers of tests/fixtures/make-torch-numbers.py. */
const layers: Readonly<Record<string, () => Layer>> = {
  Conv1d: () => new nn.Conv1d(4, 6, 3, { stride: 2, padding: 1, groups: 2 }),
  Conv2d: () => new nn.Conv2d(2, 4, [3, 2], { padding: [1, 0], dilation: 2, bias: false }),
  Conv3d: () => new nn.Conv3d(2, 3, 2, { stride: [1, 2, 1] }),
  ConvTranspose2d: () =>
    new nn.ConvTranspose2d(4, 2, 3, { stride: 2, padding: 1, outputPadding: 1, groups: 2 }),
  Linear: () => new nn.Linear(5, 3),
  BatchNorm1d: () => new nn.BatchNorm1d(3),
  'BatchNorm1d.momentum': () => new nn.BatchNorm1d(2, { momentum: null, affine: false }),
  BatchNorm2d: () => new nn.BatchNorm2d(3, { eps: 1e-3, momentum: 0.3 }),
  BatchNorm3d: () => new nn.BatchNorm3d(2),
  LayerNorm: () => new nn.LayerNorm([3, 4]),
  GroupNorm: () => new nn.GroupNorm(2, 4),
  ReLU6: () => new nn.ReLU6(),
  LeakyReLU: () => new nn.LeakyReLU(0.2),
  GELU: () => new nn.GELU(),
  SiLU: () => new nn.SiLU(),
  Sigmoid: () => new nn.Sigmoid(),
  Tanh: () => new nn.Tanh(),
  Hardsigmoid: () => new nn.Hardsigmoid(),
  Hardswish: () => new nn.Hardswish(),
  Softmax: () => new nn.Softmax(1),
  Flatten: () => new nn.Flatten(),
  MaxPool2d: () => new nn.MaxPool2d(3, { stride: 2, padding: 1 }),
  MaxPool1d: () => new nn.MaxPool1d(2),
  AvgPool2d: () => new nn.AvgPool2d(3, { stride: 2, padding: 1 }),
  'AvgPool2d.exclude': () => new nn.AvgPool2d(3, { stride: 2, padding: 1, countIncludePad: false }),
  AvgPool3d: () => new nn.AvgPool3d([1, 2, 2]),
  AdaptiveAvgPool2d: () => new nn.AdaptiveAvgPool2d([2, 3]),
  AdaptiveMaxPool2d: () => new nn.AdaptiveMaxPool2d([3, 2]),
  AdaptiveAvgPool1d: () => new nn.AdaptiveAvgPool1d(3),
  'Upsample.nearest': () => new nn.Upsample({ scale: 2 }),
  'Upsample.bilinear': () =>
    new nn.Upsample({ size: [5, 4], mode: 'bilinear', alignCorners: true }),
  'Upsample.bicubic': () => new nn.Upsample({ size: [5, 7], mode: 'bicubic' }),
  ConvTranspose1d: () =>
    new nn.ConvTranspose1d(4, 6, 3, { stride: 2, padding: 1, outputPadding: 1, groups: 2 }),
  ConvTranspose3d: () =>
    new nn.ConvTranspose3d(4, 2, [2, 3, 1], {
      stride: [1, 2, 2],
      padding: [0, 1, 0],
      outputPadding: [0, 1, 1],
      dilation: [2, 1, 1],
    }),
  'ConvTranspose3d.groups': () => new nn.ConvTranspose3d(4, 4, 2, { groups: 4, bias: false }),
  InstanceNorm1d: () => new nn.InstanceNorm1d(3),
  InstanceNorm2d: () => new nn.InstanceNorm2d(3, { eps: 1e-3, affine: true }),
  'InstanceNorm2d.tracked': () =>
    new nn.InstanceNorm2d(2, { momentum: 0.3, affine: true, trackRunningStats: true }),
  InstanceNorm3d: () => new nn.InstanceNorm3d(2, { trackRunningStats: true }),
  LocalResponseNorm: () => new nn.LocalResponseNorm(3, { alpha: 0.5, beta: 0.75, k: 2 }),
  'LocalResponseNorm.even': () => new nn.LocalResponseNorm(4, { alpha: 0.5 }),
  PReLU: () => new nn.PReLU(),
  'PReLU.channels': () => new nn.PReLU(4),
  ELU: () => new nn.ELU(0.7),
  CELU: () => new nn.CELU(2),
  SELU: () => new nn.SELU(),
  'GELU.tanh': () => new nn.GELU({ approximate: 'tanh' }),
  Mish: () => new nn.Mish(),
  Softplus: () => new nn.Softplus(2),
  Softsign: () => new nn.Softsign(),
  LogSigmoid: () => new nn.LogSigmoid(),
  Hardtanh: () => new nn.Hardtanh(-0.5, 0.75),
  GLU: () => new nn.GLU(1),
  LogSoftmax: () => new nn.LogSoftmax(1),
  'MaxPool2d.ceil': () => new nn.MaxPool2d(3, { stride: 2, padding: 1, ceilMode: true }),
  MaxPool3d: () => new nn.MaxPool3d(2, { stride: 1, dilation: [1, 2, 1] }),
  AvgPool1d: () => new nn.AvgPool1d(3, { stride: 2, padding: 1, ceilMode: true }),
  AdaptiveMaxPool1d: () => new nn.AdaptiveMaxPool1d(3),
  AdaptiveAvgPool3d: () => new nn.AdaptiveAvgPool3d([2, 1, 3]),
  AdaptiveMaxPool3d: () => new nn.AdaptiveMaxPool3d([2, 1, 3]),
  'Upsample.exact': () => new nn.Upsample({ size: [5, 7], mode: 'nearest-exact' }),
};

function only(value: NdArray | undefined): number[] {
  return [...(value?.data ?? [])];
}

describe('layers', () => {
  const cases = torchCases('torch-layers');

  it.each(cases.map((golden) => [golden.module, golden] as const))(
    '%s: names, outputs, gradients and buffers agree with PyTorch in float64',
    async (name, golden) => {
      const differences = await compareWithGolden(golden, { module: layers[name]!() }, evaluate);
      // Parameters are kept in float32, so the numbers agree to that and not to float64.
      expect(differences.filter(({ error }) => !(error < 1e-6))).toEqual([]);
      expect(differences.length).toBeGreaterThanOrEqual(3);
    },
  );

  it('every case of the fixture is tried', () => {
    expect(cases.map(({ module }) => module).sort()).toEqual(Object.keys(layers).sort());
  });
});

describe('initialisation', () => {
  type Made = nn.Conv2d | nn.Linear | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d;
  const made: Readonly<Record<string, () => Made>> = {
    'Conv2d(8, 32, 3)': () => new nn.Conv2d(8, 32, 3),
    'Conv2d(32, 32, 3, groups=32)': () => new nn.Conv2d(32, 32, 3, { groups: 32 }),
    'ConvTranspose2d(8, 32, 3)': () => new nn.ConvTranspose2d(8, 32, 3),
    'ConvTranspose1d(8, 64, 5)': () => new nn.ConvTranspose1d(8, 64, 5),
    'ConvTranspose3d(4, 16, 3)': () => new nn.ConvTranspose3d(4, 16, 3),
    'Linear(64, 256)': () => new nn.Linear(64, 256),
  };
  const torch = jsonFixture('torch-initialization') as Record<
    string,
    { weight: number; bias: number }
  >;

  it.each(Object.keys(torch))('%s is uniform within the bound that PyTorch uses', (name) => {
    const layer = made[name]!();
    const values = { weight: [] as number[], bias: [] as number[] };
    for (let seed = 0; seed < 20; seed++) {
      layer.initialize(seed);
      values.weight.push(...layer.weight.data);
      values.bias.push(...(layer.bias?.data ?? []));
    }
    for (const part of ['weight', 'bias'] as const) {
      const drawn = values[part];
      const largest = drawn.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      // Both are maxima of hundreds of draws: they meet the true bound from below.
      expect(largest / torch[name]![part]).toBeGreaterThan(0.98);
      expect(largest / torch[name]![part]).toBeLessThan(1.02);
      // A uniform distribution's variance is bound^2 / 3.
      const square = drawn.reduce((sum, v) => sum + v * v, 0) / drawn.length;
      expect(Math.abs((3 * square) / largest ** 2 - 1)).toBeLessThan(0.1);
    }
  });

  it('BatchNorm starts as the identity of what it normalises', () => {
    const bn = new nn.BatchNorm2d(2).initialize(5);
    expect([...bn.weight!.data]).toEqual([1, 1]);
    expect([...bn.bias!.data]).toEqual([0, 0]);
    expect([...bn.running_mean.data]).toEqual([0, 0]);
    expect([...bn.running_var.data]).toEqual([1, 1]);
    expect([...bn.num_batches_tracked.data]).toEqual([0]);
  });
});

describe('BatchNorm', () => {
  it('saves its count of batches as int64', () => {
    expect(new nn.BatchNorm1d(3).stateDict().get('num_batches_tracked')).toEqual({
      shape: [],
      data: BigInt64Array.of(0n),
    });
  });

  it('leaves its buffers alone in eval', () => {
    const { record: left } = record(false, () => new nn.BatchNorm1d(3).forward(input('x', [4, 3])));
    expect(left.updates.size).toBe(0);
  });

  it('moves its statistics twice when it is used twice in one pass', () => {
    const bn = new nn.BatchNorm1d(1, { momentum: 0.5 });
    const { record: left } = record(true, () => {
      bn.forward(constant([1, 3], [2, 1]));
      bn.forward(constant([6, 10], [2, 1]));
    });
    const feeds = new Map([...bn.namedBuffers()].map(([, b]) => [b.tensor, ofBuffer(b)] as const));
    const [mean, variance, count] = evaluate(
      [bn.running_mean, bn.running_var, bn.num_batches_tracked].map((b) => left.updates.get(b)!),
      feeds,
    );
    // Means 2 and 8, unbiased variances 2 and 8, from 0 and 1, each time half way.
    expect(only(mean)).toEqual([4.5]);
    expect(only(variance)).toEqual([4.75]);
    expect(only(count)).toEqual([2]);
  });

  it('refuses to train on one value per channel', () => {
    const bn = new nn.BatchNorm2d(4);
    const once = () => record(true, () => bn.forward(input('x', [1, 4, 1, 1])));
    expect(once).toThrow(ShapeError);
    expect(once).toThrow(/more than one value per channel/);
  });

  it('names the path of a module that got the wrong channels', () => {
    class Net extends Module {
      readonly bn = new nn.BatchNorm2d(4);
      override forward(x: Tensor): Tensor {
        return this.bn.forward(x);
      }
    }
    const net = new Net();
    net.assignPaths('net');
    expect(() => net.forward(input('x', [2, 3, 5, 5]))).toThrow(
      /batchNorm at net\.bn: cannot take \[2, 3, 5, 5\]. Expected 4 channels/,
    );
  });
});

describe('InstanceNorm', () => {
  it('refuses one value per channel, and maps of another rank', () => {
    const norm = new nn.InstanceNorm2d(3);
    expect(() => norm.forward(input('x', [2, 3, 1, 1]))).toThrow(/more than one value per channel/);
    expect(() => norm.forward(input('x', [2, 3, 4]))).toThrow(/Expected \[B, 3, H, W\]/);
  });
});

describe('activations at the places where they bend, as PyTorch', () => {
  const at = (layer: Layer, values: readonly number[]) => {
    const x = input('x', [values.length]);
    const y = layer.forward(x);
    const given = new Map([[x, { shape: x.shape, data: Float64Array.from(values) }]]);
    return evaluate([y, gradients([y], [x], [constant([1], []).expand(y.shape)])[0]!], given).map(
      only,
    );
  };

  it.each<[string, Layer, number[], number[], number[]]>([
    ['ReLU6', new nn.ReLU6(), [-1, 0, 3, 6, 7], [0, 0, 3, 6, 6], [0, 0, 1, 0, 0]],
    ['Hardtanh', new nn.Hardtanh(), [-2, -1, 0, 1, 2], [-1, -1, 0, 1, 1], [0, 0, 1, 0, 0]],
    ['Hardsigmoid', new nn.Hardsigmoid(), [-3, 0, 3], [0, 0.5, 1], [0, 1 / 6, 0]],
    ['ELU', new nn.ELU(), [0], [0], [1]],
    ['Softplus', new nn.Softplus(), [0], [Math.log(2)], [0.5]],
  ])('%s', (_, layer, values, outputs, slopes) => {
    const [y, dx] = at(layer, values);
    outputs.forEach((v, i) => expect(y?.[i]).toBeCloseTo(v, 12));
    slopes.forEach((v, i) => expect(dx?.[i]).toBeCloseTo(v, 12));
  });

  it('far from 0 nothing overflows', () => {
    const [y, dx] = at(new nn.ELU(), [-1000, 1000]);
    expect([y, dx]).toEqual([
      [-1, 1000],
      [0, 1],
    ]);
    expect(at(new nn.LogSigmoid(), [-1000, 1000])).toEqual([
      [-1000, -0],
      [1, 0],
    ]);
  });
});

describe('Dropout', () => {
  it('of channels has one place in its mask for each channel of each sample', () => {
    const { record: left } = record(true, () =>
      new nn.Dropout2d(0.5).forward(input('x', [2, 3, 4, 5])),
    );
    expect(left.noise[0]?.tensor.shape).toEqual([2, 3, 1, 1]);
    expect(() => record(true, () => new nn.Dropout1d().forward(input('x', [2, 3, 4, 5])))).toThrow(
      /Expected \[B, C, W\]/,
    );
  });

  it('is the identity in eval and for p = 0', () => {
    const x = input('x', [2, 3]);
    expect(record(false, () => new nn.Dropout(0.3).forward(x)).output).toBe(x);
    expect(record(true, () => new nn.Dropout(0).forward(x)).output).toBe(x);
  });

  it('in training multiplies by a mask that keeps 1 - p, scaled to keep the mean', () => {
    const x = constant(new Float64Array(4000).fill(1), [4000]);
    const { output, record: left } = record(true, () => new nn.Dropout(0.2).forward(x));
    const [noise] = left.noise;
    const values = new RandomStream(1, noise!.purpose).fillBernoulli(
      new Float32Array(4000),
      noise!.keepProbability,
      noise!.scale,
    );
    const [y] = evaluate(
      [output],
      new Map([[noise!.tensor, { shape: [4000], data: Float64Array.from(values) }]]),
    );
    expect(new Set(only(y))).toEqual(new Set([0, 1.25]));
    // Five deviations: 5 * 1.25 * sqrt(0.8 * 0.2 / 4000).
    const mean = only(y).reduce((a, b) => a + b) / 4000;
    expect(Math.abs(mean - 1)).toBeLessThan(0.04);
  });

  it('refuses a probability outside of [0, 1]', () => {
    expect(() => new nn.Dropout(1.2)).toThrow(RequestError);
  });
});

describe('containers', () => {
  it('Sequential runs its layers in order and names them by position', () => {
    const net = new nn.Sequential(new nn.Linear(2, 3), new nn.ReLU(), new nn.Linear(3, 1));
    expect([...net.namedParameters()].map(([name]) => name)).toEqual([
      '0.weight',
      '0.bias',
      '2.weight',
      '2.bias',
    ]);
    expect(net.forward(input('x', [5, 2])).shape).toEqual([5, 1]);
    expect(net.length).toBe(3);
  });

  it('an empty Sequential is the identity', () => {
    const x = input('x', [1]);
    expect(new nn.Sequential().forward(x)).toBe(x);
  });

  it('ModuleList names its modules by position and has no forward pass', () => {
    const list = new nn.ModuleList([new nn.Linear(2, 2), new nn.Linear(2, 2)]);
    expect([...list.namedParameters()].map(([name]) => name)).toContain('1.bias');
    expect([...list]).toHaveLength(2);
    expect(() => list.forward()).toThrow(/no forward pass/);
  });
});

describe('impossible layers', () => {
  it('Conv2d refuses channels that its groups do not divide', () => {
    expect(() => new nn.Conv2d(3, 4, 3, { groups: 2 })).toThrow(/divisible by groups, 2/);
    expect(() => new nn.Conv2d(0, 4, 3)).toThrow(RequestError);
  });

  it('MaxPool2d refuses a signal of one axis', () => {
    expect(() => new nn.MaxPool2d(2).forward(input('x', [1, 2, 8]))).toThrow(/\[B, C, H, W\]/);
  });
});

function ofBuffer({ shape, data }: { shape: readonly number[]; data: ArrayLike<number> }): NdArray {
  return { shape, data: Float64Array.from(data) };
}
