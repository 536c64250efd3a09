/** Ops that keep every element: reshape, transpose, concat. */
import { forEachIndex, ndarray } from '../tensor/ndarray.js';
import {
  at,
  elementCount,
  formatShape,
  offsetOf,
  sameShape,
  stridesOf,
  type Shape,
} from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { defineOp } from './define.js';

const reshapeOp = defineOp('reshape', {
  inputs: ['x'],
  shape: ({ x }, { to }: { readonly to: Shape }) =>
    // Sizes are checked one by one: [4, 1.5] and [-2, -3] have six elements too.
    x.size === elementCount(to) && to.every((size) => Number.isInteger(size) && size > 0)
      ? to
      : `Its ${x.size} elements do not fill ${formatShape(to)}.`,
  gradient: ({ x }, { upstream: g }) => ({ x: reshape(g, x.shape) }),
  lower: ({ x }, { emit, attributes: { to } }) =>
    emit.node('Reshape', [x, emit.constant(to, [to.length], 'int64')]),
  reference: ({ x }, { attributes: { to } }) => ndarray(to, x.data),
});

/** The same elements in row-major order under another shape; one size may be -1 and is worked out. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = elementCount(shape.filter((size) => size !== -1));
  const to = shape.map((size) => (size === -1 ? x.size / known : size));
  return sameShape(x.shape, to) ? x : reshapeOp({ x }, { to });
}

const transposeOp = defineOp('transpose', {
  inputs: ['x'],
  shape: ({ x }, { order }: { readonly order: readonly number[] }) => {
    const complete = x.shape.every((_, axis) => order.includes(axis));
    return complete && order.length === x.rank
      ? order.map((axis) => x.dim(axis))
      : `The order [${order.join(', ')}] does not name each of its ${x.rank} axes once.`;
  },
  gradient: (_, { attributes: { order }, upstream: g }) => {
    const inverse = order.map((_, axis) => order.indexOf(axis));
    return { x: transpose(g, inverse) };
  },
  lower: ({ x }, { emit, attributes: { order } }) => emit.node('Transpose', [x], { perm: order }),
  reference: ({ x }, { attributes: { order }, node }) => {
    const out = ndarray(node.shape);
    const own = stridesOf(x.shape);
    const strides = order.map((source) => at(own, source));
    forEachIndex(node.shape, (index, flat) => {
      out.data[flat] = at(x.data, offsetOf(index, strides));
    });
    return out;
  },
});

/** Axes in a new order: axis i of the result is axis `order[i]` of x. */
export function transpose(x: Tensor, order: readonly number[]): Tensor {
  const positive = order.map((axis) => (axis < 0 ? axis + x.rank : axis));
  if (positive.length === x.rank && positive.every((axis, i) => axis === i)) return x;
  return transposeOp({ x }, { order: positive });
}

const concatOp = defineOp('concat', {
  inputs: ['...tensors'],
  shape: ({ tensors }, { axis }: { readonly axis: number }) => {
    const [first] = tensors;
    if (first === undefined) return 'At least one tensor is needed.';
    const fits = tensors.every(
      (x) =>
        x.rank === first.rank && x.shape.every((size, i) => i === axis || size === first.shape[i]),
    );
    if (!fits || axis < 0 || axis >= first.rank) {
      return `All sizes but that of axis ${axis} must be equal.`;
    }
    if (tensors.some((x) => x.dtype !== first.dtype)) return 'All must have one type.';
    const total = tensors.reduce((sum, x) => sum + x.dim(axis), 0);
    return first.shape.with(axis, total);
  },
  gradient: ({ tensors }, { attributes: { axis }, upstream: g }) => {
    let start = 0;
    const pieces = tensors.map((x) => {
      const from = start;
      start += x.dim(axis);
      return g.slice(axis, from, start);
    });
    return { tensors: pieces };
  },
  lower: ({ tensors }, { emit, attributes: { axis } }) => emit.node('Concat', tensors, { axis }),
  reference: ({ tensors }, { attributes: { axis }, node }) => {
    const out = ndarray(node.shape);
    const inner = elementCount(node.shape.slice(axis + 1));
    const outer = elementCount(node.shape.slice(0, axis));
    const row = inner * node.dim(axis);
    let offset = 0;
    for (const { data, shape } of tensors) {
      const width = inner * at(shape, axis);
      for (let o = 0; o < outer; o++) {
        out.data.set(data.subarray(o * width, (o + 1) * width), o * row + offset);
      }
      offset += width;
    }
    return out;
  },
});

/** Tensors one after the other along an axis. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const [first] = tensors;
  if (first !== undefined && tensors.length === 1) return first;
  return concatOp({ tensors }, { axis: axis < 0 ? axis + (first?.rank ?? 0) : axis });
}

/** Tensors of one shape, stacked along a new axis. */
export function stack(tensors: readonly Tensor[], axis: number): Tensor {
  return concat(
    tensors.map((x) => {
      const at = axis < 0 ? axis + x.rank + 1 : axis;
      return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
    }),
    axis,
  );
}

declare module '../tensor/tensor.js' {
  interface Tensor {
    /** The same elements under another shape; one size may be -1. */
    reshape(shape: Shape): Tensor;
    /** Merges axes `start` to `end` (inclusive, defaults 1 and the last) into one. */
    flatten(start?: number, end?: number): Tensor;
    /** Axes in a new order. */
    transpose(order: readonly number[]): Tensor;
    /** Two axes exchanged; the last two unless said otherwise. */
    swapAxes(a?: number, b?: number): Tensor;
    /** A new axis of size 1. */
    unsqueeze(axis: number): Tensor;
    /** An axis of size 1 removed. */
    squeeze(axis: number): Tensor;
  }
}

installMethods({
  reshape(shape: Shape) {
    return reshape(this, shape);
  },
  flatten(start = 1, end = -1) {
    const last = end < 0 ? end + this.rank : end;
    const merged = elementCount(this.shape.slice(start, last + 1));
    return reshape(this, [...this.shape.slice(0, start), merged, ...this.shape.slice(last + 1)]);
  },
  transpose(order: readonly number[]) {
    return transpose(this, order);
  },
  swapAxes(a = -2, b = -1) {
    const [first, second] = [a < 0 ? a + this.rank : a, b < 0 ? b + this.rank : b];
    return transpose(
      this,
      this.shape.map((_, axis) => (axis === first ? second : axis === second ? first : axis)),
    );
  },
  unsqueeze(axis: number) {
    const at = axis < 0 ? axis + this.rank + 1 : axis;
    return reshape(this, [...this.shape.slice(0, at), 1, ...this.shape.slice(at)]);
  },
  squeeze(axis: number) {
    const at = axis < 0 ? axis + this.rank : axis;
    return reshape(
      this,
      this.shape.filter((_, i) => i !== at),
    );
  },
});
