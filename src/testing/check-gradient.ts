import { gradients } from '../autodiff/gradients.js';
import { FoveaError } from '../errors.js';
import { input } from '../ops/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { randomArray } from './values.js';

/** What a check builds: the tensors under test from its inputs. */
export type Build = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

export interface GradientCheckOptions {
  /** Half of the distance between the two points of a difference. Default 1e-5. */
  readonly step?: number;
  /** Largest error, relative to the largest gradient of the input. Default 1e-6. */
  readonly tolerance?: number;
  /** Seed of the inputs drawn for shapes, and of the cotangents. Default 0. */
  readonly seed?: number;
}

/** An array for each input: given ones as they are, normal deviates for shapes. */
export function valuesOf(inputs: readonly (NdArray | Shape)[], seed: number): NdArray[] {
  return inputs.map((given, i) => ('data' in given ? given : randomArray(given, seed + i)));
}

/** The outputs of a build, whether it returns one or several. */
export function outputsOf(built: Tensor | readonly Tensor[]): readonly Tensor[] {
  return 'op' in built ? [built] : built;
}

/**
 * Checks the gradient graph of what `build` makes against central differences, all in float64 by
 * the reference rules. The loss is the sum of the outputs, weighted with random cotangents. The
 * caller draws inputs that are away from kinks.
 *
 * @param inputs one value or shape per input of `build`; shapes are filled with normal deviates
 * @throws FoveaError that names the worst element, if the error passes the tolerance
 */
export function checkGradient(
  build: Build,
  inputs: readonly (NdArray | Shape)[],
  { step = 1e-5, tolerance = 1e-6, seed = 0 }: GradientCheckOptions = {},
): void {
  const values = valuesOf(inputs, seed);
  const symbols = values.map(({ shape }, i) => input(`x${i}`, shape));
  const outputs = outputsOf(build(...symbols));
  const cotangents = outputs.map(({ shape }, i) => randomArray(shape, seed + 100 + i));
  const cotangentSymbols = outputs.map(({ shape }, i) => input(`g${i}`, shape));
  const feeds = new Map([
    ...symbols.map((symbol, i) => [symbol, values[i] ?? ndarray([])] as const),
    ...cotangentSymbols.map((symbol, i) => [symbol, cotangents[i] ?? ndarray([])] as const),
  ]);
  const found = evaluate(gradients(outputs, symbols, cotangentSymbols), feeds);

  const lossAt = (which: Tensor, value: NdArray): number => {
    let loss = 0;
    for (const [i, y] of evaluate(outputs, new Map(feeds).set(which, value)).entries()) {
      for (const [j, v] of y.data.entries()) loss += v * (cotangents[i]?.data[j] ?? NaN);
    }
    return loss;
  };
  for (const [i, symbol] of symbols.entries()) {
    const { shape, data } = values[i] ?? ndarray([]);
    const gradient = found[i] ?? ndarray([]);
    const expected = data.map((value, j) => {
      const shifted = (by: number) => ndarray(shape, data.with(j, value + by));
      return (lossAt(symbol, shifted(step)) - lossAt(symbol, shifted(-step))) / (2 * step);
    });
    compare(`gradient of input ${i}`, gradient, ndarray(shape, expected), tolerance);
  }
}

/**
 * Compares two arrays, relative to the largest magnitude of what is expected (or to 1, if all of it is 0).
 * @throws FoveaError that names the worst element, if shapes differ or the error passes the tolerance
 */
export function compare(what: string, actual: NdArray, expected: NdArray, tolerance: number): void {
  if (actual.shape.join() !== expected.shape.join()) {
    throw new FoveaError(`${what}: shape [${actual.shape.join()}], not [${expected.shape.join()}]`);
  }
  const scale = expected.data.reduce((largest, v) => Math.max(largest, Math.abs(v)), 0) || 1;
  for (const [j, want] of expected.data.entries()) {
    const is = actual.data[j] ?? NaN;
    // Written so that NaN fails; equal infinities pass.
    if (is !== want && !(Math.abs(is - want) <= tolerance * scale)) {
      throw new FoveaError(
        `${what}: element ${j} of [${expected.shape.join()}] is ${is}, not ${want} (largest ${scale}).`,
      );
    }
  }
}
