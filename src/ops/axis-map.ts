/** Fixed linear maps of one axis: how averaging and interpolation reach every device in the same way. */
import { at, elementCount } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { constantOp } from './leaf.js';

/** Row `o` holds the weights with which the elements of the axis enter output element `o`. */
export interface AxisMap {
  readonly outputs: number;
  readonly inputs: number;
  /** What the map does, in a word. */
  readonly purpose: string;
  /** Row-major, [outputs, inputs]. */
  readonly weights: Float64Array;
}

/** A map of zeros, to be filled in. */
export function axisMap(outputs: number, inputs: number, purpose: string): AxisMap {
  return { outputs, inputs, purpose, weights: new Float64Array(outputs * inputs) };
}

/** Adds a weight to one element of a map. */
export function addWeight(map: AxisMap, output: number, input: number, weight: number): void {
  const place = output * map.inputs + input;
  map.weights[place] = at(map.weights, place) + weight;
}

/** The map with inputs and outputs exchanged: its gradient. */
export function transposed({ outputs, inputs, purpose, weights }: AxisMap): AxisMap {
  const result = axisMap(inputs, outputs, purpose);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) addWeight(result, i, o, at(weights, o * inputs + i));
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
    const matrix = matrixOf(transposed(map));
    return x
      .reshape([-1, map.inputs])
      .matmul(matrix)
      .reshape([...head, map.outputs]);
  }
  const matrix = matrixOf(map);
  const columns = x.reshape([elementCount(head), map.inputs, -1]);
  return matrix.matmul(columns).reshape([...head, map.outputs, ...tail]);
}

function matrixOf({ outputs, inputs, purpose, weights }: AxisMap): Tensor {
  return constantOp({}, { data: weights, shape: [outputs, inputs], dtype: 'float32', purpose });
}
