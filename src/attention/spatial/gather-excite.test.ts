import { describe, expect, it } from 'vitest';
import { RequestError, ShapeError } from '../../errors.js';
import { beyondTolerance, compareWithGolden, type GoldenCase } from '../../parity/golden.js';
import { spatial } from '../../parity/spatial.js';
import { input } from '../../ops/index.js';
import { evaluate } from '../../tensor/evaluate.js';
import { ndarray } from '../../tensor/ndarray.js';
import { compare } from '../../testing/check-gradient.js';
import { goldenCase } from '../../testing/golden-files.js';
import { parameterValues, runModule } from '../../testing/run-in-float64.js';
import { sharedGoldenCases } from '../../testing/shared-golden.js';
import { randomArray } from '../../testing/values.js';
import { GatherExcite, type GatherExciteActivation } from './gather-excite.js';

const entry = spatial['gather_excite']!;

async function failures(golden: GoldenCase): Promise<string[]> {
  const differences = await compareWithGolden(golden, entry.build(golden.config), evaluate);
  expect(differences.map(({ name }) => name)).toContain('eval.attn.gate');
  return beyondTolerance(differences);
}

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));

describe('GatherExcite', () => {
  it.each(['e0_mlp', 'e2_mlp_max', 'p4_nonorm', 'p0_f6_mlp'])(
    "agrees with PyTorch's gather_excite.%s: output, gate, running statistics and gradients",
    async (name) => {
      expect(await failures(goldenCase(`gather_excite.${name}`))).toEqual([]);
    },
  );

  const shared = sharedGoldenCases(['gather_excite']);
  it.skipIf(shared.length === 0)('finds cases in the whole set', () => {
    expect(shared.length).toBeGreaterThanOrEqual(28);
  });
  it.each(shared)('agrees with PyTorch in %s of the whole set', async (_, golden) => {
    expect(await failures(golden)).toEqual([]);
  });

  it('gathers a whole map with one convolution of its size, to one number per channel', () => {
    const options = { parameters: true, featureSize: [2, 3], mlp: false, norm: false };
    const module = new GatherExcite(2, options).initialize(1);
    const x = randomArray([1, 2, 2, 3]);
    const weight = parameterValues(module, 'convs.0.weight');
    const gates = [0, 1].map((c) => {
      let total = 0;
      for (let i = 0; i < 6; i++) total += weight[6 * c + i]! * x.data[6 * c + i]!;
      return sigmoid(total);
    });
    const { output, exposed } = runModule(module, [x]);
    compare('gate', exposed.get('gate')!, ndarray([1, 2, 1, 1], gates), 1e-12);
    const expected = x.data.map((v, i) => v * gates[Math.floor(i / 6)]!);
    compare('output', output, ndarray(x.shape, expected), 1e-12);
  });

  it.each<[GatherExciteActivation, (v: number) => number]>([
    ['relu', (v) => Math.max(v, 0)],
    ['relu6', (v) => Math.min(Math.max(v, 0), 6)],
    ['leaky-relu', (v) => (v > 0 ? v : 0.01 * v)],
    ['silu', (v) => v * sigmoid(v)],
    ['tanh', (v) => Math.tanh(v)],
    ['sigmoid', sigmoid],
    ['hard-sigmoid', (v) => Math.min(Math.max(v / 6 + 0.5, 0), 1)],
  ])('uses %s inside the MLP and as the gate', (name, f) => {
    const options = { activation: name, gate: name, hiddenChannels: 3 };
    const module = new GatherExcite(2, options).initialize(2);
    const x = ndarray([1, 2, 1, 2], [9, -3, -14, 6]);
    const values = (parameter: string) => parameterValues(module, parameter);
    const means = [3, -4];
    const hidden = [0, 1, 2].map((o) => {
      const [w0, w1] = values('reduce.weight').slice(2 * o, 2 * o + 2);
      return f(w0! * means[0]! + w1! * means[1]! + values('reduce.bias')[o]!);
    });
    const gates = [0, 1].map((c) => {
      const weight = values('expand.weight').slice(3 * c, 3 * c + 3);
      return f(hidden.reduce((sum, h, o) => sum + weight[o]! * h, values('expand.bias')[c]!));
    });
    const { exposed } = runModule(module, [x]);
    compare('gate', exposed.get('gate')!, ndarray([1, 2, 1, 1], gates), 1e-12);
  });

  it('uses GELU by erf', () => {
    // gelu(1) = 0.841344746, the Gaussian distribution function at 1; by tanh it would be 0.841191991.
    const module = new GatherExcite(1, { mlp: false, gate: 'gelu' });
    const { exposed } = runModule(module, [ndarray([1, 1, 1, 2], [0.5, 1.5])]);
    expect(exposed.get('gate')?.data[0]).toBeCloseTo(0.841344746, 9);
  });

  it('has hidden channels by ratio and divisor, at least one multiple', () => {
    const hidden = (channels: number, options: object) =>
      new GatherExcite(channels, options).reduce?.weight.shape[0];
    expect(hidden(64, {})).toBe(4);
    expect(hidden(8, {})).toBe(1);
    expect(hidden(64, { hiddenRatio: 0.3 })).toBe(19);
    expect(hidden(64, { hiddenRatio: 0.3, hiddenDivisor: 8 })).toBe(16);
    expect(hidden(64, { hiddenDivisor: 8 })).toBe(8);
    expect(hidden(64, { hiddenChannels: 5 })).toBe(5);
  });

  it('has no parameters at all in the form that the paper calls GE-theta-minus', () => {
    expect(new GatherExcite(64, { mlp: false, extent: 4 }).parameterCount()).toBe(0);
  });

  it('rounds the document’s number of convolutions down, as log2 does there', () => {
    const config = { channels: 4, extra_params: true, use_mlp: false };
    const names = (extent: number) =>
      [...(entry.build({ ...config, extent }).module?.namedParameters() ?? [])].map(
        ([name]) => name,
      );
    expect(names(6)).toEqual(names(4));
    expect(() => entry.build({ ...config, extent: 3 })).toThrow(/even/);
  });

  it('refuses what contradicts itself, and says what to choose', () => {
    const wrong: [ConstructorParameters<typeof GatherExcite>[1], RegExp][] = [
      [{ extent: 3 }, /0 or a positive even integer .*, not 3/],
      [{ extent: 6, parameters: true }, /2, 4, 8, \.\., not 6/],
      [{ parameters: true }, /featureSize/],
      [{ parameters: true, extent: 2, maxPool: true }, /maxPool: false/],
      [{ hiddenDivisor: 0 }, /at least 1 .*, not 0/],
      [{ gate: 'sigmod' as 'sigmoid' }, /Did you mean 'sigmoid'/],
    ];
    for (const [options, message] of wrong) {
      expect(() => new GatherExcite(16, options)).toThrow(RequestError);
      expect(() => new GatherExcite(16, options)).toThrow(message);
    }
    const global = new GatherExcite(16, { parameters: true, featureSize: 7 });
    expect(() => global.forward(input('x', [1, 16, 8, 8]))).toThrow(ShapeError);
    expect(() => global.forward(input('x', [1, 16, 8, 8]))).toThrow(/7 x 7/);
    expect(() => entry.build({ channels: 8, act_layer: 'nn.Softplus' })).toThrow(/no activation/);
    expect(() => entry.build({ channels: 8, feat_size: [7, 7], extra_params: true })).toThrow(
      /feat_size/,
    );
  });
});
