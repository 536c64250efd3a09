/** Positions of largest elements. */
import { forEachIndex, ndarray } from '../tensor/ndarray.js';
import { reducedShape, stridesOf } from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { defineOp } from './define.js';
import { withNaNOnTop } from './nan.js';
import type { ReduceOptions } from './reduce.js';

const argmaxOp = defineOp<{ readonly axis: number; readonly keepDims: boolean }>('argmax', {
  shape: ([x], { axis, keepDims }) =>
    x && axis >= 0 && axis < x.rank
      ? reducedShape(x.shape, [axis], keepDims)
      : `It has no axis ${axis}.`,
  dtype: 'int32',
  gradient: null,
  lower: ({ emit, inputs: [x = ''], attributes: { axis, keepDims }, node }) => {
    const ordered = withNaNOnTop(emit, x, node);
    const positions = emit.node('ArgMax', [ordered], { axis, keepdims: Number(keepDims) });
    return emit.node('Cast', [positions], { to: 6 });
  },
  reference: ({ inputs: [x], attributes: { axis }, node }) => {
    const out = ndarray(node.shape);
    const shape = x?.shape ?? [];
    const strides = stridesOf(reducedShape(shape, [axis], true));
    const best = new Float64Array(node.size).fill(-Infinity);
    forEachIndex(shape, (index, flat) => {
      const to = index.reduce(
        (total, position, i) => total + (i === axis ? 0 : position * (strides[i] ?? 0)),
        0,
      );
      const value = x?.data[flat] ?? NaN;
      const sofar = best[to] ?? NaN;
      if (value <= sofar || Number.isNaN(sofar)) return;
      best[to] = value;
      out.data[to] = index[axis] ?? 0;
    });
    return out;
  },
});

/** Position of the largest element of an axis, the first of equal ones (or the first NaN), as an int32 tensor. */
export function argmax(x: Tensor, axis: number, options: ReduceOptions = {}): Tensor {
  const positive = axis < 0 ? axis + x.rank : axis;
  return argmaxOp([x], { axis: positive, keepDims: options.keepDims ?? false });
}

declare module '../tensor/tensor.js' {
  interface Tensor {
    /** Position of the largest element of an axis, as int32. */
    argmax(axis: number, options?: ReduceOptions): Tensor;
  }
}

installMethods({
  argmax(axis: number, options?: ReduceOptions) {
    return argmax(this, axis, options);
  },
});
