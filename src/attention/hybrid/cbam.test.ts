import { describe, expect, it } from 'vitest';
import { RequestError } from '../../errors.js';
import type { Module } from '../../nn/module.js';
import { input } from '../../ops/index.js';
import { evaluate } from '../../tensor/evaluate.js';
import { ndarray, type NdArray } from '../../tensor/ndarray.js';
import { expectValues } from '../../testing/expect-values.js';
import { runModule } from '../../testing/run-in-float64.js';
import { randomArray } from '../../testing/values.js';
import { Cbam, type CbamOptions } from './cbam.js';
import { ChannelGate, type ChannelGateOptions } from './channel-gate.js';
import { cbamJoint, JointCbam } from './joint-cbam.js';
import { SpatialGate, type SpatialGateOptions } from './spatial-gate.js';

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
const at = (v: ArrayLike<number> | undefined, i: number) => v?.[i] ?? NaN;
const mean = (v: readonly number[]) => v.reduce((sum, one) => sum + one, 0) / v.length;

/** A map of one image as [channel][place]. */
type Planes = readonly (readonly number[])[];

function planesOf({ shape: [, channels = 0], data }: NdArray): number[][] {
  const places = data.length / channels;
  return Array.from({ length: channels }, (_, c) => [...data.slice(c * places, (c + 1) * places)]);
}

function reader(module: Module, prefix = '') {
  const all = new Map(module.namedParameters());
  return (name: string) => all.get(prefix + name)?.data;
}

type Read = ReturnType<typeof reader>;

/** The paper's channel gate, or document 001's with a kernel of three taps. */
function channelGate(x: Planes, read: Read, { mode, pools = 'avg+max' }: ChannelGateOptions) {
  const dense = (weight: string, v: readonly number[]) => {
    const [w, bias] = [read(`transform.${weight}.weight`), read(`transform.${weight}.bias`)];
    const outputs = (w?.length ?? NaN) / v.length;
    return Array.from({ length: outputs }, (_, o) =>
      v.reduce((sum, one, i) => sum + one * at(w, o * v.length + i), bias ? at(bias, o) : 0),
    );
  };
  const taps = read('transform.weight');
  const transform = (v: readonly number[]) =>
    mode === 'conv1d'
      ? v.map((_, c) => [-1, 0, 1].reduce((sum, d) => sum + at(taps, d + 1) * (v[c + d] ?? 0), 0))
      : dense(
          '2',
          dense('0', v).map((one) => Math.max(0, one)),
        );
  const squeezed = pools
    .split('+')
    .map((pool) => x.map((plane) => (pool === 'avg' ? mean(plane) : Math.max(...plane))));
  const parts = squeezed.map(transform);
  return x.map((_, c) => sigmoid(parts.reduce((sum, part) => sum + at(part, c), 0)));
}

/** The paper's spatial gate on a map of `width` columns. */
function spatialGate(
  x: Planes,
  read: Read,
  { kernel = 7, pools = 'avg+max' }: SpatialGateOptions,
  width: number,
) {
  const places = x[0]?.length ?? 0;
  const height = places / width;
  const column = (p: number) => x.map((plane) => at(plane, p));
  const pooled = pools
    .split('+')
    .map((pool) =>
      Array.from({ length: places }, (_, p) =>
        pool === 'avg' ? mean(column(p)) : Math.max(...column(p)),
      ),
    );
  const [w, bias] = [read('conv.weight'), read('conv.bias')];
  const reach = (kernel - 1) / 2;
  return Array.from({ length: places }, (_, p) => {
    const [row, col] = [Math.floor(p / width), p % width];
    let sum = bias ? at(bias, 0) : 0;
    for (const [channel, plane] of pooled.entries()) {
      for (let i = 0; i < kernel; i++) {
        for (let j = 0; j < kernel; j++) {
          const [y, z] = [row + i - reach, col + j - reach];
          if (y < 0 || y >= height || z < 0 || z >= width) continue;
          sum += at(w, (channel * kernel + i) * kernel + j) * at(plane, y * width + z);
        }
      }
    }
    return sigmoid(sum);
  });
}

const x = randomArray([1, 9, 4, 5], 1);

