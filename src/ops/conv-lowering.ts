/**
 * How convolutions and their gradients become ONNX nodes. ONNX has no op for the weight's, and both
 * are the most expensive part of a training step, so the ways to write them live in a file of their own.
 */
import type { Emitter, Value } from '../tensor/op.js';
import { forEachIndex } from '../tensor/ndarray.js';
import { at, elementCount, sameShape, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ConvGeometry, ConvTransposeAttributes, WeightGradientAttributes } from './conv.js';
import type { LowerContext } from './define.js';
import { emitConv } from './emit-conv.js';
import { lowerUnslice } from './indexing.js';
import type { Named } from './signature.js';

const int64 = (emit: Emitter, values: readonly number[]) =>
  emit.constant(values, [values.length], 'int64');

type ConvInputs = 'x' | 'weight' | 'bias?';

/** A convolution: x [B, C, ..S], weight [O, C/groups, ..K] and possibly bias [O]. */
export function lowerConv(
  inputs: Named<ConvInputs, Value>,
  { emit, attributes, tensors }: LowerContext<ConvInputs, ConvGeometry>,
): Value {
  const { strides, padsBegin, padsEnd, dilations, groups } = attributes;
  return emitConv(emit, {
    ...inputs,
    xShape: tensors.x.shape,
    weightShape: tensors.weight.shape,
    strides,
    dilations,
    pads: [...padsBegin, ...padsEnd],
    groups,
  });
}

type TransposeInputs = 'x' | 'weight';
type TransposeContext = LowerContext<TransposeInputs, ConvTransposeAttributes>;

/**
 * A transposed convolution. With stride 1 and one group it is a convolution with the kernel
 * mirrored and its channel axes exchanged, which ONNX Runtime does faster. So it is, of an input
 * spread out by the stride, where WebGPU's ConvTranspose fails: in three dimensions it has none, and
 * groups of several channels and one output each get wrong values without an error.
 */
export function lowerConvTranspose(
  { x, weight }: Named<TransposeInputs, Value>,
  context: TransposeContext,
): Value {
  const { emit, attributes, tensors } = context;
  const { strides, padsBegin, padsEnd, dilations, groups, outputPadding } = attributes;
  const kernel = tensors.weight.shape.slice(2);
  const [channels, outputs] = [tensors.weight.dim(0), tensors.weight.dim(1)];
  const fails =
    emit.provider === 'webgpu' &&
    (kernel.length === 3 || (groups > 1 && outputs === 1 && channels > groups));
  const pads = mirroredPads(attributes, kernel);
  const simple = groups === 1 && strides.every((s) => s === 1);
  if ((simple || fails) && pads.every((p) => p >= 0)) return asMirrored(x, weight, pads, context);
  return emit.node('ConvTranspose', [x, weight], {
    strides,
    pads: [...padsBegin, ...padsEnd],
    dilations,
    group: groups,
    kernel_shape: kernel,
    output_padding: outputPadding,
  });
}

/** Padding with which the mirrored kernel meets what the transposed convolution reaches. */
function mirroredPads(
  { padsBegin, padsEnd, dilations, outputPadding }: ConvTransposeAttributes,
  kernel: Shape,
): number[] {
  const span = kernel.map((k, axis) => (k - 1) * at(dilations, axis));
  return [
    ...span.map((s, axis) => s - at(padsBegin, axis)),
    ...span.map((s, axis) => s - at(padsEnd, axis) + at(outputPadding, axis)),
  ];
}

function asMirrored(
  x: Value,
  weight: Value,
  pads: readonly number[],
  { emit, attributes, tensors }: TransposeContext,
): Value {
  const { strides, dilations, groups } = attributes;
  const kernel = tensors.weight.shape.slice(2);
  const [channels, outputs] = [tensors.weight.dim(0), tensors.weight.dim(1)];
  let spread = x;
  let shape = tensors.x.shape;
  for (const [i, step] of strides.entries()) {
    if (step === 1) continue;
    const axis = i + 2;
    const size = (at(shape, axis) - 1) * step + 1;
    const rows = lowerUnslice(emit, spread, shape, { axis, start: 0, step, size });
    shape = shape.with(axis, size);
    spread = emit.node('Reshape', [rows, int64(emit, shape)]);
  }
  const axes = kernel.map((_, axis) => axis + 2);
  const backwards = axes.map(() => -1);
  const ends = kernel.map((k) => -k - 1);
  const mirrored = emit.node('Slice', [
    weight,
    ...[backwards, ends, axes, backwards].map((list) => int64(emit, list)),
  ]);
  const grouped = { groups, channels: channels / groups, outputs, kernel };
  return emitConv(emit, {
    x: spread,
    xShape: shape,
    weight: exchangeChannels(emit, mirrored, grouped),
    weightShape: [outputs * groups, channels / groups, ...kernel],
    strides: strides.map(() => 1),
    dilations,
    pads,
    groups,
  });
}

