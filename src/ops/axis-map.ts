/** Fixed linear maps of one axis: how averaging and interpolation reach every device in the same way. */
import { elementCount } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { constant } from './leaf.js';

/** Row `o` holds the weights with which the elements of the axis enter output element `o`. */
export interface AxisMap {
  readonly outputs: number;
  readonly inputs: number;
  /** Row-major, [outputs, inputs]. */
  readonly weights: Float64Array;
}

/** A map of zeros, to be filled in. */
export function axisMap(outputs: number, inputs: number): AxisMap {
  return { outputs, inputs, weights: new Float64Array(outputs * inputs) };
}

/** Adds a weight to one element of a map. */
export function addWeight(map: AxisMap, output: number, input: number, weight: number): void {
  const at = output * map.inputs + input;
  map.weights[at] = (map.weights[at] ?? 0) + weight;
}

/** The map with inputs and outputs exchanged: its gradient. */
export function transposed({ outputs, inputs, weights }: AxisMap): AxisMap {
  const result = axisMap(inputs, outputs);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) addWeight(result, i, o, weights[o * inputs + i] ?? 0);
  }
  return result;
}

/**
 * Applies a map to one axis, as a product with a constant matrix: [.., inputs, ..] -> [.., outputs, ..].
 * The gradient is the product with the transposed matrix.
 */
export function mapAxis(x: Tensor, axis: number, map: AxisMap): Tensor {
  const head = x.shape.slice(0, axis);
  const tail = x.shape.slice(axis + 1);
  if (tail.length === 0) {
    // Nothing follows the axis: one large product instead of a batch of them.
    const matrix = constant(transposed(map).weights, [map.inputs, map.outputs]);
    return x
      .reshape([-1, map.inputs])
      .matmul(matrix)
      .reshape([...head, map.outputs]);
  }
  const matrix = constant(map.weights, [map.outputs, map.inputs]);
  const columns = x.reshape([elementCount(head), map.inputs, -1]);
  return matrix.matmul(columns).reshape([...head, map.outputs, ...tail]);
}