describe('Cbam', () => {
  const cases: CbamOptions[] = [
    {},
    { order: 'spatial-channel' },
    { order: 'spatial-channel', mode: 'conv1d', kernel: 5 },
    { bias: true, kernel: 3, spatialPools: 'max+avg' },
    { bias: true, kernel: 1, channelPools: 'avg' },
    { mode: 'conv1d', channelPools: 'max' },
    { order: 'spatial-channel', bias: true, channelPools: 'max' },
  ];

  it.each(cases)("obeys the paper's equations: %o", (options) => {
    const module = new Cbam(9, { ratio: 3, ...options }).initialize(4);
    const { order, mode = 'mlp', kernel = 7, channelPools, spatialPools } = options;
    const ofChannels = { mode, ...(channelPools && { pools: channelPools }) };
    const ofPlaces = { kernel, ...(spatialPools && { pools: spatialPools }) };
    let planes: Planes = planesOf(x);
    const gates: Record<string, number[]> = {};
    const weightChannels = () => {
      const gate = channelGate(planes, reader(module, 'channelGate.'), ofChannels);
      planes = planes.map((plane, c) => plane.map((v) => v * at(gate, c)));
      gates['channel'] = gate;
    };
    const weightPlaces = () => {
      const gate = spatialGate(planes, reader(module, 'spatialGate.'), ofPlaces, 5);
      planes = planes.map((plane) => plane.map((v, p) => v * at(gate, p)));
      gates['spatial'] = gate;
    };
    const steps = [weightChannels, weightPlaces];
    for (const step of order === 'spatial-channel' ? steps.reverse() : steps) step();

    module.assignPaths();
    const { output, exposed } = runModule(module, [x]);
    expectValues(output, planes.flat());
    expect([...exposed.keys()].sort()).toEqual(['channel', 'spatial']);
    expectValues(exposed.get('channel'), gates['channel'] ?? []);
    expectValues(exposed.get('spatial'), gates['spatial'] ?? []);
  });

  it('has 2 C^2 / ratio + 2 k^2 weights', () => {
    expect(new Cbam(64, { ratio: 8 }).parameterCount()).toBe(2 * 64 * 8 + 2 * 49);
  });

  it('refuses what it cannot build', () => {
    expect(() => new Cbam(8)).toThrow(/ratio from 1 to 8/);
    expect(() => new Cbam(64, { kernel: 4 })).toThrow(/Choose 3 or 5/);
    const order = 'parallel' as 'channel-spatial';
    expect(() => new Cbam(64, { order })).toThrow(
      /'channel-spatial' or 'spatial-channel' .*, not "parallel"/,
    );
  });
});

describe("CBAM's gates alone", () => {
  it('weight the map and show the gate', () => {
    const channel = new ChannelGate(9, { ratio: 3 }).initialize(1);
    const ofChannels = channelGate(planesOf(x), reader(channel), {});
    const weighted = runModule(channel, [x]);
    expectValues(
      weighted.output,
      planesOf(x).flatMap((plane, c) => plane.map((v) => v * at(ofChannels, c))),
    );
    expect(weighted.exposed.get('channel')?.shape).toEqual([1, 9, 1, 1]);

    const spatial = new SpatialGate({ kernel: 5 }).initialize(1);
    const ofPlaces = spatialGate(planesOf(x), reader(spatial), { kernel: 5 }, 5);
    const { output, exposed } = runModule(spatial, [x]);
    expectValues(
      output,
      planesOf(x).flatMap((plane) => plane.map((v, p) => v * at(ofPlaces, p))),
    );
    expect(exposed.get('spatial')?.shape).toEqual([1, 1, 4, 5]);
  });

  it('refuse kernels that do not fit, and unknown forms', () => {
    expect(() => new SpatialGate({ kernel: 6 })).toThrow(/Choose 5 or 7/);
    expect(() => new SpatialGate({ kernel: 0 })).toThrow(RequestError);
    const mode = 'conv' as 'conv1d';
    expect(() => new ChannelGate(16, { mode })).toThrow(/not "conv"\. Did you mean 'conv1d'\?/);
    expect(() => new ChannelGate(16, { ratio: 32 })).toThrow(RequestError);
  });
});

describe('JointCbam', () => {
  it('weights the map by both gates, which it gives apart too', () => {
    const module = new JointCbam(4, { positions: 6, ratio: 2, kernel: 3 }).initialize(3);
    const symbol = input('x', [1, 4, 2, 3]);
    const feeds = new Map([[symbol, randomArray([1, 4, 2, 3], 8)]]);
    for (const [, { tensor, shape, data }] of module.namedParameters()) {
      feeds.set(tensor, ndarray(shape, data));
    }
    const { channel, spatial } = module.gates(symbol);
    const maps = [module.forward(symbol).mul(symbol), symbol.mul(channel), symbol.mul(spatial)];
    const [product, byChannel, byPlace] = evaluate(maps, feeds);
    expectValues(
      product,
      [...(byChannel?.data ?? [])].map((v, i) => v * at(byPlace?.data, i)),
    );
  });

  it('refuses maps of another size, channels, even kernels and missing positions', () => {
    const module = new JointCbam(16, { positions: 30 });
    expect(module.forward(input('x', [2, 16, 3, 10])).shape).toEqual([2, 16, 3, 10]);
    expect(() => module.forward(input('x', [2, 16, 6, 6]))).toThrow(/H W = 30/);
    expect(() => module.forward(input('x', [2, 8, 6, 5]))).toThrow(/\[B, 16, H, W\]/);
    expect(() => new JointCbam(16, { positions: 30, kernel: 4 })).toThrow(/Choose 3 or 5/);
    expect(() => new JointCbam(8, { positions: 30 })).toThrow(/ratio from 1 to 8/);
    expect(() => new JointCbam(16, { positions: 0 })).toThrow(/'positions'/);
    expect(() => cbamJoint.create(16)).toThrow(/needs the option 'positions', a positive integer/);
  });
});
