/** Reductions over axes, and the running sum. */
import { forEachIndex, ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Emitter, Provider, Value } from '../tensor/op.js';
import {
  elementCount,
  normalizeAxes,
  reducedShape,
  stridesOf,
  type Shape,
} from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { defineOp, shapeError } from './define.js';
import { constant } from './leaf.js';
import { keepNaN } from './nan.js';
import { lowerSum } from './sum-lowering.js';

/** Which axes to reduce (all of them if none are given) and whether to keep them with size 1. */
export interface ReduceOptions {
  /** Keep reduced axes with size 1. Default false. */
  readonly keepDims?: boolean;
}

interface ReduceAttributes {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

function reduceReference(
  x: NdArray,
  axes: readonly number[],
  shape: Shape,
  initial: number,
  combine: (total: number, value: number) => number,
): NdArray {
  const out = ndarray(shape);
  out.data.fill(initial);
  const kept = reducedShape(x.shape, axes, true);
  const strides = stridesOf(kept);
  forEachIndex(x.shape, (index, flat) => {
    let to = 0;
    for (let axis = 0; axis < index.length; axis++) {
      if (!axes.includes(axis)) to += (index[axis] ?? 0) * (strides[axis] ?? 0);
    }
    out.data[to] = combine(out.data[to] ?? NaN, x.data[flat] ?? NaN);
  });
  return out;
}

/** Brings a reduced tensor back to the rank of what it was reduced from, so that it broadcasts. */
function keepRank(reduced: Tensor, source: Tensor, axes: readonly number[]): Tensor {
  return reduced.reshape(reducedShape(source.shape, axes, true));
}

function reduction(
  name: string,
  onnx: 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin',
  rule: {
    initial: number;
    combine: (total: number, value: number) => number;
    gradient: (context: { x: Tensor; y: Tensor; g: Tensor; count: number }) => Tensor;
    finish?: (total: number, count: number) => number;
  },
) {
  const op = defineOp<ReduceAttributes>(name, {
    shape: ([x], { axes, keepDims }) => (x ? reducedShape(x.shape, axes, keepDims) : []),
    gradient: ({ inputs: [x], attributes: { axes }, output, upstream }) => {
      if (x === undefined) return [];
      const count = elementCount(axes.map((axis) => x.dim(axis)));
      const y = keepRank(output, x, axes);
      const g = keepRank(upstream, x, axes);
      return [rule.gradient({ x, y, g, count })];
    },
    lower: ({ emit, inputs: [x = ''], attributes, node }) => {
      if (onnx === 'ReduceSum' || onnx === 'ReduceMean') {
        return lowerSum(emit, onnx, x, node.inputs[0]?.shape ?? [], attributes);
      }
      const options = { axes: attributes.axes, keepdims: Number(attributes.keepDims) };
      return keepNaN(emit, emit.node(onnx, [x], options), x, node, (flags) =>
        emit.node('ReduceMax', [flags], options),
      );
    },
    reference: ({ inputs: [x], attributes: { axes }, node }) => {
      if (x === undefined) return ndarray(node.shape);
      const out = reduceReference(x, axes, node.shape, rule.initial, rule.combine);
      const count = elementCount(axes.map((axis) => x.shape[axis] ?? 1));
      const { finish } = rule;
      return finish
        ? ndarray(
            out.shape,
            out.data.map((v) => finish(v, count)),
          )
        : out;
    },
  });
  return (x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor => {
    const list = normalizeAxes(typeof axes === 'number' ? [axes] : axes, x.rank);
    if (list === undefined) {
      throw shapeError(name, [x], `The axes ${JSON.stringify(axes)} are not distinct axes of it.`);
    }
    return list.length === 0 ? x : op([x], { axes: list, keepDims: options.keepDims ?? false });
  };
}

/** Sum over axes. */
export const sum = reduction('sum', 'ReduceSum', {
  initial: 0,
  combine: (total, v) => total + v,
  gradient: ({ x, g }) => g.expand(x.shape),
});

/** Mean over axes. */
export const mean = reduction('mean', 'ReduceMean', {
  initial: 0,
  combine: (total, v) => total + v,
  finish: (total, count) => total / count,
  gradient: ({ x, g, count }) => g.div(count).expand(x.shape),
});

function shareAmongEqual({ x, y, g }: { x: Tensor; y: Tensor; g: Tensor }): Tensor {
  const hits = x.equal(y).cast('float32');
  const axes = x.shape.flatMap((size, axis) => (y.dim(axis) === size ? [] : [axis]));
  return hits.mul(g.div(sum(hits, axes, { keepDims: true })));
}

/** Largest value over axes, NaN if one is; equal ones share the gradient evenly (as torch.amax). */
export const max = reduction('max', 'ReduceMax', {
  initial: -Infinity,
  combine: Math.max,
  gradient: shareAmongEqual,
});

/** Smallest value over axes, NaN if one is; equal ones share the gradient evenly (as torch.amin). */
export const min = reduction('min', 'ReduceMin', {
  initial: Infinity,
  combine: Math.min,
  gradient: shareAmongEqual,
});

const cumsumOp = defineOp<{ readonly axis: number; readonly reverse: boolean }>('cumsum', {
  shape: ([x], { axis }) => (x && axis >= 0 && axis < x.rank ? x.shape : `It has no axis ${axis}.`),
  gradient: ({ attributes: { axis, reverse }, upstream: g }) => [
    cumsum(g, axis, { reverse: !reverse }),
  ],
  lower: ({ emit, inputs: [x = ''], attributes: { axis, reverse } }) =>
    emit.node('CumSum', [x, emit.constant([axis], [], 'int32')], { reverse: Number(reverse) }),
  reference: ({ inputs: [x], attributes: { axis, reverse }, node }) => {
    const out = ndarray(node.shape, Float64Array.from(x?.data ?? []));
    const stride = stridesOf(node.shape)[axis] ?? 1;
    const size = node.shape[axis] ?? 1;
    const step = reverse ? -1 : 1;
    forEachIndex(
      node.shape.map((own, i) => (i === axis ? 1 : own)),
      (index) => {
        const own = stridesOf(node.shape);
        const base = index.reduce((total, position, i) => total + position * (own[i] ?? 0), 0);
        let total = 0;
        for (let i = reverse ? size - 1 : 0; i >= 0 && i < size; i += step) {
          total += out.data[base + i * stride] ?? NaN;
          out.data[base + i * stride] = total;
        }
      },
    );
    return out;
  },
});

/** Running sum along an axis, from its start or, reversed, from its end. */
export function cumsum(x: Tensor, axis: number, { reverse = false } = {}): Tensor {
  return cumsumOp([x], { axis: axis < 0 ? axis + x.rank : axis, reverse });
}

/**
 * Largest value of one axis (NaN if one is), as torch.max(dim): where several are equal, the first gets the whole gradient.
 */
export function maxFirst(x: Tensor, axis: number, options: ReduceOptions = {}): Tensor {
  const at = axis < 0 ? axis + x.rank : axis;
  return maxFirstOp([x], { axes: [at], keepDims: options.keepDims ?? false });
}

const maxFirstOp = defineOp<ReduceAttributes>('maxFirst', {
  shape: ([x], { axes, keepDims }) =>
    x && axes.every((axis) => axis >= 0 && axis < x.rank)
      ? reducedShape(x.shape, axes, keepDims)
      : `It has no axis ${axes.join(', ')}.`,
  gradient: ({ inputs: [x], attributes: { axes }, output, upstream }) => {
    const [axis] = axes;
    if (x === undefined || axis === undefined) return [];
    const hits = x.equal(keepRank(output, x, axes)).cast('float32');
    // Of equal ones the first: hits ranked from the last place to the first, and the highest rank.
    // A running sum would find it too, but ONNX Runtime's is slower than all of this together.
    const size = x.dim(axis);
    const ranks = constant(
      Array.from({ length: size }, (_, i) => size - i),
      x.shape.map((_, i) => (i === axis ? size : 1)),
    );
    const ranked = hits.mul(ranks);
    const first = ranked.equal(max(ranked, [axis], { keepDims: true })).cast('float32');
    return [first.mul(keepRank(upstream, x, axes))];
  },
  lower: ({ emit, inputs: [x = ''], attributes: { axes, keepDims }, node }) => {
    const largest = (value: Value) =>
      emit.node('ReduceMax', [value], { axes, keepdims: Number(keepDims) });
    return keepNaN(emit, largest(x), x, node, largest);
  },
  reference: ({ inputs: [x], attributes: { axes }, node }) =>
    x ? reduceReference(x, axes, node.shape, -Infinity, Math.max) : ndarray(node.shape),
});

const softmaxOp = defineOp<{ readonly axis: number }>('softmax', {
  shape: ([x], { axis }) => (x && axis >= 0 && axis < x.rank ? x.shape : `It has no axis ${axis}.`),
  gradient: ({ attributes: { axis }, output: y, upstream: g }) => {
    const gy = g.mul(y);
    return [gy.sub(y.mul(sum(gy, axis, { keepDims: true })))];
  },
  lower: ({ emit, inputs, attributes: { axis } }) => emit.node('Softmax', inputs, { axis }),
  reference: ({ inputs: [x], attributes: { axis }, node }) => {
    const logs = logSoftmaxReference(x ?? ndarray(node.shape), axis);
    return ndarray(node.shape, logs.data.map(Math.exp));
  },
});

/** e^x normalised to sum 1 along an axis. */
export function softmax(x: Tensor, axis: number): Tensor {
  return softmaxOp([x], { axis: axis < 0 ? axis + x.rank : axis });
}

/** WebGPU has no LogSoftmax kernel: there it is written out. */
function lowerLogSoftmax(emit: Emitter, x: Value, axis: number): Value {
  const decomposed: readonly Provider[] = ['webgpu'];
  if (!decomposed.includes(emit.provider)) return emit.node('LogSoftmax', [x], { axis });
  const peak = emit.node('ReduceMax', [x], { axes: [axis], keepdims: 1 });
  const shifted = emit.node('Sub', [x, peak]);
  const total = emit.node(
    'ReduceSum',
    [emit.node('Exp', [shifted]), emit.constant([axis], [1], 'int64')],
    { keepdims: 1 },
  );
  return emit.node('Sub', [shifted, emit.node('Log', [total])]);
}

const logSoftmaxOp = defineOp<{ readonly axis: number }>('logSoftmax', {
  shape: ([x], { axis }) => (x && axis >= 0 && axis < x.rank ? x.shape : `It has no axis ${axis}.`),
  gradient: ({ attributes: { axis }, output: y, upstream: g }) => [
    g.sub(y.exp().mul(sum(g, axis, { keepDims: true }))),
  ],
  lower: ({ emit, inputs: [x = ''], attributes: { axis } }) => lowerLogSoftmax(emit, x, axis),
  reference: ({ inputs: [x], attributes: { axis }, node }) =>
    logSoftmaxReference(x ?? ndarray(node.shape), axis),
});

function logSoftmaxReference(x: NdArray, axis: number): NdArray {
  const keptShape = reducedShape(x.shape, [axis], true);
  const peak = reduceReference(x, [axis], keptShape, -Infinity, Math.max);
  const strides = stridesOf(keptShape);
  const at = (index: readonly number[]) =>
    index.reduce((to, position, i) => to + (i === axis ? 0 : position * (strides[i] ?? 0)), 0);
  const total = ndarray(keptShape);
  forEachIndex(x.shape, (index, flat) => {
    const to = at(index);
    total.data[to] =
      (total.data[to] ?? 0) + Math.exp((x.data[flat] ?? NaN) - (peak.data[to] ?? NaN));
  });
  const out = ndarray(x.shape);
  forEachIndex(x.shape, (index, flat) => {
    const to = at(index);
    out.data[flat] =
      (x.data[flat] ?? NaN) - (peak.data[to] ?? NaN) - Math.log(total.data[to] ?? NaN);
  });
  return out;
}

/** Logarithm of the softmax along an axis, computed without overflow. */
export function logSoftmax(x: Tensor, axis: number): Tensor {
  return logSoftmaxOp([x], { axis: axis < 0 ? axis + x.rank : axis });
}

type Axes = number | readonly number[];

declare module '../tensor/tensor.js' {
  interface Tensor {
    /** Sum over axes (all by default). */
    sum(axes?: Axes, options?: ReduceOptions): Tensor;
    /** Mean over axes (all by default). */
    mean(axes?: Axes, options?: ReduceOptions): Tensor;
    /** Largest value over axes; equal ones share the gradient. */
    max(axes?: Axes, options?: ReduceOptions): Tensor;
    /** Smallest value over axes; equal ones share the gradient. */
    min(axes?: Axes, options?: ReduceOptions): Tensor;
    /** Largest value of one axis; the first of equal ones gets the gradient. */
    maxFirst(axis: number, options?: ReduceOptions): Tensor;
    /** Running sum along an axis. */
    cumsum(axis: number, options?: { reverse?: boolean }): Tensor;
    /** e^x normalised to sum 1 along an axis. */
    softmax(axis: number): Tensor;
    /** Logarithm of the softmax. */
    logSoftmax(axis: number): Tensor;
  }
}

installMethods({
  sum(axes?: Axes, options?: ReduceOptions) {
    return sum(this, axes, options);
  },
  mean(axes?: Axes, options?: ReduceOptions) {
    return mean(this, axes, options);
  },
  max(axes?: Axes, options?: ReduceOptions) {
    return max(this, axes, options);
  },
  min(axes?: Axes, options?: ReduceOptions) {
    return min(this, axes, options);
  },
  maxFirst(axis: number, options?: ReduceOptions) {
    return maxFirst(this, axis, options);
  },
  cumsum(axis: number, options?: { reverse?: boolean }) {
    return cumsum(this, axis, options);
  },
  softmax(axis: number) {
    return softmax(this, axis);
  },
  logSoftmax(axis: number) {
    return logSoftmax(this, axis);
  },
});
