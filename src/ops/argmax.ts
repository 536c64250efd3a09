/** Positions of largest elements. */
import { forEachIndex, ndarray } from '../tensor/ndarray.js';
import { at, offsetOf, reducedShape } from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { defineOp } from './define.js';
import { withNaNOnTop } from './nan.js';
import { reducedStrides, type ReduceOptions } from './reduce.js';

interface ArgmaxAttributes {
  readonly axis: number;
  readonly keepDims: boolean;
}

const argmaxOp = defineOp('argmax', {
  inputs: ['x'],
  shape: ({ x }, { axis, keepDims }: ArgmaxAttributes) =>
    axis >= 0 && axis < x.rank
      ? reducedShape(x.shape, [axis], keepDims)
      : `It has no axis ${axis}.`,
  dtype: 'int32',
  gradient: null,
  lower: ({ x }, { emit, attributes: { axis, keepDims }, tensors }) => {
    const ordered = withNaNOnTop(emit, x, tensors.x);
    const positions = emit.node('ArgMax', [ordered], { axis, keepdims: Number(keepDims) });
    return emit.node('Cast', [positions], { to: 6 });
  },
  reference: ({ x }, { attributes: { axis }, node }) => {
    const out = ndarray(node.shape);
    const strides = reducedStrides(x.shape, [axis]);
    const best = new Float64Array(node.size).fill(-Infinity);
    forEachIndex(x.shape, (index, flat) => {
      const to = offsetOf(index, strides);
      const [value, sofar] = [at(x.data, flat), at(best, to)];
      if (value <= sofar || Number.isNaN(sofar)) return;
      best[to] = value;
      out.data[to] = at(index, axis);
    });
    return out;
  },
});

/** Position of the largest element of an axis, the first of equal ones (or the first NaN), as an int32 tensor. */
export function argmax(x: Tensor, axis: number, options: ReduceOptions = {}): Tensor {
  const positive = axis < 0 ? axis + x.rank : axis;
  return argmaxOp({ x }, { axis: positive, keepDims: options.keepDims ?? false });
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
