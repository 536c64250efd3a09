/** Elementwise ops, per-channel affine maps and sums of maps in the blocked layout. */
import type { NormInputs } from '../../ops/channel-affine.js';
import { reluMask } from '../../ops/unary.js';
import type { Value } from '../../tensor/op.js';
import type { Tensor } from '../../tensor/tensor.js';
import { at, sameShape } from '../../tensor/shape.js';
import { keptAsKernel, type BlockRule, type Layouts, type Placed } from './layout.js';

/** The sizes of an operand, aligned at the end with a rank of four. */
function aligned(tensor: Tensor): [number, number, number, number] {
  const { shape, rank } = tensor;
  const size = (axis: number) => (axis < 4 - rank ? 1 : at(shape, axis - 4 + rank));
  return [size(0), size(1), size(2), size(3)];
}

/** Whether an operand's elements lie differently in the two layouts: many channels and many places. */
function layoutMatters(tensor: Tensor): boolean {
  const [, c, h, w] = aligned(tensor);
  return c > 1 && h * w > 1;
}

/**
 * An op applied element by element with broadcasting. Operands that are as large as the result are
 * taken as they are; otherwise all are seen as [b, c/K, h, w, K], where broadcasting works as before.
 */
export function elementwise(
  opType: string,
): (layouts: Layouts, node: Tensor) => Placed | undefined {
  return (layouts, node) => {
    const { inputs } = node;
    if (inputs.some((x) => layouts.isKernel(x))) return onKernels(layouts, node, opType);
    if (!layouts.fits(node) || inputs.some((x) => x.rank > 4)) return undefined;
    const large = inputs.filter(layoutMatters);
    const suits =
      large.every((x) => layouts.convertible(x)) && large.some((x) => layouts.inBlocks(x));
    if (!suits) return undefined;
    const simple = inputs.every((x) => x.size === 1 || x.size === node.size);
    if (simple) {
      const values = inputs.map((x) => (layoutMatters(x) ? layouts.blocked(x) : layouts.plain(x)));
      return { value: layouts.emit.node(opType, values), layout: 'blocked' };
    }
    const value = layouts.emit.node(
      opType,
      inputs.map((x) => inFive(layouts, x)),
    );
    return { value: layouts.view(value, node.shape), layout: 'blocked' };
  };
}

/** Weights of one shape, and scalars: what an optimiser computes with. */
function onKernels(layouts: Layouts, node: Tensor, opType: string): Placed | undefined {
  const suits = node.inputs.every((x) => x.size === 1 || sameShape(x.shape, node.shape));
  if (!suits || !keptAsKernel(node.shape, layouts.block)) return undefined;
  const values = node.inputs.map((x) => (x.size === 1 ? layouts.plain(x) : layouts.kernel(x)));
  return { value: layouts.emit.node(opType, values), layout: 'kernel' };
}

/** An operand as [b, c/K, h, w, K], or [b, 1, h, w, 1] where it has one channel. */
function inFive(layouts: Layouts, tensor: Tensor): Value {
  const [b, c, h, w] = aligned(tensor);
  const value = layoutMatters(tensor) ? layouts.blocked(tensor) : layouts.plain(tensor);
  const [outer, inner] = c === 1 ? [1, 1] : [c / layouts.block, layouts.block];
  return layouts.view(value, [b, outer, h, w, inner]);
}

