import { describe, expect, it } from 'vitest';
import { gradients } from '../../autodiff/gradients.js';
import { RequestError, ShapeError } from '../../errors.js';
import { record } from '../../nn/context.js';
import { input } from '../../ops/index.js';
import { evaluate } from '../../tensor/evaluate.js';
import { ndarray, type NdArray } from '../../tensor/ndarray.js';
import type { Tensor } from '../../tensor/tensor.js';
import { MultiScaleAttentionAggregation } from './msaa.js';

/** A feature map of one image: [channel][row][column]. */
type FeatureMap = number[][][];
/** Values of a parameter, row-major. */
type Weights = Readonly<Record<string, readonly number[]>>;

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
const sum = (values: readonly number[]) => values.reduce((total, v) => total + v, 0);

/** A convolution that keeps the size, element by element, with zeros outside. */
function convolve(x: FeatureMap, weight: readonly number[], bias: readonly number[], k: number) {
  const [height, width] = [x[0]!.length, x[0]![0]!.length];
  const outputs = weight.length / (x.length * k * k);
  const half = (k - 1) / 2;
  return Array.from({ length: outputs }, (_, o) =>
    Array.from({ length: height }, (_, row) =>
      Array.from({ length: width }, (_, column) => {
        let total = bias[o] ?? 0;
        for (const [c, plane] of x.entries()) {
          for (let i = 0; i < k; i++) {
            for (let j = 0; j < k; j++) {
              const value = plane[row + i - half]?.[column + j - half] ?? 0;
              total += value * weight[((o * x.length + c) * k + i) * k + j]!;
            }
          }
        }
        return total;
      }),
    ),
  );
}

/** The formula of the paper for one image, in plain loops. */
function reference(maps: readonly FeatureMap[], w: Weights) {
  const conv = (x: FeatureMap, name: string, k: number) =>
    convolve(x, w[`${name}.weight`]!, w[`${name}.bias`] ?? [], k);
  const mapAll = (
    x: FeatureMap,
    f: (v: number, c: number, row: number, column: number) => number,
  ) => x.map((plane, c) => plane.map((line, i) => line.map((v, j) => f(v, c, i, j))));

  const fused = conv(maps.flat(), 'reduce', 1);
  const mlp = (pooled: readonly number[]) => {
    const asMap = pooled.map((v) => [[v]]);
    const hidden = mapAll(conv(asMap, 'squeeze', 1), (v) => Math.max(v, 0));
    return conv(hidden, 'excite', 1).flat(2);
  };
  const planes = fused.map((plane) => plane.flat());
  const ofMean = mlp(planes.map((values) => sum(values) / values.length));
  const ofLargest = mlp(planes.map((values) => Math.max(...values)));
  const channel = ofMean.map((v, c) => sigmoid(v + ofLargest[c]!));

  const [three, five, seven] = [3, 5, 7].map((k) => conv(fused, `conv${k}`, k)) as [
    FeatureMap,
    FeatureMap,
    FeatureMap,
  ];
  const scales = mapAll(three, (v, c, i, j) => v + five[c]![i]![j]! + seven[c]![i]![j]!);
  const acrossChannels = (f: (values: number[]) => number) =>
    scales[0]!.map((line, i) => line.map((_, j) => f(scales.map((plane) => plane[i]![j]!))));
  const pooled = [
    acrossChannels((values) => sum(values) / values.length),
    acrossChannels((values) => Math.max(...values)),
  ];
  const spatial = mapAll(conv(pooled, 'spatial', 7), sigmoid);
  const both = mapAll(
    fused,
    (v, c, i, j) => v * channel[c]! + scales[c]![i]![j]! * spatial[0]![i]![j]!,
  );
  return { output: conv(both, 'expand', 1), channel, spatial };
}

/** Numbers without a pattern that a mistake could hide behind. */
const values = (count: number, phase: number) =>
  Float64Array.from({ length: count }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * phase));

interface Setting {
  readonly channels: number | readonly [number, number, number];
  readonly out?: number;
  readonly factor?: number;
  readonly ratio?: number;
}

