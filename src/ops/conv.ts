/**
 * Convolution in one, two or three dimensions, its transpose, and the gradient of its weight.
 * The three are each other's gradients, so the family is closed: everything here can be
 * differentiated again.
 *
 * Letters: B batch, C input channels, O output channels, S spatial sizes, K kernel sizes, G groups.
 */
import { forEachIndex, ndarray, type NdArray } from '../tensor/ndarray.js';
import { at, formatShape, stridesOf, type Shape } from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { allButChannels } from './channel-affine.js';
import { lowerConv, lowerConvTranspose, lowerWeightGradient } from './conv-lowering.js';
import { defineOp, shapeError, type OpFunction } from './define.js';
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
import { full } from './leaf.js';

/** How a kernel slides, and in how many groups the channels are convolved. */
export interface ConvGeometry extends WindowGeometry {
  readonly groups: number;
}

export interface ConvOptions {
  /** Default 1. */
  readonly stride?: PerAxis;
  /** Zeros added at both ends of each axis, default 0; `[begin, end]` pairs make it asymmetric. */
  readonly padding?: Padding;
  /** Distance between kernel taps, default 1. */
  readonly dilation?: PerAxis;
  /** Channels are convolved in this many separate groups, default 1. */
  readonly groups?: number;
}

function geometry(options: ConvOptions, axes: number): ConvGeometry {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
  return { ...windowGeometry({ stride, padding, dilation }, axes), groups };
}

function checkGeometry(g: ConvGeometry, axes: number): string | undefined {
  const problem = checkWindow(g, axes);
  if (problem !== undefined) return problem;
  return Number.isInteger(g.groups) && g.groups >= 1
    ? undefined
    : `groups ${g.groups} must be a positive integer.`;
}

/**
 * Visits every product of a convolution: `visit(xOffset, wOffset, yOffset)` for each triple of an
 * input element, a weight and the output element to which their product is added.
 */
function forEachProduct(
  xShape: Shape,
  wShape: Shape,
  yShape: Shape,
  g: ConvGeometry,
  visit: (x: number, w: number, y: number) => void,
): void {
  const [xs, ws, ys] = [stridesOf(xShape), stridesOf(wShape), stridesOf(yShape)];
  const outPerGroup = at(wShape, 0) / g.groups;
  const inPerGroup = at(wShape, 1);
  const meetings = spatialMeetings(xShape.slice(2), wShape.slice(2), yShape.slice(2), g);
  forEachIndex([...yShape.slice(0, 2), inPerGroup], (index) => {
    const [b, o, c] = [at(index, 0), at(index, 1), at(index, 2)];
    const channel = Math.floor(o / outPerGroup) * inPerGroup + c;
    const x = b * at(xs, 0) + channel * at(xs, 1);
    const w = o * at(ws, 0) + c * at(ws, 1);
    const y = b * at(ys, 0) + o * at(ys, 1);
    for (let i = 0; i < meetings.length; i += 3) {
      visit(x + at(meetings, i), w + at(meetings, i + 1), y + at(meetings, i + 2));
    }
  });
}

/** The offsets in space of every input element, tap and output element that meet, one after the other. */
function spatialMeetings(xShape: Shape, wShape: Shape, yShape: Shape, g: ConvGeometry): number[] {
  const [xs, meetings] = [stridesOf(xShape), new Array<number>()];
  forEachIndex(yShape, (y, yOffset) => {
    forEachIndex(wShape, (k, wOffset) => {
      let x = 0;
      for (let axis = 0; axis < k.length; axis++) {
        const position =
          at(y, axis) * at(g.strides, axis) +
          at(k, axis) * at(g.dilations, axis) -
          at(g.padsBegin, axis);
        if (position < 0 || position >= at(xShape, axis)) return;
        x += position * at(xs, axis);
      }
      meetings.push(x, wOffset, yOffset);
    });
  });
  return meetings;
}

const increase = ({ data }: NdArray, offset: number, by: number) => {
  data[offset] = at(data, offset) + by;
};