/** A sum of two maps joins the convolution that makes one of them, if nothing else needs that one. */
export const add: BlockRule<'a' | 'b', object> = (layouts, node, { inputs: { a, b } }) => {
  const sameSize = a.size === node.size && b.size === node.size;
  if (sameSize && layouts.fits(node) && a !== b) {
    for (const [own, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const conv = layouts.convolutionOf(own);
      if (conv === undefined || conv.inputs.length > 3 || 'activation' in conv.attributes) continue;
      const [x = '', weight = '', bias = ''] = conv.inputs;
      const value = layouts.conv([x, weight, bias, layouts.blocked(other)], conv.attributes);
      return { value, layout: 'blocked' };
    }
  }
  return elementwise('Add')(layouts, node);
};

/** A ReLU joins the convolution before it, if nothing else needs what was before the ReLU. */
export const relu: BlockRule<'x', object> = (layouts, node, { inputs: { x } }) => {
  const conv = layouts.convolutionOf(x);
  if (conv === undefined || 'activation' in conv.attributes)
    return elementwise('Relu')(layouts, node);
  const value = layouts.conv(conv.inputs, { ...conv.attributes, activation: 'Relu' });
  return { value, layout: 'blocked' };
};

export const reluGradient: BlockRule<'y' | 'upstream', object> = (
  layouts,
  node,
  { inputs: { y, upstream } },
) => {
  if (!layouts.fits(node) || !layouts.inBlocks(y)) return undefined;
  const mask = reluMask(layouts.emit, layouts.blocked(y));
  return { value: layouts.emit.node('Mul', [layouts.blocked(upstream), mask]), layout: 'blocked' };
};

/** A map as another type, where it lies: the masks that comparisons of maps make. */
export const cast: BlockRule<'x', object> = (layouts, node, { inputs: { x } }) => {
  if (!layouts.inBlocks(x)) return undefined;
  return { value: layouts.cast(layouts.blocked(x), node.dtype), layout: 'blocked' };
};

/** x * scale + shift per channel: a depthwise convolution with a 1x1 kernel. */
function affine(layouts: Layouts, x: Value, scale: Value, shift: Value, channels: number): Value {
  const weight = layouts.view(scale, [channels, 1, 1, 1]);
  return layouts.conv([x, weight, shift], { kernel_shape: [1, 1], group: channels });
}

export const channelAffine: BlockRule<'x' | 'scale' | 'shift', object> = (
  layouts,
  node,
  { inputs: { x, scale, shift } },
) => {
  if (!layouts.fits(node) || !layouts.inBlocks(x)) return undefined;
  const value = affine(
    layouts,
    layouts.blocked(x),
    layouts.plain(scale),
    layouts.plain(shift),
    node.dim(1),
  );
  return { value, layout: 'blocked' };
};

/** x less one value per channel: the affine map that multiplies by one, which rounds nothing. */
export const channelShift: BlockRule<'x' | 'values', object> = (
  layouts,
  node,
  { inputs: { x, values } },
) => {
  if (!layouts.fits(node) || !layouts.inBlocks(x)) return undefined;
  const channels = node.dim(1);
  const ones = layouts.emit.constant(new Float64Array(channels).fill(1), [channels], 'float32');
  const shift = layouts.emit.node('Neg', [layouts.plain(values)]);
  const value = affine(layouts, layouts.blocked(x), ones, shift, channels);
  return { value, layout: 'blocked' };
};

/** Normalisation by statistics that are computed elsewhere, as an affine map. */
export const normalize: BlockRule<NormInputs, { readonly epsilon: number }> = (
  layouts,
  node,
  { inputs: { x, weight, bias, mean, variance }, attributes: { epsilon } },
) => {
  if (!layouts.fits(node) || !layouts.inBlocks(x)) return undefined;
  const { emit } = layouts;
  const stabilised = emit.node('Add', [
    layouts.plain(variance),
    emit.constant([epsilon], [], 'float32'),
  ]);
  const inverse = emit.node('Reciprocal', [emit.node('Sqrt', [stabilised])]);
  const scale = emit.node('Mul', [layouts.plain(weight), inverse]);
  const offset = emit.node('Mul', [layouts.plain(mean), scale]);
  const shift = emit.node('Sub', [layouts.plain(bias), offset]);
  return {
    value: affine(layouts, layouts.blocked(x), scale, shift, node.dim(1)),
    layout: 'blocked',
  };
};

/** The gradient through batch normalisation: two affine maps, of which one is added to the other as it is made. */
export const centredSum: BlockRule<'a' | 's' | 'meanA' | 'b' | 't' | 'meanB', object> = (
  layouts,
  node,
  { inputs: { a, s, meanA, b, t, meanB } },
) => {
  if (!layouts.fits(node) || !layouts.inBlocks(b)) return undefined;
  const { emit } = layouts;
  const weight = (scale: Tensor) => layouts.view(layouts.plain(scale), [node.dim(1), 1, 1, 1]);
  const shift = (scale: Tensor, mean: Tensor) =>
    emit.node('Mul', [layouts.plain(scale), layouts.plain(mean)]);
  const offset = emit.node('Neg', [emit.node('Add', [shift(s, meanA), shift(t, meanB)])]);
  const pointwise = { kernel_shape: [1, 1], group: node.dim(1) };
  const scaled = layouts.conv([layouts.blocked(a), weight(s), offset], pointwise);
  const value = layouts.conv([layouts.blocked(b), weight(t), '', scaled], pointwise);
  return { value, layout: 'blocked' };
};

/** Values of one place stretched over all: the blocks are stretched instead. */
export const expand: BlockRule<'x', object> = (layouts, node, { inputs: { x } }) => {
  if (!layouts.fits(node) || x.rank !== 4 || layoutMatters(x)) return undefined;
  const [b, c, h, w] = aligned(node);
  const shape = [b, c / layouts.block, h, w, layouts.block];
  const value = layouts.emit.node('Expand', [inFive(layouts, x), layouts.int64(shape)]);
  return { value: layouts.view(value, node.shape), layout: 'blocked' };
};
