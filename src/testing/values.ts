/** Values for tests of ops. */
import { RandomStream } from '../random/index.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import { elementCount, type Shape } from '../tensor/shape.js';

/** Normal deviates, the same for the same seed. */
export function randomArray(shape: Shape, seed = 0): NdArray {
  const stream = new RandomStream(seed, 'testing', ...shape);
  return ndarray(
    shape,
    Float64Array.from({ length: elementCount(shape) }, () => stream.normal()),
  );
}

/** Values in random order that keep a distance from each other and from 0: no kink within reach of a difference. */
export function spacedArray(shape: Shape, seed = 0): NdArray {
  const count = elementCount(shape);
  const order = new RandomStream(seed, 'testing', ...shape).permutation(count);
  return ndarray(
    shape,
    Float64Array.from(order, (rank) => (4 * (rank + 0.5)) / count - 2 + 0.001),
  );
}

/** Values of at least `least`, for logarithms, roots and divisors. */
export function positiveArray(shape: Shape, seed = 0, least = 0.5): NdArray {
  const { data } = randomArray(shape, seed);
  return ndarray(
    shape,
    data.map((v) => least + Math.abs(v)),
  );
}

/** Small whole numbers, so that equal values are common. */
export function tiedArray(shape: Shape, seed = 0): NdArray {
  const stream = new RandomStream(seed, 'testing', ...shape);
  return ndarray(
    shape,
    Float64Array.from({ length: elementCount(shape) }, () => stream.integer(3)),
  );
}
