/**
 * Maximum and average pooling in one, two or three dimensions.
 *
 * Letters: B batch, C channels, S spatial sizes, S' sizes after pooling.
 */
import { forEachIndex, ndarray } from '../tensor/ndarray.js';
import type { Value } from '../tensor/op.js';
import { at, elementCount, stridesOf, type Shape } from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { addWeight, axisMap, mapAxis, transposed, type AxisMap } from './axis-map.js';
import { defineOp } from './define.js';
import { add, where } from './elementwise.js';
import {
  checkPerAxis,
  checkWindow,
  perAxis,
  span,
  windowCounts,
  windowGeometry,
  type Padding,
  type PerAxis,
  type WindowGeometry,
} from './geometry.js';
import { dilate } from './indexing.js';
import { stack } from './movement.js';
import { keepNaN } from './nan.js';

export interface MaxPoolOptions {
  /** Default: the kernel, so that windows lie side by side. */
  readonly stride?: PerAxis;
  /** Elements added at both ends of each axis that never win, default 0; less than the kernel. */
  readonly padding?: Padding;
  /** Distance between the elements of a window, default 1. */
  readonly dilation?: PerAxis;
  /** Whether a last window counts that starts inside the input and ends past its padding. Default false. */
  readonly ceilMode?: boolean;
}

export interface AvgPoolOptions {
  /** Default: the kernel, so that windows lie side by side. */
  readonly stride?: PerAxis;
  /** Zeros added at both ends of each axis, default 0; less than the kernel. */
  readonly padding?: Padding;
  /** Whether the added zeros count in the averages. Default true, as in PyTorch. */
  readonly countIncludePad?: boolean;
  /** Whether a last window counts that starts inside the input and ends past its padding. Default false. */
  readonly ceilMode?: boolean;
}

interface PoolAttributes extends WindowGeometry {
  readonly kernel: readonly number[];
}

/** Positions along an axis that a window at output `o` covers; padding is left out. */
function covered(a: PoolAttributes, axis: number, o: number, size: number): number[] {
  const first = o * at(a.strides, axis) - at(a.padsBegin, axis);
  return Array.from(
    { length: at(a.kernel, axis) },
    (_, tap) => first + tap * at(a.dilations, axis),
  ).filter((position) => position >= 0 && position < size);
}

function poolShape(x: Tensor, a: PoolAttributes): Shape | string {
  if (x.rank < 3 || x.rank > 5) {
    return 'Expected an input [B, C, ..S] with one to three spatial axes.';
  }
  const axes = x.rank - 2;
  const problem = checkPerAxis('kernel', a.kernel, axes, 1) ?? checkWindow(a, axes);
  if (problem !== undefined) return problem;
  const tooWide = [...a.padsBegin, ...a.padsEnd].some((p, i) => p >= at(a.kernel, i % axes));
  if (tooWide) {
    return `The padding [${a.padsBegin.join(', ')}], [${a.padsEnd.join(', ')}] must be less than the kernel [${a.kernel.join(', ')}].`;
  }
  const spatial = x.shape.slice(2);
  const counts = windowCounts(spatial, a.kernel, a);
  if (counts.some((count) => count < 1)) {
    return `The kernel [${a.kernel.join(', ')}] is larger than the padded input.`;
  }
  const empty = counts.some((count, axis) =>
    Array.from({ length: count }, (_, o) => covered(a, axis, o, at(spatial, axis))).some(
      (positions) => positions.length === 0,
    ),
  );
  return empty
    ? `With dilation [${a.dilations.join(', ')}] some window would hold nothing but padding.`
    : [x.dim(0), x.dim(1), ...counts];
}

/** Visits every pair of an input element and a window that covers it, windows and elements in row-major order. */
function forEachMember(
  xShape: Shape,
  yShape: Shape,
  a: PoolAttributes,
  visit: (x: number, y: number) => void,
): void {
  const strides = stridesOf(xShape);
  forEachIndex(yShape, (y, yOffset) => {
    const windows = xShape.slice(2).map((size, axis) => covered(a, axis, at(y, axis + 2), size));
    forEachIndex(
      windows.map((positions) => positions.length),
      (index) => {
        let x = at(y, 0) * at(strides, 0) + at(y, 1) * at(strides, 1);
        for (const [axis, positions] of windows.entries()) {
          x += at(positions, at(index, axis)) * at(strides, axis + 2);
        }
        visit(x, yOffset);
      },
    );
  });
}

function onnxAttributes(a: PoolAttributes) {
  return { kernel_shape: a.kernel, strides: a.strides, pads: [...a.padsBegin, ...a.padsEnd] };
}