/** The op of {@link conv}. */
export const convOp: OpFunction<'x' | 'weight' | 'bias?', ConvGeometry> = defineOp('conv', {
  inputs: ['x', 'weight', 'bias?'],
  shape: ({ x, weight: w, bias }, g) => {
    if (x.rank < 3 || x.rank > 5 || w.rank !== x.rank) {
      return 'Expected an input [B, C, ..S] with one to three spatial axes and a weight [O, C/groups, ..K].';
    }
    const problem = checkGeometry(g, x.rank - 2);
    if (problem !== undefined) return problem;
    if (x.dim(1) !== w.dim(1) * g.groups || w.dim(0) % g.groups !== 0) {
      return `With ${g.groups} group(s) a weight ${formatShape(w.shape)} takes ${w.dim(1) * g.groups} input channels, not ${x.dim(1)}.`;
    }
    if (bias && (bias.rank !== 1 || bias.dim(0) !== w.dim(0)))
      return `The bias must be [${w.dim(0)}].`;
    const spatial = windowCounts(x.shape.slice(2), w.shape.slice(2), g);
    if (spatial.some((size) => size < 1)) {
      return `The kernel ${formatShape(w.shape.slice(2))} with dilation [${g.dilations.join(', ')}] is larger than the padded input.`;
    }
    return [x.dim(0), w.dim(0), ...spatial];
  },
  gradient: ({ x, weight, bias }, { attributes: g, upstream }) => ({
    x: convTransposeOp({ x: upstream, weight }, { ...g, outputPadding: leftover(x, weight, g) }),
    weight: convWeightGradient(x, upstream, weight.shape.slice(2), g),
    bias: bias ? biasGradient(upstream) : null,
  }),
  lower: lowerConv,
  reference: ({ x, weight, bias }, { attributes, node }) => {
    const y = ndarray(node.shape);
    if (bias)
      forEachIndex(node.shape, (index, flat) => increase(y, flat, at(bias.data, at(index, 1))));
    forEachProduct(x.shape, weight.shape, y.shape, attributes, (xi, wi, yi) => {
      increase(y, yi, at(x.data, xi) * at(weight.data, wi));
    });
    return y;
  },
});

/** The gradient of a bias, from that of the map it was added to: its sum over batch and space. */
function biasGradient(upstream: Tensor): Tensor {
  return upstream.op.sumsToZero
    ? full([upstream.dim(1)], 0)
    : upstream.sum(allButChannels(upstream));
}

/** Input elements at the end of each axis that no stride reaches; the transpose must give them back. */
function leftover(x: Tensor, w: Tensor, g: ConvGeometry): number[] {
  return x.shape.slice(2).map((size, axis) => {
    const free = size + at(g.padsBegin, axis) + at(g.padsEnd, axis);
    return (free - span(w.dim(axis + 2), g, axis)) % at(g.strides, axis);
  });
}

/**
 * Convolution (cross-correlation, as everywhere in deep learning).
 * x [B, C, ..S], weight [O, C/groups, ..K], bias [O] -> [B, O, ..S'] with
 * S' = floor((S + padding - dilation (K - 1) - 1) / stride) + 1.
 */
export function conv(x: Tensor, weight: Tensor, bias?: Tensor, options: ConvOptions = {}): Tensor {
  return convOp({ x, weight, bias }, geometry(options, x.rank - 2));
}

export interface ConvTransposeAttributes extends ConvGeometry {
  readonly outputPadding: readonly number[];
}

/** The op of {@link convTranspose}, whose output padding is less than the stride. */
export const convTransposeOp: OpFunction<'x' | 'weight', ConvTransposeAttributes> = defineOp(
  'convTranspose',
  {
    inputs: ['x', 'weight'],
    shape: ({ x, weight: w }, g) => {
      if (x.rank < 3 || x.rank > 5 || w.rank !== x.rank) {
        return 'Expected an input [B, C, ..S] with one to three spatial axes and a weight [C, O/groups, ..K].';
      }
      if (x.dim(1) !== w.dim(0) || x.dim(1) % g.groups !== 0) {
        return `The weight takes ${w.dim(0)} input channels, not ${x.dim(1)}.`;
      }
      if (g.outputPadding.some((extra, axis) => extra >= at(g.strides, axis))) {
        return `The output padding [${g.outputPadding.join(', ')}] must be less than the stride, or than the dilation.`;
      }
      const spatial = x.shape.slice(2).map((size, axis) => {
        const pads = at(g.padsBegin, axis) + at(g.padsEnd, axis);
        const reach = at(g.strides, axis) * (size - 1) + span(w.dim(axis + 2), g, axis);
        return reach - pads + at(g.outputPadding, axis);
      });
      if (spatial.some((size) => size < 1)) return 'The padding is larger than the output.';
      return [x.dim(0), w.dim(1) * g.groups, ...spatial];
    },
    gradient: ({ x, weight }, { attributes: g, upstream }) => ({
      x: convOp({ x: upstream, weight }, g),
      weight: convWeightGradient(upstream, x, weight.shape.slice(2), g),
    }),
    lower: lowerConvTranspose,
    reference: ({ x, weight }, { attributes, node }) => {
      const y = ndarray(node.shape);
      forEachProduct(node.shape, weight.shape, x.shape, attributes, (yi, wi, xi) => {
        increase(y, yi, at(x.data, xi) * at(weight.data, wi));
      });
      return y;
    },
  },
);

