/** What the golden cases do not reach: GELU inside the reduction, a scale with it, and dropout. */
import { describe, expect, it } from 'vitest';
import { record } from '../../nn/context.js';
import type { Module } from '../../nn/module.js';
import { input } from '../../ops/index.js';
import { evaluate } from '../../tensor/evaluate.js';
import { ndarray, type NdArray } from '../../tensor/ndarray.js';
import { expectValues } from '../../testing/expect-values.js';
import { parameterValues, runModule } from '../../testing/run-in-float64.js';
import { randomArray } from '../../testing/values.js';
import { OverlappingReductionAttention } from './osra.js';

/** A feature map of one image: [channel][row][column]. */
type FeatureMap = number[][][];

const [CHANNELS, HEIGHT, WIDTH] = [4, 5, 3] as const;

function mapOf({ shape: [, channels = 0, height = 0, width = 0], data }: NdArray): FeatureMap {
  return Array.from({ length: channels }, (_, c) =>
    Array.from({ length: height }, (_, i) =>
      Array.from({ length: width }, (_, j) => data[(c * height + i) * width + j] ?? NaN),
    ),
  );
}

const mapEach = (x: FeatureMap, f: (v: number, c: number) => number): FeatureMap =>
  x.map((plane, c) => plane.map((row) => row.map((v) => f(v, c))));

/** A depthwise convolution, tap by tap, with zeros outside. */
function depthwise(
  x: FeatureMap,
  weight: Float32Array,
  kernel: number,
  stride: number,
): FeatureMap {
  const padding = Math.floor(kernel / 2);
  const count = (size: number) => Math.floor((size + 2 * padding - kernel) / stride) + 1;
  return x.map((plane, c) =>
    Array.from({ length: count(plane.length) }, (_, row) =>
      Array.from({ length: count(plane[0]!.length) }, (_, column) => {
        let total = 0;
        for (let i = 0; i < kernel; i++) {
          for (let j = 0; j < kernel; j++) {
            const value = plane[row * stride + i - padding]?.[column * stride + j - padding] ?? 0;
            total += value * weight[(c * kernel + i) * kernel + j]!;
          }
        }
        return total;
      }),
    ),
  );
}

/** A 1x1 convolution with bias: [C][H][W] -> [outputs][places]. */
function mix(x: FeatureMap, module: Module, name: string): number[][] {
  const [weight, bias] = ['weight', 'bias'].map((kind) =>
    parameterValues(module, `${name}.${kind}`),
  );
  const places = x.map((plane) => plane.flat());
  return Array.from(bias!, (b, o) =>
    places[0]!.map((_, n) =>
      places.reduce((sum, row, c) => sum + weight![o * CHANNELS + c]! * row[n]!, b),
    ),
  );
}

/** The Gaussian error function by its power series, which converges everywhere. */
function erf(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 1; n < 80; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const gelu = (v: number) => 0.5 * v * (1 + erf(v / Math.SQRT2));

/** The paper's equations with fresh BatchNorms; `mask` weighs the attention, [heads][query][key]. */
function reference(
  module: OverlappingReductionAttention,
  x: FeatureMap,
  {
    reduction,
    heads,
    scale,
    mask,
  }: { reduction: number; heads: number; scale: number; mask?: NdArray },
): number[] {
  const norm = (v: number) => v / Math.sqrt(1 + 1e-5);
  let reduced = x;
  if (reduction > 1) {
    const first = depthwise(
      x,
      parameterValues(module, 'reduce.0.weight'),
      reduction + 3,
      reduction,
    );
    const second = parameterValues(module, 'reduce.3.weight');
    reduced = mapEach(first, (v, c) => norm(gelu(norm(v)) * second[c]!));
  }
  const bias = parameterValues(module, 'local.bias');
  const local = depthwise(reduced, parameterValues(module, 'local.weight'), 3, 1);
  const z = mapEach(local, (v, c) => v + bias[c]!).map((plane, c) =>
    plane.map((row, i) => row.map((v, j) => v + reduced[c]![i]![j]!)),
  );
  const query = mix(x, module, 'query');
  const both = mix(z, module, 'keyValue');
  const [key, value] = [both.slice(0, CHANNELS), both.slice(CHANNELS)];
  const [queries, keys] = [query[0]!.length, key[0]!.length];
  const size = CHANNELS / heads;
  const output = Array.from({ length: CHANNELS }, () => new Array<number>(queries).fill(0));
  for (let h = 0; h < heads; h++) {
    const own = Array.from({ length: size }, (_, d) => h * size + d);
    for (let n = 0; n < queries; n++) {
      const powers = Array.from({ length: keys }, (_, m) =>
        Math.exp(scale * own.reduce((sum, c) => sum + query[c]![n]! * key[c]![m]!, 0)),
      );
      const total = powers.reduce((a, b) => a + b);
      for (const [m, power] of powers.entries()) {
        const kept = mask?.data[(h * queries + n) * keys + m] ?? 1;
        for (const c of own) output[c]![n]! += (power / total) * kept * value[c]![m]!;
      }
    }
  }
  return output.flat();
}

const x = randomArray([1, CHANNELS, HEIGHT, WIDTH], 4);

describe('OverlappingReductionAttention', () => {
  it.each([
    { reduction: 2, heads: 2 },
    { reduction: 2, heads: 1, scale: 1.5 },
    { reduction: 3, heads: 4 },
    { reduction: 1, heads: 2 },
  ])("with GELU obeys the paper's equations: %o", (options) => {
    const module = new OverlappingReductionAttention(CHANNELS, options).initialize(5);
    const scale = options.scale ?? 1 / Math.sqrt(CHANNELS / options.heads);
    const { output } = runModule(module, [x]);
    expectValues(output, reference(module, mapOf(x), { ...options, scale }));
  });

  it('drops attention weights, and scales those that it keeps', () => {
    const module = new OverlappingReductionAttention(CHANNELS, {
      heads: 2,
      reduction: 1,
      dropout: 0.25,
    }).initialize(6);
    const symbol = input('x', x.shape);
    const { output, record: left } = record(true, () => module.forward(symbol));
    const [noise] = left.noise;
    expect(noise?.scale).toBeCloseTo(1 / 0.75, 12);
    const shape = noise?.tensor.shape ?? [];
    const mask = ndarray(
      shape,
      Float64Array.from({ length: noise?.tensor.size ?? 0 }, (_, i) =>
        i % 4 === 1 ? 0 : 1 / 0.75,
      ),
    );
    const feeds = new Map([[symbol, x]]);
    if (noise) feeds.set(noise.tensor, mask);
    for (const [, { tensor, data }] of module.namedParameters()) {
      feeds.set(tensor, ndarray(tensor.shape, data));
    }
    const [actual] = evaluate([output], feeds);
    const settings = { reduction: 1, heads: 2, scale: Math.SQRT1_2, mask };
    expectValues(actual, reference(module, mapOf(x), settings));
  });
});