const maxPoolOp = defineOp('maxPool', {
  inputs: ['x'],
  shape: ({ x }, attributes: PoolAttributes) => poolShape(x, attributes),
  gradient: ({ x }, { attributes, output, upstream }) => ({
    x: maxPoolGradient(x, output, upstream, attributes),
  }),
  lower: ({ x }, { emit, attributes, tensors }) => {
    const largest = (value: Value) =>
      emit.node('MaxPool', [value], {
        ...onnxAttributes(attributes),
        dilations: attributes.dilations,
      });
    return keepNaN(emit, largest(x), x, tensors.x, largest);
  },
  reference: ({ x }, { attributes, node }) => {
    const y = ndarray(node.shape);
    y.data.fill(-Infinity);
    forEachMember(x.shape, y.shape, attributes, (from, to) => {
      y.data[to] = Math.max(at(y.data, to), at(x.data, from));
    });
    return y;
  },
});

/**
 * Sends each window's gradient to its first maximum. ONNX has the indices of MaxPool on the CPU
 * only, so the windows are walked tap by tap, in row-major order: a tap that equals the maximum
 * takes what is left of the gradient, and what every tap took goes back to where it was read.
 */
function maxPoolGradient(x: Tensor, y: Tensor, g: Tensor, a: PoolAttributes): Tensor {
  const axes = x.rank - 2;
  let left = g;
  const take = (taps: Tensor): Tensor => {
    const taken = where(taps.equal(y), left, 0);
    left = left.sub(taken);
    return taken;
  };
  /** The gradient of `source`, whose spatial axes before `axis` have been narrowed to one tap each. */
  const gradientOf = (source: Tensor, axis: number): Tensor => {
    if (axis === axes) return take(source);
    const reach = (y.dim(axis + 2) - 1) * at(a.strides, axis) + 1;
    const parts = Array.from({ length: at(a.kernel, axis) }, (_, tap) => {
      const start = tap * at(a.dilations, axis);
      return gradientOf(
        source.slice(axis + 2, start, start + reach, at(a.strides, axis)),
        axis + 1,
      );
    });
    return spreadTaps(parts, axis, source.dim(axis + 2), a);
  };
  let padded = x;
  for (let axis = 0; axis < axes; axis++) {
    padded = padded.pad(axis + 2, at(a.padsBegin, axis), at(a.padsEnd, axis), -Infinity);
  }
  let gradient = gradientOf(padded, 0);
  for (let axis = 0; axis < axes; axis++) {
    const start = at(a.padsBegin, axis);
    gradient = gradient.slice(axis + 2, start, start + x.dim(axis + 2));
  }
  return gradient;
}

/** Puts what each tap of an axis holds back where strided slices of an axis of `size` took it from. */
function spreadTaps(parts: readonly Tensor[], axis: number, size: number, a: PoolAttributes) {
  const spatial = axis + 2;
  const stride = at(a.strides, axis);
  const dilation = at(a.dilations, axis);
  if (stride === parts.length && dilation === 1) {
    // Windows side by side: the taps only have to be interleaved.
    const tiles = stack(parts, spatial + 1);
    const length = tiles.dim(spatial) * stride;
    const [head, tail] = [tiles.shape.slice(0, spatial), tiles.shape.slice(spatial + 2)];
    return tiles.reshape([...head, length, ...tail]).pad(spatial, 0, size - length);
  }
  return parts
    .map((part, tap) => {
      const spread = dilate(part, spatial, stride);
      const start = tap * dilation;
      return spread.pad(spatial, start, size - start - spread.dim(spatial));
    })
    .reduce(add);
}

/**
 * Largest element of each window, NaN if one is. x [B, C, ..S] -> [B, C, ..S'] with
 * S' = floor((S + padding - dilation (kernel - 1) - 1) / stride) + 1, as torch.nn.MaxPool1d, 2d and 3d;
 * with `ceilMode` rounded up. Where elements of a window are equal, the first gets the whole gradient.
 *
 * @throws ShapeError for a kernel larger than the padded input, or padding as wide as the kernel
 */
export function maxPool(x: Tensor, kernel: PerAxis, options: MaxPoolOptions = {}): Tensor {
  const { stride = kernel, padding = 0, dilation = 1, ceilMode = false } = options;
  const axes = x.rank - 2;
  const a = {
    kernel: perAxis(kernel, axes),
    ...windowGeometry({ stride, padding, dilation }, axes),
  };
  // What a last window has beyond the padding never wins either.
  const beyond = ceilMode ? overhangs(x, a) : [];
  const padded = beyond.reduce((y, size, i) => y.pad(i + 2, 0, size, -Infinity), x);
  return maxPoolOp({ x: padded }, a);
}

/**
 * How far the last window of each axis reaches past the padding when the number of windows is
 * rounded up, as PyTorch does it: no window starts in the padding at the end. 0 where windows fit.
 */