/** The module, maps of 2 images of 6x5 for it, all values, and the reference's answer to any of them. */
function setUp({ channels, ...options }: Setting) {
  const module = new MultiScaleAttentionAggregation(channels, options);
  const maps = module.channels.map((count, i) => input(`map ${i}`, [2, count, 6, 5]));
  const feeds = new Map<Tensor, NdArray>();
  for (const [i, map] of maps.entries()) feeds.set(map, ndarray(map.shape, values(map.size, i)));
  for (const [i, [, { tensor }]] of [...module.namedParameters()].entries()) {
    const scaled = values(tensor.size, i + 0.5).map((v) => 0.4 * v);
    feeds.set(tensor, ndarray(tensor.shape, scaled));
  }
  const { output, record: left } = record(false, () =>
    module.forward(...(maps as [Tensor, Tensor, Tensor])),
  );
  const answer = (given: ReadonlyMap<Tensor, NdArray>) => {
    const weights = Object.fromEntries(
      [...module.namedParameters()].map(([name, { tensor }]) => [
        name,
        [...given.get(tensor)!.data],
      ]),
    );
    const imagesOf = (map: Tensor, image: number): FeatureMap => {
      const { data } = given.get(map)!;
      const count = map.dim(1);
      return Array.from({ length: count }, (_, c) =>
        Array.from({ length: 6 }, (_, i) =>
          Array.from({ length: 5 }, (_, j) => data[((image * count + c) * 6 + i) * 5 + j]!),
        ),
      );
    };
    return [0, 1].map((image) =>
      reference(
        maps.map((map) => imagesOf(map, image)),
        weights,
      ),
    );
  };
  return { module, maps, feeds, output, exposed: left.exposed, answer };
}

function expectClose(actual: ArrayLike<number> | undefined, expected: readonly number[]): void {
  expect(actual?.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(actual?.[i]).toBeCloseTo(value, 10);
}

describe('MultiScaleAttentionAggregation', () => {
  const settings: readonly [string, Setting][] = [
    ['three maps of 16 channels', { channels: 16 }],
    ['a result of other channels', { channels: 3, out: 32 }],
    ['maps of different channels', { channels: [2, 4, 5], out: 16, factor: 2, ratio: 3 }],
  ];

  it.each(settings)('%s: output and gates are those of the formula', (_, setting) => {
    const { feeds, output, exposed, answer } = setUp(setting);
    const [channel, spatial] = [exposed.get('channel'), exposed.get('spatial')];
    const computed = evaluate([output, ...(channel && spatial ? [channel, spatial] : [])], feeds);
    const expected = answer(feeds);
    expectClose(
      computed[0]?.data,
      expected.flatMap((image) => image.output.flat(2)),
    );
    expectClose(
      computed[1]?.data,
      expected.flatMap((image) => image.channel),
    );
    expectClose(
      computed[2]?.data,
      expected.flatMap((image) => image.spatial.flat(2)),
    );
  });

  it('has the gradients of the formula, for every parameter and map', () => {
    const { module, maps, feeds, output, answer } = setUp({ channels: [2, 1, 1], out: 16 });
    const sources = [...maps, ...module.parameters().map(({ tensor }) => tensor)];
    const slopes = evaluate(gradients([output.mul(output).sum()], sources), feeds);
    const loss = (given: ReadonlyMap<Tensor, NdArray>) =>
      sum(answer(given).flatMap((image) => image.output.flat(2).map((v) => v * v)));
    for (const [n, source] of sources.entries()) {
      const { shape, data } = feeds.get(source)!;
      // Two of each are enough: whichever is wrong in one place is wrong in all.
      for (const index of new Set([0, data.length - 1])) {
        const moved = (by: number) => {
          const shifted = Float64Array.from(data);
          shifted[index]! += by;
          return loss(new Map([...feeds, [source, ndarray(shape, shifted)]]));
        };
        const step = 1e-5;
        const measured = (moved(step) - moved(-step)) / (2 * step);
        const scale = Math.max(1, Math.abs(measured));
        expect(Math.abs((slopes[n]?.data[index] ?? NaN) - measured) / scale).toBeLessThan(1e-6);
      }
    }
  });

  it('has the parameters that its documentation counts', () => {
    const [c, out, d] = [24, 64, 16];
    const counted = 83 * d * d + (2 * d * d) / 4 + (3 * c + out + 4) * d + out + 98;
    expect(new MultiScaleAttentionAggregation(c, { out }).parameterCount()).toBe(counted);
  });

  it('refuses factors that leave no hidden unit', () => {
    expect(() => new MultiScaleAttentionAggregation(15)).toThrow(RequestError);
    expect(() => new MultiScaleAttentionAggregation(15)).toThrow(/from 1 to 15/);
  });

  it('refuses maps of different sizes, or of other channels', () => {
    const module = new MultiScaleAttentionAggregation(16);
    const map = (channels: number, size: number) => input('x', [2, channels, size, size]);
    expect(() => module.forward(map(16, 4), map(16, 4), map(16, 2))).toThrow(ShapeError);
    expect(() => module.forward(map(16, 4), map(8, 4), map(16, 4))).toThrow(/16, 16, 16 channels/);
  });
});
