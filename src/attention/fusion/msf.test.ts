/** What the golden cases do not reach: MSF of other than four maps, MFE of other than three rates. */
import { describe, expect, it } from 'vitest';
import { expectValues } from '../../testing/expect-values.js';
import { parameterValues, runModule } from '../../testing/run-in-float64.js';
import { randomArray } from '../../testing/values.js';
import type { Module } from '../../nn/module.js';
import { MultiFeatureExtraction } from './mfe.js';
import { MultiScaleSelectiveFusion } from './msf.js';

const CHANNELS = 3;

/** A fresh BatchNorm in eval, and a ReLU. */
const normRelu = (v: number) => Math.max(0, v / Math.sqrt(1 + 1e-5));
const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
const mean = (v: readonly number[]) => v.reduce((sum, one) => sum + one, 0) / v.length;

/** A convolution without bias on [channel][place]; of a k x k kernel only the centre tap is looked at. */
function convolve(
  x: readonly (readonly number[])[],
  module: Module,
  name: string,
  kernel = 1,
): number[][] {
  const weight = parameterValues(module, `${name}.weight`);
  const taps = kernel * kernel;
  return x.map((_, o) =>
    x[0]!.map((_, n) =>
      x.reduce(
        (sum, row, c) => sum + weight[(o * CHANNELS + c) * taps + (taps - 1) / 2]! * row[n]!,
        0,
      ),
    ),
  );
}

/** Weights [map][channel], and what the projection makes of the weighted sum and an addend. */
function select(
  maps: readonly (readonly (readonly number[])[])[],
  module: Module,
  addend?: readonly (readonly number[])[],
) {
  const described = maps.map((map, i) =>
    convolve(
      map.map((row) => [mean(row)]),
      module,
      `selection.describe.${i}`,
    ).map(([v = NaN]) => Math.exp(sigmoid(v))),
  );
  const weights = described.map((row) =>
    row.map((power, c) => power / described.reduce((sum, other) => sum + other[c]!, 0)),
  );
  const fused = maps[0]!.map((row, c) =>
    row.map((_, n) =>
      maps.reduce((sum, map, i) => sum + weights[i]![c]! * map[c]![n]!, addend?.[c]?.[n] ?? 0),
    ),
  );
  return { weights, output: convolve(fused, module, 'project.0').map((row) => row.map(normRelu)) };
}

function planes(values: Float64Array): number[][] {
  const places = values.length / CHANNELS;
  return Array.from({ length: CHANNELS }, (_, c) => [
    ...values.slice(c * places, (c + 1) * places),
  ]);
}

/** [channel][map], as the weights are exposed. */
const byChannel = (weights: readonly (readonly number[])[]) =>
  Array.from({ length: CHANNELS }, (_, c) => weights.map((row) => row[c]!)).flat();

describe('MultiScaleSelectiveFusion', () => {
  it.each([2, 3, 5])('of %i maps obeys its formula', (count) => {
    const module = new MultiScaleSelectiveFusion(CHANNELS, { maps: count }).initialize(count);
    const maps = Array.from({ length: count }, (_, i) => randomArray([1, CHANNELS, 2, 3], i + 1));
    const { output, exposed } = runModule(module, maps);
    const expected = select(
      maps.map(({ data }) => planes(data)),
      module,
    );
    expectValues(exposed.get('branchWeights'), byChannel(expected.weights));
    expectValues(output, expected.output.flat());
    expect(output.data.some((v) => v > 0)).toBe(true);
  });
});

describe('MultiFeatureExtraction', () => {
  it.each([[[3]], [[2, 5]], [[2, 4, 6, 8]]])('with the rates %j obeys its formula', (rates) => {
    const module = new MultiFeatureExtraction(CHANNELS, { rates }).initialize(5);
    // On a map of one place a dilated convolution sees its centre tap only.
    const x = randomArray([1, CHANNELS, 1, 1], 3);
    const input = planes(x.data);
    const stages: number[][][] = [];
    for (let i = 0; i <= rates.length; i++) {
      const before = stages.at(-1);
      const seen = input.map((row, c) => row.map((v, n) => v + (before?.[c]?.[n] ?? 0)));
      stages.push(convolve(seen, module, `branches.${i}.0`, 3).map((row) => row.map(normRelu)));
    }
    const expected = select(stages, module, input);
    const { output, exposed } = runModule(module, [x]);
    expectValues(exposed.get('branchWeights'), byChannel(expected.weights));
    expectValues(output, expected.output.flat());
    expect(output.data.some((v) => v > 0)).toBe(true);
  });
});
