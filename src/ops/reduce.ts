/** Reductions over axes, and the running sum. */
import { forEachIndex, ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Emitter, Value } from '../tensor/op.js';
import {
  at,
  elementCount,
  normalizeAxes,
  offsetOf,
  reducedShape,
  stridesOf,
  type Shape,
} from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { defineOp, shapeError, type OpFunction } from './define.js';
import { mapBroadcast } from './elementwise.js';
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
  const strides = reducedStrides(x.shape, axes);
  forEachIndex(x.shape, (index, flat) => {
    const to = offsetOf(index, strides);
    out.data[to] = combine(at(out.data, to), at(x.data, flat));
  });
  return out;
}

/** Strides of what is left when `axes` are reduced away; 0 along these. */
export function reducedStrides(shape: Shape, axes: readonly number[]): number[] {
  const strides = stridesOf(reducedShape(shape, axes, true));
  return strides.map((stride, axis) => (axes.includes(axis) ? 0 : stride));
}

/** The shape rule of an op along one axis that keeps the shape. */
function alongAxis(x: Tensor, axis: number): Shape | string {
  return axis >= 0 && axis < x.rank ? x.shape : `It has no axis ${axis}.`;
}

/** A negative axis counts from the end. */
const positiveAxis = (x: Tensor, axis: number) => (axis < 0 ? axis + x.rank : axis);

/** Brings a reduced tensor back to the rank of what it was reduced from, so that it broadcasts. */
function keepRank(reduced: Tensor, source: Tensor, axes: readonly number[]): Tensor {
  return reduced.reshape(reducedShape(source.shape, axes, true));
}

type Axes = number | readonly number[];

