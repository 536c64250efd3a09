import { describe, expect, it } from 'vitest';
import { RequestError, ShapeError } from '../../errors.js';
import { beyondTolerance, compareWithGolden, type GoldenCase } from '../../parity/golden.js';
import { fusion } from '../../parity/fusion.js';
import { record } from '../../nn/context.js';
import type { Module } from '../../nn/module.js';
import { input } from '../../ops/index.js';
import { evaluate } from '../../tensor/evaluate.js';
import { ndarray } from '../../tensor/ndarray.js';
import type { Tensor } from '../../tensor/tensor.js';
import { goldenCase } from '../../testing/golden-files.js';
import { sharedGoldenCases } from '../../testing/shared-golden.js';
import { GatedFusion } from './gated.js';
import { MultiFeatureExtraction } from './mfe.js';
import { MultiScaleSelectiveFusion } from './msf.js';
import {
  OverlappingReductionAttention,
  type OverlappingReductionAttentionOptions,
} from './osra.js';
import { SpatiallyAdaptiveModulation } from './safm.js';

async function failures(golden: GoldenCase): Promise<string[]> {
  const subject = fusion[golden.module]?.build(golden.config) ?? {};
  const differences = await compareWithGolden(golden, subject, evaluate);
  expect(differences.length).toBeGreaterThanOrEqual(4);
  return beyondTolerance(differences);
}

/** Values of a tensor, with the module's own parameters and, for the inputs, a sine. */
function valuesOf(module: Module, tensor: Tensor, inputs: readonly Tensor[]): number[] {
  const feeds = new Map(
    inputs.map((x, n) => {
      const values = Float64Array.from({ length: x.size }, (_, i) => Math.sin(i * 1.7 + n));
      return [x, ndarray(x.shape, values)] as const;
    }),
  );
  for (const [, part] of [...module.namedParameters(), ...module.namedBuffers()]) {
    feeds.set(part.tensor, ndarray(part.shape, Float64Array.from(part.data)));
  }
  return [...(evaluate([tensor], feeds)[0]?.data ?? [])];
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 10);
}

describe('the fusion modules of the document', () => {
  it.each([
    'fusion.gated.seq',
    'msf',
    'msf.one_conv',
    'mfe.2',
    'mfe.aspp_conv',
    'safm.3',
    'osra.rpe_bicubic',
    'osra.sr1_rpe',
  ])("agree with PyTorch's %s: outputs, maps, running statistics and gradients", async (name) => {
    expect(await failures(goldenCase(name))).toEqual([]);
  });

  const shared = sharedGoldenCases(Object.keys(fusion));
  describe.skipIf(shared.length === 0)('agree with PyTorch in the whole set', () => {
    it.each(shared)('%s', async (_, golden) => expect(await failures(golden)).toEqual([]));
  });

  it.each([
    ['fusion.gated', { dim: 8, bias: true }, /Unrecognized key: "bias"/],
    ['msf', {}, /expected number.*\n.*in_channels/],
    ['mfe', { in_channels: 4, atrous_rates: [2, 4] }, /atrous_rates/],
    ['safm', { dim: 8, n_level: 4 }, /Unrecognized key: "n_level"/],
    ['osra', { dim: 8, sr_ratio: 1.5 }, /expected int.*\n.*sr_ratio/],
    ['osra', { dim: 8, attn_drop: 2 }, /<=1\n.*attn_drop/],
  ])('%s refuses what the constructor of the document cannot take: %j', (id, config, message) => {
    expect(() => fusion[id]?.build(config)).toThrow(RequestError);
    expect(() => fusion[id]?.build(config)).toThrow(message);
  });

  it("oneConv's paddings may be words: 'same' keeps the size, 'valid' adds nothing", () => {
    const x = input('x', [1, 2, 6, 7]);
    const shapeWith = (paddings: string) => {
      const config = { in_channels: 2, out_channels: 3, kernel_sizes: [2, 3], dilations: [3, 1] };
      const module = fusion['msf.one_conv']?.build({ ...config, paddings }).module;
      return (module?.forward as (x: Tensor) => Tensor)(x).shape;
    };
    expect(shapeWith('same')).toEqual([1, 3, 6, 7]);
    expect(shapeWith('valid')).toEqual([1, 3, 3, 5]);
  });
});

describe('GatedFusion', () => {
  it('gives the same with channels first and last', () => {
    const [first, last] = [new GatedFusion(3), new GatedFusion(3, { channelsLast: true })];
    const state = last.initialize(4).stateDict();
    for (const name of ['first.weight', 'second.weight']) {
      const { data } = state.get(name) ?? { data: new Float32Array() };
      state.set(name, { shape: [3, 3, 1, 1], data });
    }
    first.loadStateDict(state);
    const maps = [input('a', [2, 4, 5, 3]), input('b', [2, 4, 5, 3])] as const;
    const [a, b] = maps.map((map) => map.transpose([0, 3, 1, 2])) as [Tensor, Tensor];
    const fromFirst = first.forward(a, b).transpose([0, 2, 3, 1]);
    expectClose(valuesOf(first, fromFirst, maps), valuesOf(last, last.forward(...maps), maps));
  });

  it('refuses maps of two shapes, or of other channels', () => {
    const map = (...shape: number[]) => input('x', shape);
    const fuse = new GatedFusion(3);
    expect(() => fuse.forward(map(1, 3, 2, 2), map(1, 3, 1, 1))).toThrow(ShapeError);
    expect(() => fuse.forward(map(1, 2, 2, 2), map(1, 2, 2, 2))).toThrow(/3 channels on axis 1/);
  });
});

