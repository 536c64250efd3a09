/** What float32 may lose in a graph: the yardstick for kernels and for parity. */
import { RandomStream } from '../random/index.js';
import { evaluate } from './evaluate.js';
import { ndarray, type NdArray } from './ndarray.js';
import type { Tensor } from './tensor.js';

/** Ops that compare, choose and move values, or change a sign: float32 does them without an error. */
const EXACT = new Set(
  `abs argmax cast clip concat detach equal expand gather greater greaterEqual input less lessEqual
  max maxFirst maxPool maximum min minimum neg pad relu reluGradient reshape slice transpose unslice
  where`.split(/\s+/),
);

/** Functions whose kernels are as exact as the last place of 1 allows, also where they are far smaller. */
const TO_ONE = new Set(['cos', 'erf', 'sigmoid', 'sin', 'softplus', 'tanh']);

/** An element of what a good kernel computes is off by at most so many times its spread: in 2,400 runs, whose spreads are estimates themselves, 24 was the most. */
export const SPREADS = 48;

/** Two units in the last place: by so much at most an op's inputs and its output are moved. */
const AMPLITUDE = 2 ** -23;

/**
 * How far float32 may be from exact arithmetic in each element of some tensors.
 *
 * A good kernel gives the exact result for inputs that are a few last bits off, rounded once more:
 * the sum of products that cancel is uncertain by the last bits of the products, not of their sum.
 * So the graph is evaluated in float64 several times, each time with the inputs of every inexact op
 * and its output moved at random by about as much; what that makes of a tensor's element is how
 * uncertain it is. Nothing about an op need be known but whether it is exact.
 *
 * @param feeds values of the inputs; taken as exact
 * @returns for each output its exact values, and the root mean square of the deviations from them
 */
export function float32Spread(
  outputs: readonly Tensor[],
  feeds: ReadonlyMap<Tensor, NdArray>,
  { samples = 8, seed = 0 } = {},
): { readonly values: readonly NdArray[]; readonly spread: readonly NdArray[] } {
  const values = evaluate(outputs, feeds);
  const squares = values.map(({ shape }) => ndarray(shape));
  for (let sample = 0; sample < samples; sample++) {
    const random = new RandomStream(seed, 'rounding', sample);
    // Of constants alone, and whole numbers mostly: the exponent of a cube, and one less in its gradient.
    const known = new Set<Tensor>();
    const moved = evaluate(outputs, feeds, (node, inputs, rule) => {
      if (node.op.name === 'constant') {
        const constant = rule(inputs);
        if (fitsFloat32(constant)) known.add(node);
        return constant;
      }
      if (node.dtype !== 'float32' || EXACT.has(node.op.name)) return rule(inputs);
      const least = TO_ONE.has(node.op.name) ? 1 : 0;
      const held = node.inputs.map((input) => known.has(input));
      const near = inputs.map((x, i) => (held[i] ? x : move(x, 0, random)));
      const result = rule(near);
      if (held.every(Boolean) && fitsFloat32(result)) {
        known.add(node);
        return result;
      }
      return move(result, least, random);
    });
    for (const [i, { data }] of moved.entries()) {
      const [square, exact] = [squares[i]?.data, values[i]?.data];
      for (let j = 0; square && exact && j < data.length; j++) {
        square[j] = (square[j] ?? 0) + ((data[j] ?? 0) - (exact[j] ?? 0)) ** 2 / samples;
      }
    }
  }
  return { values, spread: squares.map(({ shape, data }) => ndarray(shape, data.map(Math.sqrt))) };
}

/** Whether float32 holds values as they are. */
function fitsFloat32({ data }: NdArray): boolean {
  return data.every((v) => Math.fround(v) === v);
}

/**
 * Every value off by a random share of itself, or of `least` where that is more: up or down by half
 * to the whole of the amplitude, so that few samples show what there is.
 */
function move({ shape, data }: NdArray, least: number, random: RandomStream): NdArray {
  const moved = data.map((v) => {
    const share = 2 * random.uniform() - 1;
    const by = AMPLITUDE * (share < 0 ? share - 1 : share + 1) * 0.5;
    return v + by * Math.max(Math.abs(v), least);
  });
  return ndarray(shape, moved);
}