/** A reduction over axes, with the op that it adds to the graph. */
export interface Reduction {
  (x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor;
  readonly op: OpFunction<'x', ReduceAttributes>;
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
): Reduction {
  const op = defineOp(name, {
    inputs: ['x'],
    shape: ({ x }, { axes, keepDims }: ReduceAttributes) => reducedShape(x.shape, axes, keepDims),
    gradient: ({ x }, { attributes: { axes }, output, upstream }) => {
      const count = elementCount(axes.map((axis) => x.dim(axis)));
      const [y, g] = [keepRank(output, x, axes), keepRank(upstream, x, axes)];
      return { x: rule.gradient({ x, y, g, count }) };
    },
    lower: ({ x }, { emit, attributes, tensors }) => {
      if (onnx === 'ReduceSum' || onnx === 'ReduceMean') {
        return lowerSum(emit, onnx, x, tensors.x.shape, attributes);
      }
      const options = { axes: attributes.axes, keepdims: Number(attributes.keepDims) };
      return keepNaN(emit, emit.node(onnx, [x], options), x, tensors.x, (flags) =>
        emit.node('ReduceMax', [flags], options),
      );
    },
    reference: ({ x }, { attributes: { axes }, node }) => {
      const out = reduceReference(x, axes, node.shape, rule.initial, rule.combine);
      const count = elementCount(axes.map((axis) => at(x.shape, axis)));
      const { finish } = rule;
      return finish
        ? ndarray(
            out.shape,
            out.data.map((v) => finish(v, count)),
          )
        : out;
    },
  });
  const apply = (x: Tensor, axes?: Axes, { keepDims = false }: ReduceOptions = {}): Tensor => {
    const list = normalizeAxes(typeof axes === 'number' ? [axes] : axes, x.rank);
    if (list === undefined) {
      throw shapeError(name, [x], `The axes ${JSON.stringify(axes)} are not distinct axes of it.`);
    }
    return list.length === 0 ? x : op({ x }, { axes: list, keepDims });
  };
  return Object.assign(apply, { op });
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

interface CumsumAttributes {
  readonly axis: number;
  readonly reverse: boolean;
}

const cumsumOp = defineOp('cumsum', {
  inputs: ['x'],
  shape: ({ x }, { axis }: CumsumAttributes) => alongAxis(x, axis),
  gradient: (_, { attributes: { axis, reverse }, upstream: g }) => ({
    x: cumsum(g, axis, { reverse: !reverse }),
  }),
  lower: ({ x }, { emit, attributes: { axis, reverse } }) =>
    emit.node('CumSum', [x, emit.constant([axis], [], 'int32')], { reverse: Number(reverse) }),
  reference: ({ x }, { attributes: { axis, reverse } }) => {
    const out = ndarray(x.shape, Float64Array.from(x.data));
    const strides = stridesOf(x.shape);
    const size = at(x.shape, axis);
    forEachIndex(x.shape.with(axis, 1), (index) => {
      let total = 0;
      for (let i = 0; i < size; i++) {
        const place = offsetOf(index.with(axis, reverse ? size - 1 - i : i), strides);
        total += at(x.data, place);
        out.data[place] = total;
      }
    });
    return out;
  },
});

/** Running sum along an axis, from its start or, reversed, from its end. */
export function cumsum(x: Tensor, axis: number, { reverse = false } = {}): Tensor {
  return cumsumOp({ x }, { axis: positiveAxis(x, axis), reverse });
}

interface AxisAttributes {
  readonly axis: number;
}

const maxFirstOp = defineOp('maxFirst', {
  inputs: ['x'],
  shape: ({ x }, { axis, keepDims }: AxisAttributes & { readonly keepDims: boolean }) =>
    axis >= 0 && axis < x.rank
      ? reducedShape(x.shape, [axis], keepDims)
      : `It has no axis ${axis}.`,
  gradient: ({ x }, { attributes: { axis }, output, upstream }) => {
    const hits = x.equal(keepRank(output, x, [axis])).cast('float32');
    // Of equal ones the first: hits ranked from the last place to the first, and the highest rank.
    // A running sum would find it too, but ONNX Runtime's is slower than all of this together.
    const size = x.dim(axis);
    const ranks = constant(
      Array.from({ length: size }, (_, i) => size - i),
      x.shape.map((_, i) => (i === axis ? size : 1)),
    );
    const ranked = hits.mul(ranks);
    const first = ranked.equal(max(ranked, [axis], { keepDims: true })).cast('float32');
    return { x: first.mul(keepRank(upstream, x, [axis])) };
  },
  lower: ({ x }, { emit, attributes: { axis, keepDims }, tensors }) => {
    const largest = (value: Value) =>
      emit.node('ReduceMax', [value], { axes: [axis], keepdims: Number(keepDims) });
    return keepNaN(emit, largest(x), x, tensors.x, largest);
  },
  reference: ({ x }, { attributes: { axis }, node }) =>
    reduceReference(x, [axis], node.shape, -Infinity, Math.max),
});

/**
 * Largest value of one axis (NaN if one is), as torch.max(dim): where several are equal, the first gets the whole gradient.
 */
export function maxFirst(
  x: Tensor,
  axis: number,
  { keepDims = false }: ReduceOptions = {},
): Tensor {
  return maxFirstOp({ x }, { axis: positiveAxis(x, axis), keepDims });
}

const softmaxOp = defineOp('softmax', {
  inputs: ['x'],
  shape: ({ x }, { axis }: AxisAttributes) => alongAxis(x, axis),
  gradient: (_, { attributes: { axis }, output: y, upstream: g }) => {
    const gy = g.mul(y);
    return { x: gy.sub(y.mul(sum(gy, axis, { keepDims: true }))) };
  },
  lower: ({ x }, { emit, attributes: { axis } }) => emit.node('Softmax', [x], { axis }),
  reference: ({ x }, { attributes: { axis } }) =>
    ndarray(x.shape, logSoftmaxReference(x, axis).data.map(Math.exp)),
});

/** e^x normalised to sum 1 along an axis. */
export function softmax(x: Tensor, axis: number): Tensor {
  return softmaxOp({ x }, { axis: positiveAxis(x, axis) });
}

/** WebGPU has no LogSoftmax kernel: there it is written out. */
function lowerLogSoftmax(emit: Emitter, x: Value, axis: number): Value {
  if (emit.provider !== 'webgpu') return emit.node('LogSoftmax', [x], { axis });
  const peak = emit.node('ReduceMax', [x], { axes: [axis], keepdims: 1 });
  const shifted = emit.node('Sub', [x, peak]);
  const total = emit.node(
    'ReduceSum',
    [emit.node('Exp', [shifted]), emit.constant([axis], [1], 'int64')],
    { keepdims: 1 },
  );
  return emit.node('Sub', [shifted, emit.node('Log', [total])]);
}

const logSoftmaxOp = defineOp('logSoftmax', {
  inputs: ['x'],
  shape: ({ x }, { axis }: AxisAttributes) => alongAxis(x, axis),
  gradient: (_, { attributes: { axis }, output: y, upstream: g }) => ({
    x: g.sub(y.exp().mul(sum(g, axis, { keepDims: true }))),
  }),
  lower: ({ x }, { emit, attributes: { axis } }) => lowerLogSoftmax(emit, x, axis),
  reference: ({ x }, { attributes: { axis } }) => logSoftmaxReference(x, axis),
});

function logSoftmaxReference(x: NdArray, axis: number): NdArray {
  const reduced = reducedShape(x.shape, [axis], true);
  const peak = reduceReference(x, [axis], reduced, -Infinity, Math.max);
  const shifted = mapBroadcast(x.shape, [x, peak], (v, largest) => v - largest);
  const total = reduceReference(shifted, [axis], reduced, 0, (sofar, v) => sofar + Math.exp(v));
  return mapBroadcast(x.shape, [shifted, total], (v, sofar) => v - Math.log(sofar));
}

/** Logarithm of the softmax along an axis, computed without overflow. */
export function logSoftmax(x: Tensor, axis: number): Tensor {
  return logSoftmaxOp({ x }, { axis: positiveAxis(x, axis) });
}

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