describe('MultiScaleSelectiveFusion', () => {
  it('weighs any number of maps; the weights of a channel sum to 1', () => {
    const maps = ['a', 'b', 'c'].map((name) => input(name, [2, 4, 3, 3]));
    const module = new MultiScaleSelectiveFusion(4, { maps: 3 }).initialize(2);
    const { record: left } = record(false, () => module.forward(...maps));
    const weights = left.exposed.get('branchWeights');
    expect(weights?.shape).toEqual([2, 4, 3, 1]);
    const sums = weights?.sum(2);
    expectClose(sums ? valuesOf(module, sums, maps) : [], new Array<number>(8).fill(1));
  });

  it('refuses one map only, and another number of maps than it was made for', () => {
    expect(() => new MultiScaleSelectiveFusion(4, { maps: 1 })).toThrow(
      /integer of at least 2 .*, not 1/,
    );
    const x = input('x', [1, 4, 2, 2]);
    expect(() => new MultiScaleSelectiveFusion(4).forward(x, x)).toThrow(/Expected 4 maps/);
  });
});

describe('MultiFeatureExtraction', () => {
  it('has a branch for each rate, and one of dilation 1 before them', () => {
    const module = new MultiFeatureExtraction(4, { rates: [3] });
    expect(module.branches.length).toBe(2);
    expect(module.forward(input('x', [1, 4, 6, 5])).shape).toEqual([1, 4, 6, 5]);
    // Two 3x3 convolutions, two descriptions, the projection, three norms.
    expect(module.parameterCount()).toBe(2 * 9 * 16 + 2 * 16 + 16 + 3 * 8);
  });

  it.each([[[]], [[2, 0]], [[1.5]]])('refuses the rates %j', (rates) => {
    expect(() => new MultiFeatureExtraction(4, { rates })).toThrow(
      /'rates' .* a list of 1 or more values, each a positive integer .*, not \[/,
    );
  });
});

describe('SpatiallyAdaptiveModulation', () => {
  it('refuses levels that do not divide the channels, and maps too small for the last', () => {
    expect(() => new SpatiallyAdaptiveModulation(10)).toThrow(/into 4 equal levels.*divides 10/);
    const module = new SpatiallyAdaptiveModulation(8);
    expect(() => module.forward(input('x', [1, 8, 8, 7]))).toThrow(/at least 8 for 4 levels/);
  });
});

describe('OverlappingReductionAttention', () => {
  // Of 6x5 places: windows of s + 3 over the map with (s + 3) / 2 zeros around, s apart.
  it.each([
    [1, 6 * 5],
    [2, 3 * 3],
    [3, 3 * 2],
    [4, 2 * 2],
  ])('with reduction %i has %i keys', (reduction, keys) => {
    const module = new OverlappingReductionAttention(8, { heads: 2, reduction });
    const { output, record: left } = record(false, () => module.forward(input('x', [2, 8, 6, 5])));
    expect(output.shape).toEqual([2, 8, 6, 5]);
    expect(left.exposed.get('attention')?.shape).toEqual([2, 2, 30, keys]);
  });

  it('takes a scale of its own', () => {
    const x = input('x', [1, 4, 3, 4]);
    const plain = new OverlappingReductionAttention(4, { heads: 1 }).initialize(3);
    const mapOf = (options: OverlappingReductionAttentionOptions) => {
      const module = new OverlappingReductionAttention(4, { heads: 1, ...options });
      module.loadStateDict(plain.stateDict());
      const { record: left } = record(false, () => module.forward(x));
      const map = left.exposed.get('attention');
      return map ? valuesOf(module, map, [x]) : [];
    };
    // 1 / sqrt(4) is what the default is for one head of four channels; a scale of 0 makes all equal.
    expectClose(mapOf({ scale: 0.5 }), mapOf({}));
    expectClose(mapOf({ scale: 0 }), new Array<number>(12 * 4).fill(1 / 4));
  });

  it('drops attention weights in training only', () => {
    const module = new OverlappingReductionAttention(8, { dropout: 0.25 });
    const masks = (training: boolean) =>
      record(training, () => module.forward(input('x', [2, 8, 4, 4]))).record.noise;
    expect(masks(true).map(({ tensor }) => tensor.shape)).toEqual([[2, 8, 16, 4]]);
    expect(masks(false)).toEqual([]);
  });

  it.each([
    [10, {}, /among 8 heads.*divides 10/],
    [8, { reduction: 0 }, /'reduction' .* a positive integer .*, not 0/],
  ])('refuses %i channels with %j', (channels, options, message) => {
    expect(() => new OverlappingReductionAttention(channels, options)).toThrow(message);
  });

  it('refuses a position encoding of another batch or number of heads', () => {
    const module = new OverlappingReductionAttention(8, { heads: 2 });
    const x = input('x', [2, 8, 4, 4]);
    for (const shape of [
      [3, 2, 16, 4],
      [1, 4, 16, 4],
      [2, 16, 4],
    ]) {
      expect(() => module.forward(x, input('p', shape))).toThrow(/\[1 or 2, 2, n, m\]/);
    }
  });
});
