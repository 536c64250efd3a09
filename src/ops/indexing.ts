/** Ops that take or place elements by position: slice, pad, dilate, gather. */
import { forEachIndex, ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Emitter, Value } from '../tensor/op.js';
import { at, elementCount, offsetOf, stridesOf, type Shape } from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { addWeight, axisMap, mapAxis } from './axis-map.js';
import { defineOp, shapeError, type OpFunction } from './define.js';

export interface SliceAttributes {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** The op of {@link slice}. */
export const sliceOp = defineOp('slice', {
  inputs: ['x'],
  shape: ({ x }, { axis, start, end, step }: SliceAttributes) => {
    const size = x.shape[axis];
    if (size === undefined) return `It has no axis ${axis}.`;
    const whole = [start, end, step].every(Number.isInteger);
    if (!(whole && start >= 0 && start < end && end <= size && step >= 1)) {
      return `The range ${start} to ${end} by ${step} does not lie within axis ${axis} of size ${size}.`;
    }
    return x.shape.with(axis, Math.ceil((end - start) / step));
  },
  gradient: ({ x }, { attributes: { axis, start, step }, upstream: g }) => ({
    x: unsliceOp({ x: g }, { axis, start, step, size: x.dim(axis) }),
  }),
  lower: ({ x }, { emit, attributes: { axis, start, end, step } }) => {
    const vector = (value: number) => emit.constant([value], [1], 'int64');
    return emit.node('Slice', [x, vector(start), vector(end), vector(axis), vector(step)]);
  },
  reference: ({ x }, { attributes: { axis, start, step }, node }) => {
    const indices = Array.from({ length: node.dim(axis) }, (_, i) => start + i * step);
    return gatherReference(x, axis, indices, node.shape);
  },
});

/** Elements `start` up to, not including, `end` of one axis, every `step`-th. Negative bounds count from the end. */
export function slice(x: Tensor, axis: number, start: number, end = x.dim(axis), step = 1): Tensor {
  const size = x.dim(axis);
  const from = start < 0 ? start + size : start;
  const to = end < 0 ? end + size : end;
  if (from === 0 && to === size && step === 1) return x;
  return sliceOp({ x }, { axis: axis < 0 ? axis + x.rank : axis, start: from, end: to, step });
}

/** One element of an axis, with the axis removed. */
export function select(x: Tensor, axis: number, index: number): Tensor {
  const removed = axis < 0 ? axis + x.rank : axis;
  const one = slice(x, removed, index, index === -1 ? x.dim(removed) : index + 1);
  return one.reshape(x.shape.filter((_, i) => i !== removed));
}

/**
 * Pieces of the given sizes along an axis; or all of one size, but for the last, which holds what is left.
 * @throws ShapeError if the sizes do not add up to the axis
 */
export function split(x: Tensor, axis: number, sizes: number | readonly number[]): Tensor[] {
  const size = x.dim(axis);
  const list =
    typeof sizes === 'number'
      ? Array.from({ length: Math.ceil(size / sizes) }, (_, i) => Math.min(sizes, size - i * sizes))
      : sizes;
  if (list.reduce((a, b) => a + b, 0) !== size) {
    const given = `Pieces of [${list.join(', ')}] do not add up`;
    throw shapeError('split', [x], `${given} to axis ${axis} of size ${size}.`);
  }
  let start = 0;
  return list.map((length) => {
    const from = start;
    start += length;
    return slice(x, axis, from, start);
  });
}

interface PadAttributes {
  readonly axis: number;
  readonly before: number;
  readonly after: number;
  readonly value: number;
}

const padOp = defineOp('pad', {
  inputs: ['x'],
  shape: ({ x }, { axis, before, after }: PadAttributes) => {
    const size = x.shape[axis];
    if (size === undefined) return `It has no axis ${axis}.`;
    if (![before, after].every((count) => Number.isInteger(count) && count >= 0)) {
      return `Padding must be whole numbers of at least 0, not ${before} and ${after}.`;
    }
    return x.shape.with(axis, size + before + after);
  },
  gradient: ({ x }, { attributes: { axis, before }, upstream: g }) => ({
    x: slice(g, axis, before, before + x.dim(axis)),
  }),
  lower: ({ x }, { emit, attributes: { axis, before, after, value }, node }) => {
    const pads = new Array<number>(2 * node.rank).fill(0);
    pads[axis] = before;
    pads[node.rank + axis] = after;
    return emit.node('Pad', [
      x,
      emit.constant(pads, [pads.length], 'int64'),
      emit.constant([value], [], node.dtype),
    ]);
  },
  reference: ({ x }, { attributes: { axis, before, value }, node }) => {
    const size = at(x.shape, axis);
    const indices = Array.from({ length: node.dim(axis) }, (_, i) =>
      i >= before && i < before + size ? i - before : -1,
    );
    return gatherReference(x, axis, indices, node.shape, value);
  },
});

/** Adds `before` and `after` elements of one value at the ends of an axis. */
export function pad(x: Tensor, axis: number, before: number, after: number, value = 0): Tensor {
  if (before === 0 && after === 0) return x;
  return padOp({ x }, { axis: axis < 0 ? axis + x.rank : axis, before, after, value });
}

export interface UnsliceAttributes {
  readonly axis: number;
  readonly start: number;
  readonly step: number;
  /** Of the axis afterwards. */
  readonly size: number;
}

/** The adjoint of slice: elements go to every `step`-th place of an axis of zeros, from `start` on. */
export const unsliceOp: OpFunction<'x', UnsliceAttributes> = defineOp('unslice', {
  inputs: ['x'],
  shape: ({ x }, { axis, size }) => x.shape.with(axis, size),
  gradient: ({ x }, { attributes: { axis, start, step }, upstream: g }) => ({
    x: slice(g, axis, start, start + (x.dim(axis) - 1) * step + 1, step),
  }),
  lower: ({ x }, { emit, attributes, tensors, node }) =>
    emit.node('Reshape', [
      lowerUnslice(emit, x, tensors.x.shape, attributes),
      emit.constant(node.shape, [node.rank], 'int64'),
    ]),
  reference: ({ x }, { attributes: { axis, start, step, size }, node }) => {
    const indices = Array.from({ length: size }, (_, i) => {
      const from = (i - start) / step;
      return Number.isInteger(from) && from >= 0 && from < at(x.shape, axis) ? from : -1;
    });
    return gatherReference(x, axis, indices, node.shape);
  },
});

/** Writes {@link unsliceOp} for a value whose memory has the given shape; the result's is one row per outer index. */
export function lowerUnslice(
  emit: Emitter,
  x: Value,
  shape: Shape,
  { axis, start, step, size }: UnsliceAttributes,
): Value {
  const outer = elementCount(shape.slice(0, axis));
  const count = at(shape, axis);
  const inner = elementCount(shape.slice(axis + 1));
  const int64 = (values: readonly number[]) => emit.constant(values, [values.length], 'int64');
  const zeros = (value: Value, before: number, after: number) =>
    before === 0 && after === 0
      ? value
      : emit.node('Pad', [value, int64([0, before, 0, after]), emit.constant([0], [], 'float32')]);
  const elements = emit.node('Reshape', [x, int64([outer * count, inner])]);
  const spread = zeros(elements, 0, (step - 1) * inner);
  const row = emit.node('Reshape', [spread, int64([outer, count * step * inner])]);
  const rest = size - start - count * step;
  const cut =
    rest >= 0
      ? row
      : emit.node('Slice', [row, int64([0]), int64([(size - start) * inner]), int64([1])]);
  return zeros(cut, start * inner, Math.max(rest, 0) * inner);
}

/**
 * Puts `step - 1` zeros between neighbours of an axis: the adjoint of taking every step-th element.
 * [.., n, ..] -> [.., (n - 1) * step + 1, ..]
 */
export function dilate(x: Tensor, axis: number, step: number): Tensor {
  const n = x.dim(axis);
  if (step === 1 || n === 1) return x;
  const positive = axis < 0 ? axis + x.rank : axis;
  return unsliceOp({ x }, { axis: positive, start: 0, step, size: (n - 1) * step + 1 });
}

interface GatherAttributes {
  readonly axis: number;
  readonly indices: readonly number[];
}

const gatherOp = defineOp('gather', {
  inputs: ['x'],
  shape: ({ x }, { axis, indices }: GatherAttributes) => {
    const size = x.shape[axis];
    if (size === undefined) return `It has no axis ${axis}.`;
    const bad = indices.find((i) => !Number.isInteger(i) || i < 0 || i >= size);
    if (bad !== undefined) return `The index ${bad} is not within axis ${axis} of size ${size}.`;
    return x.shape.with(axis, indices.length);
  },
  // Scattering back is a product with the transposed selection matrix: the same on every device.
  gradient: ({ x }, { attributes: { axis, indices }, upstream: g }) => {
    const scatter = axisMap(x.dim(axis), indices.length, 'scatter');
    for (const [from, to] of indices.entries()) addWeight(scatter, to, from, 1);
    return { x: mapAxis(g, axis, scatter) };
  },
  lower: ({ x }, { emit, attributes: { axis, indices } }) =>
    emit.node('Gather', [x, emit.constant(indices, [indices.length], 'int64')], { axis }),
  reference: ({ x }, { attributes: { axis, indices }, node }) =>
    gatherReference(x, axis, indices, node.shape),
});

/** Elements of an axis at fixed positions, which may repeat: axis `axis` gets the length of `indices`. */
export function gather(x: Tensor, axis: number, indices: readonly number[]): Tensor {
  return gatherOp({ x }, { axis: axis < 0 ? axis + x.rank : axis, indices });
}

/** An axis in reverse order. */
export function flip(x: Tensor, axis: number): Tensor {
  const size = x.dim(axis);
  return gather(
    x,
    axis,
    Array.from({ length: size }, (_, i) => size - 1 - i),
  );
}

/** Picks positions of an axis; -1 stands for `fill`. */
function gatherReference(
  x: NdArray,
  axis: number,
  indices: readonly number[],
  shape: Shape,
  fill = 0,
): NdArray {
  const out = ndarray(shape);
  const strides = stridesOf(x.shape);
  forEachIndex(shape, (index, flat) => {
    const from = at(indices, at(index, axis));
    out.data[flat] = from < 0 ? fill : at(x.data, offsetOf(index.with(axis, from), strides));
  });
  return out;
}

declare module '../tensor/tensor.js' {
  interface Tensor {
    /** A range of one axis. */
    slice(axis: number, start: number, end?: number, step?: number): Tensor;
    /** One element of an axis, the axis removed. */
    select(axis: number, index: number): Tensor;
    /** Pieces along an axis. */
    split(axis: number, sizes: number | readonly number[]): Tensor[];
    /** Elements added at the ends of an axis. */
    pad(axis: number, before: number, after: number, value?: number): Tensor;
    /** Elements of an axis at fixed positions. */
    gather(axis: number, indices: readonly number[]): Tensor;
    /** An axis in reverse order. */
    flip(axis: number): Tensor;
  }
}

installMethods({
  slice(axis: number, start: number, end?: number, step?: number) {
    return slice(this, axis, start, end, step);
  },
  select(axis: number, index: number) {
    return select(this, axis, index);
  },
  split(axis: number, sizes: number | readonly number[]) {
    return split(this, axis, sizes);
  },
  pad(axis: number, before: number, after: number, value?: number) {
    return pad(this, axis, before, after, value);
  },
  gather(axis: number, indices: readonly number[]) {
    return gather(this, axis, indices);
  },
  flip(axis: number) {
    return flip(this, axis);
  },
});
