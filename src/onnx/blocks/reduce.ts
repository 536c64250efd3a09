/** Sums and means over space, and over space and batch, in the blocked layout. */
import { mul } from '../../ops/elementwise.js';
import { lowerSum } from '../../ops/sum-lowering.js';
import { elementCount } from '../../tensor/shape.js';
import type { Value } from '../../tensor/op.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { BlockRule, Layouts } from './layout.js';

/**
 * Sum or mean over [2, 3] or [0, 2, 3]. Over a product of two maps it is a scalar product per
 * channel, which one convolution computes without writing the product down. The sum of a whole weight is
 * the same in any order: so it is taken where the weight lies, for the norm of gradients.
 */
export function reduction(
  kind: 'sum' | 'mean',
): BlockRule<'x', { readonly axes: readonly number[] }> {
  return (layouts, node, { inputs: { x }, attributes: { axes } }) => {
    if (layouts.isKernel(x) && axes.length === x.rank && node.rank === 0) {
      const whole = { axes, keepDims: false };
      const onnx = kind === 'sum' ? 'ReduceSum' : 'ReduceMean';
      const value = lowerSum(layouts.emit, onnx, layouts.kernel(x), x.shape, whole);
      return { value, layout: 'plain' };
    }
    const overBatch = axes[0] === 0;
    const spatial = axes.join() === '2,3' || axes.join() === '0,2,3';
    if (!spatial || !layouts.fits(x) || !layouts.inBlocks(x)) return undefined;

    const places = x.dim(2) * x.dim(3);
    const product = factors(layouts, x);
    const perSample = product
      ? scalarProducts(layouts, product, x)
      : { value: spatialMeans(layouts, x), scale: kind === 'sum' ? places : 1 };
    const wanted = product && kind === 'mean' ? 1 / places : perSample.scale;
    const total = overBatch ? overSamples(layouts, perSample.value, kind) : perSample.value;
    const samples = overBatch ? 1 : x.dim(0);
    const scaled =
      wanted === 1
        ? total
        : layouts.emit.node('Mul', [total, layouts.emit.constant([wanted], [], 'float32')]);
    return { value: layouts.view(scaled, shapeOf(node, samples * x.dim(1))), layout: 'plain' };
  };
}

function shapeOf(node: Tensor, size: number): readonly number[] {
  return elementCount(node.shape) === size ? node.shape : [size];
}

/** The two maps whose product is being reduced, if that product is of no other use. */
function factors(layouts: Layouts, x: Tensor): readonly [Tensor, Tensor] | undefined {
  const product = mul.op.read(x);
  if (product === undefined || !layouts.usedOnce(x)) return undefined;
  const { a, b } = product.inputs;
  const alike = a.size === x.size && b.size === x.size && layouts.fits(a) && layouts.fits(b);
  return alike ? [a, b] : undefined;
}

/**
 * Places of a map that are added up one after the other, at the most. Each addition rounds, so that a
 * whole large map in one chain loses a digit; sums of such parts are added in a second step.
 */
const CHAIN = 256;

/** Cuts the rows of a map into parts of whole rows, as large as a chain may be. */
function partsOf(x: Tensor): { parts: number; rows: number } {
  const [height, width] = [x.dim(2), x.dim(3)];
  let rows = Math.max(1, Math.min(height, Math.floor(CHAIN / width)));
  while (height % rows !== 0) rows--;
  return { parts: height / rows, rows };
}

/** Values of each part of every map, [B C/K, parts, K] in memory, put together. -> [B, C] */
function overParts(
  layouts: Layouts,
  value: Value,
  parts: number,
  x: Tensor,
  kind: 'sum' | 'mean',
): Value {
  const { block, emit } = layouts;
  const [batch, channels] = [x.dim(0), x.dim(1)];
  if (parts === 1) return layouts.view(value, [batch, channels]);
  const apart = layouts.view(value, [(batch * channels) / block, parts, block]);
  const together =
    kind === 'mean'
      ? emit.node('ReduceMean', [apart], { axes: [1], keepdims: 0 })
      : emit.node('ReduceSum', [apart, layouts.int64([1])], { keepdims: 0 });
  return layouts.view(together, [batch, channels]);
}

/** Sums over space of a product of two maps: a depthwise convolution of one with the other as its kernel. -> [B, C] */
function scalarProducts(
  layouts: Layouts,
  [a, b]: readonly [Tensor, Tensor],
  x: Tensor,
): { value: Value; scale: number } {
  const { parts, rows } = partsOf(x);
  const maps = x.dim(0) * x.dim(1) * parts;
  const value = layouts.conv(
    [
      layouts.view(layouts.blocked(a), [1, maps, rows, x.dim(3)]),
      layouts.view(layouts.blocked(b), [maps, 1, rows, x.dim(3)]),
    ],
    { kernel_shape: [rows, x.dim(3)], group: maps },
  );
  return { value: overParts(layouts, value, parts, x, 'sum'), scale: 1 };
}

/** Means over space. -> [B, C] */
function spatialMeans(layouts: Layouts, x: Tensor): Value {
  const { parts, rows } = partsOf(x);
  const cut = layouts.view(layouts.blocked(x), [x.dim(0), x.dim(1) * parts, rows, x.dim(3)]);
  return overParts(layouts, layouts.node('GlobalAveragePool', [cut], {}), parts, x, 'mean');
}

function overSamples(layouts: Layouts, value: Value, kind: 'sum' | 'mean'): Value {
  return kind === 'mean'
    ? layouts.emit.node('ReduceMean', [value], { axes: [0], keepdims: 0 })
    : layouts.emit.node('ReduceSum', [value, layouts.int64([0])], { keepdims: 0 });
}