function overhangs(x: Tensor, a: PoolAttributes): number[] {
  const spatial = x.shape.slice(2);
  // Impossible numbers are left for the op to refuse.
  if (checkPerAxis('kernel', a.kernel, spatial.length, 1) ?? checkWindow(a, spatial.length)) {
    return [];
  }
  return windowCounts(spatial, a.kernel, a).map((whole, axis) => {
    const start = whole * at(a.strides, axis) - at(a.padsBegin, axis);
    const end = start + span(at(a.kernel, axis), a, axis);
    const padded = at(spatial, axis) + at(a.padsEnd, axis);
    const fits = end - at(a.strides, axis) === padded;
    return fits || start >= at(spatial, axis) ? 0 : end - padded;
  });
}

interface AvgPoolAttributes extends PoolAttributes {
  readonly countIncludePad: boolean;
}

const avgPoolOp = defineOp('avgPool', {
  inputs: ['x'],
  shape: ({ x }, attributes: AvgPoolAttributes) => poolShape(x, attributes),
  gradient: ({ x }, { attributes, output, upstream }) => ({
    x: x.shape.slice(2).reduce((gradient, size, axis) => {
      const map = averagingMap(attributes, axis, size, output.dim(axis + 2));
      return mapAxis(gradient, axis + 2, transposed(map));
    }, upstream),
  }),
  lower: ({ x }, { emit, attributes }) =>
    emit.node('AveragePool', [x], {
      ...onnxAttributes(attributes),
      count_include_pad: Number(attributes.countIncludePad),
    }),
  reference: ({ x }, { attributes, node }) => {
    const y = ndarray(node.shape);
    const counts = new Float64Array(node.size);
    forEachMember(x.shape, y.shape, attributes, (from, to) => {
      y.data[to] = at(y.data, to) + at(x.data, from);
      counts[to] = at(counts, to) + 1;
    });
    const whole = elementCount(attributes.kernel);
    return ndarray(
      y.shape,
      y.data.map((total, i) => total / (attributes.countIncludePad ? whole : at(counts, i))),
    );
  },
});

/** Average pooling along one axis: a window's count is the product of its counts along the axes. */
function averagingMap(a: AvgPoolAttributes, axis: number, size: number, counts: number): AxisMap {
  const map = axisMap(counts, size, 'average');
  for (let o = 0; o < counts; o++) {
    const positions = covered(a, axis, o, size);
    const weight = 1 / (a.countIncludePad ? at(a.kernel, axis) : positions.length);
    for (const position of positions) addWeight(map, o, position, weight);
  }
  return map;
}

/**
 * Mean of each window. x [B, C, ..S] -> [B, C, ..S'] with S' = floor((S + padding - kernel) / stride) + 1,
 * as torch.nn.AvgPool1d, 2d and 3d; with `ceilMode` rounded up, and what a last window has beyond the
 * padding counts in no average.
 *
 * @throws ShapeError for a kernel larger than the padded input, or padding as wide as the kernel
 */
export function avgPool(x: Tensor, kernel: PerAxis, options: AvgPoolOptions = {}): Tensor {
  const { stride = kernel, padding = 0, countIncludePad = true, ceilMode = false } = options;
  const axes = x.rank - 2;
  const a = {
    kernel: perAxis(kernel, axes),
    ...windowGeometry({ stride, padding, dilation: 1 }, axes),
    countIncludePad,
  };
  const beyond = ceilMode ? overhangs(x, a) : [];
  if (beyond.every((size) => size === 0)) return avgPoolOp({ x }, a);
  if (!countIncludePad) {
    const padsEnd = a.padsEnd.map((size, axis) => size + at(beyond, axis));
    return avgPoolOp({ x }, { ...a, padsEnd });
  }
  // Zeros that count become part of the input; what is beyond them is padding that does not.
  const padded = beyond.reduce(
    (y, _, axis) => y.pad(axis + 2, at(a.padsBegin, axis), at(a.padsEnd, axis)),
    x,
  );
  const padsBegin = beyond.map(() => 0);
  return avgPoolOp({ x: padded }, { ...a, padsBegin, padsEnd: beyond, countIncludePad: false });
}

declare module '../tensor/tensor.js' {
  interface Tensor {
    /** Largest element of each window of the spatial axes. */
    maxPool(kernel: PerAxis, options?: MaxPoolOptions): Tensor;
    /** Mean of each window of the spatial axes. */
    avgPool(kernel: PerAxis, options?: AvgPoolOptions): Tensor;
  }
}

installMethods({
  maxPool(kernel: PerAxis, options?: MaxPoolOptions) {
    return maxPool(this, kernel, options);
  },
  avgPool(kernel: PerAxis, options?: AvgPoolOptions) {
    return avgPool(this, kernel, options);
  },
});