/** [G C/G, O/G, ..K] -> [G O/G, C/G, ..K] */
function exchangeChannels(
  emit: Emitter,
  weight: Value,
  sizes: { groups: number; channels: number; outputs: number; kernel: Shape },
): Value {
  const { groups, channels, outputs, kernel } = sizes;
  const axes = kernel.map((_, axis) => axis + 2);
  if (groups === 1) return emit.node('Transpose', [weight], { perm: [1, 0, ...axes] });
  const split = emit.node('Reshape', [weight, int64(emit, [groups, channels, outputs, ...kernel])]);
  const exchanged = emit.node('Transpose', [split], {
    perm: [0, 2, 1, ...axes.map((axis) => axis + 1)],
  });
  return emit.node('Reshape', [exchanged, int64(emit, [groups * outputs, channels, ...kernel])]);
}

/** With fewer positions than this, the product of each sample is too small to be worth a sum over them. */
const FEW_POSITIONS = 64;

type GradientInputs = 'x' | 'upstream';
type Inputs = Named<GradientInputs, Value>;
type Context = LowerContext<GradientInputs, WeightGradientAttributes>;

/** Chooses how to write the gradient of a weight. */
export function lowerWeightGradient(inputs: Inputs, context: Context): Value {
  const { groups, dilations, kernel, strides, padsBegin, padsEnd } = context.attributes;
  const positions = context.tensors.upstream.shape.slice(2);
  const pointwise =
    elementCount(kernel) === 1 &&
    strides.every((s) => s === 1) &&
    [...padsBegin, ...padsEnd].every((p) => p === 0);
  if (pointwise && groups === 1 && elementCount(positions) >= FEW_POSITIONS) {
    return asProducts(inputs, context);
  }
  // With a stride past the input, kernels can lie in the padding alone: then there is nothing to fold.
  const touches = kernel.every(
    (k, axis) => at(strides, axis) * (at(positions, axis) - 1) + k > at(padsBegin, axis),
  );
  const dense = groups === 1 && kernel.length === 2 && dilations.every((d) => d === 1);
  return dense && touches ? asConvolution(inputs, context) : asColumns(inputs, context);
}

/** Sizes of the batch, of the input's channels and of the output's. */
function sizesOf({ x, upstream }: Named<GradientInputs, Tensor>): [number, number, number] {
  return [x.dim(0), x.dim(1), upstream.dim(1)];
}

/**
 * A pointwise kernel without stride or padding: one matrix product for each sample, added up. Faster
 * than one convolution, which would have few columns, and closer: its sums are as long as the batch
 * times the positions.
 *
 *   g [B, O, P] x transposed [B, C, P]  ->  [B, O, C], summed over B
 */
function asProducts({ x, upstream: g }: Inputs, { emit, tensors, node }: Context): Value {
  const [batch, channels, outputs] = sizesOf(tensors);
  const positions = elementCount(tensors.x.shape.slice(2));
  const rows = emit.node('Reshape', [x, int64(emit, [batch, channels, positions])]);
  const perSample = emit.node('MatMul', [
    emit.node('Reshape', [g, int64(emit, [batch, outputs, positions])]),
    emit.node('Transpose', [rows], { perm: [0, 2, 1] }),
  ]);
  const total = emit.node('ReduceSum', [perSample, int64(emit, [0])], { keepdims: 0 });
  return emit.node('Reshape', [total, int64(emit, node.shape)]);
}

/**
 * One ordinary Conv: the batch takes the place of the channels, the gradient of the output that of
 * the kernel, and the channels are folded into the width, where a dilation of C steps over them.
 *
 *   x [B, C, H, W] -> [1, B, H, W C],  g [B, O, H', W'] -> [O, B, H', W']
 *   Conv with dilations [s, s C]  ->  [1, O, KH, KW C]  ->  [O, C, KH, KW]
 *
 * ONNX Runtime then sees a single large matrix product over B H' W', several times faster than
 * one product per tap of the kernel.
 */