export interface ConvTransposeOptions extends ConvOptions {
  /** Extra elements at the end of each axis, less than the stride or less than the dilation; default 0. */
  readonly outputPadding?: PerAxis;
}

/**
 * Transposed convolution. x [B, C, ..S], weight [C, O/groups, ..K], bias [O] -> [B, O, ..S'] with
 * S' = stride (S - 1) + dilation (K - 1) + 1 - padding + outputPadding.
 */
export function convTranspose(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: ConvTransposeOptions = {},
): Tensor {
  const axes = x.rank - 2;
  const g = geometry(options, axes);
  const wanted = perAxis(options.outputPadding ?? 0, axes);
  const problem = checkGeometry(g, axes) ?? checkPerAxis('outputPadding', wanted, axes, 0);
  if (problem !== undefined) throw shapeError('convTranspose', [x, weight], problem);
  // More than the op takes is as much less padding, and then zeros, which no tap reaches.
  const more = wanted.map((extra, axis) =>
    extra < at(g.dilations, axis) ? Math.max(extra - at(g.strides, axis) + 1, 0) : 0,
  );
  const unpadded = more.map((extra, axis) => Math.min(extra, at(g.padsEnd, axis)));
  const y = more.reduce(
    (map, extra, axis) => map.pad(axis + 2, 0, extra - at(unpadded, axis)),
    convTransposeOp(
      { x, weight },
      {
        ...g,
        padsEnd: g.padsEnd.map((size, axis) => size - at(unpadded, axis)),
        outputPadding: wanted.map((extra, axis) => extra - at(more, axis)),
      },
    ),
  );
  if (bias && (bias.rank !== 1 || bias.dim(0) !== y.dim(1))) {
    throw shapeError('convTranspose', [x, weight, bias], `The bias must be [${y.dim(1)}].`);
  }
  return bias ? y.add(bias.reshape([1, -1, ...new Array<number>(axes).fill(1)])) : y;
}

export interface WeightGradientAttributes extends ConvGeometry {
  readonly kernel: Shape;
}

/**
 * The gradient of a convolution's weight: x [B, C, ..S] and the gradient of the output
 * [B, O, ..S'] -> [O, C/groups, ..K].
 */
export const convWeightGradientOp: OpFunction<'x' | 'upstream', WeightGradientAttributes> =
  defineOp('convWeightGradient', {
    inputs: ['x', 'upstream'],
    shape: ({ x, upstream }, { kernel, groups }) => [upstream.dim(1), x.dim(1) / groups, ...kernel],
    gradient: ({ x, upstream: y }, { attributes: { kernel: _, ...g }, output, upstream }) => ({
      x: convTransposeOp(
        { x: y, weight: upstream },
        { ...g, outputPadding: leftover(x, output, g) },
      ),
      upstream: convOp({ x, weight: upstream }, g),
    }),
    lower: lowerWeightGradient,
    reference: ({ x, upstream: y }, { attributes, node }) => {
      const w = ndarray(node.shape);
      forEachProduct(x.shape, node.shape, y.shape, attributes, (xi, wi, yi) => {
        increase(w, wi, at(x.data, xi) * at(y.data, yi));
      });
      return w;
    },
  });

function convWeightGradient(x: Tensor, upstream: Tensor, kernel: Shape, g: ConvGeometry): Tensor {
  const { strides, padsBegin, padsEnd, dilations, groups } = g;
  const attributes = { strides, padsBegin, padsEnd, dilations, groups, kernel };
  return convWeightGradientOp({ x, upstream }, attributes);
}

declare module '../tensor/tensor.js' {
  interface Tensor {
    /** Convolution with a weight [O, C/groups, ..K]. */
    conv(weight: Tensor, bias?: Tensor, options?: ConvOptions): Tensor;
    /** Transposed convolution with a weight [C, O/groups, ..K]. */
    convTranspose(weight: Tensor, bias?: Tensor, options?: ConvTransposeOptions): Tensor;
  }
}

installMethods({
  conv(weight: Tensor, bias?: Tensor, options?: ConvOptions) {
    return conv(this, weight, bias, options);
  },
  convTranspose(weight: Tensor, bias?: Tensor, options?: ConvTransposeOptions) {
    return convTranspose(this, weight, bias, options);
  },
});
