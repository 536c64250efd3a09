import { at, elementCount, type Shape } from './shape.js';

/** A dense float64 array: what the reference evaluation of an op takes and returns. */
export interface NdArray {
  readonly shape: Shape;
  readonly data: Float64Array;
}

/** An array of zeros, or one that wraps the given values (their number must fit the shape). */
export function ndarray(shape: Shape, values?: ArrayLike<number>): NdArray {
  const count = elementCount(shape);
  if (values === undefined) return { shape, data: new Float64Array(count) };
  if (values.length !== count) {
    throw new RangeError(`${values.length} values do not fill the shape [${shape.join(', ')}].`);
  }
  return { shape, data: values instanceof Float64Array ? values : Float64Array.from(values) };
}

/** Calls `visit` with every index vector of a shape in row-major order; the vector is reused. */
export function forEachIndex(shape: Shape, visit: (index: number[], flat: number) => void): void {
  const count = elementCount(shape);
  const index = new Array<number>(shape.length).fill(0);
  for (let flat = 0; flat < count; flat++) {
    visit(index, flat);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = at(index, axis) + 1;
      if (next < at(shape, axis)) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
    }
  }
}