function asConvolution({ x, upstream: g }: Inputs, { emit, attributes, tensors }: Context): Value {
  const [batch, channels, outputs] = sizesOf(tensors);
  const size = tensors.x.shape.slice(2);
  const positions = tensors.upstream.shape.slice(2);
  const { strides, padsBegin, kernel } = attributes;
  const reach = kernel.map((k, axis) => at(strides, axis) * (at(positions, axis) - 1) + k);
  // Rows and columns that no tap reads are cut off; what is missing at the end is padding.
  const used = reach.map((r, axis) => Math.min(at(size, axis), r - at(padsBegin, axis)));
  const padsEnd = reach.map((r, axis) => r - at(padsBegin, axis) - at(used, axis));
  const [height, width] = [at(used, 0), at(used, 1)];
  const cropped = sameShape(used, size)
    ? x
    : emit.node('Slice', [x, ...[[0, 0], used, [2, 3], [1, 1]].map((list) => int64(emit, list))]);
  const rows = emit.node('Reshape', [
    emit.node('Transpose', [cropped], { perm: [0, 2, 3, 1] }),
    int64(emit, [1, batch, height, width * channels]),
  ]);
  const taps = emitConv(emit, {
    x: rows,
    xShape: [1, batch, height, width * channels],
    weight: emit.node('Transpose', [g], { perm: [1, 0, 2, 3] }),
    weightShape: [outputs, batch, ...positions],
    strides: [1, 1],
    dilations: [at(strides, 0), at(strides, 1) * channels],
    pads: [padsBegin, padsEnd].flatMap((pads) => [at(pads, 0), at(pads, 1) * channels]),
    groups: 1,
  });
  const separate = emit.node('Reshape', [
    taps,
    int64(emit, [outputs, elementCount(kernel), channels]),
  ]);
  return emit.node('Reshape', [
    emit.node('Transpose', [separate], { perm: [0, 2, 1] }),
    int64(emit, [outputs, channels, ...kernel]),
  ]);
}

/**
 * For every tap of the kernel, the elements of x that it met are one strided window of the padded
 * input. The windows, one under the other, form the matrix of im2col:
 *
 *   columns [B, G, C/G * taps, P], g [B, G, O/G, P]  ->  g x columns^T, summed over B
 */
function asColumns({ x, upstream: g }: Inputs, { emit, attributes, tensors }: Context): Value {
  const { strides, padsBegin, padsEnd, dilations, groups, kernel } = attributes;
  const [batch, channels, outputs] = sizesOf(tensors);
  const spatial = tensors.upstream.shape.slice(2);
  const positions = elementCount(spatial);

  const padded = [...padsBegin, ...padsEnd].some((p) => p > 0)
    ? emit.node('Pad', [
        x,
        int64(emit, [0, 0, ...padsBegin, 0, 0, ...padsEnd]),
        emit.constant([0], [], 'float32'),
      ])
    : x;
  const axes = int64(
    emit,
    spatial.map((_, axis) => axis + 2),
  );
  const windows: Value[] = [];
  forEachIndex(kernel, (tap) => {
    const starts = tap.map((t, axis) => t * at(dilations, axis));
    const ends = starts.map(
      (start, axis) => start + (at(spatial, axis) - 1) * at(strides, axis) + 1,
    );
    const window = emit.node('Slice', [
      padded,
      int64(emit, starts),
      int64(emit, ends),
      axes,
      int64(emit, strides),
    ]);
    const shape = int64(emit, [batch, groups, channels / groups, 1, positions]);
    windows.push(emit.node('Reshape', [window, shape]));
  });
  const [first, ...others] = windows;
  const stacked =
    first !== undefined && others.length === 0 ? first : emit.node('Concat', windows, { axis: 3 });
  const columns = emit.node('Reshape', [
    stacked,
    int64(emit, [batch, groups, (channels / groups) * windows.length, positions]),
  ]);
  const rows = emit.node('Reshape', [g, int64(emit, [batch, groups, outputs / groups, positions])]);
  const perSample = emit.node('MatMul', [
    rows,
    emit.node('Transpose', [columns], { perm: [0, 1, 3, 2] }),
  ]);
  const total = emit.node('ReduceSum', [perSample, int64(emit, [0])], { keepdims: 0 });
  return emit.node('Reshape', [total, int64(emit, [outputs, channels / groups, ...kernel])]);
}
