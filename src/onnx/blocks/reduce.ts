/** Sums and means over space, and over space and batch, in the blocked layout. */
import { isLargeMap } from '../../ops/batch-norm.js';
import { elementCount } from '../../tensor/shape.js';
import type { Value } from '../../tensor/op.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { BlockRule, Layouts } from './layout.js';

/**
 * Sum or mean over [2, 3] or [0, 2, 3]. Over a product of two maps it is a scalar product per
 * channel, which one convolution computes without writing the product down.
 */
export function reduction(kind: 'sum' | 'mean'): BlockRule {
  return (layouts, node) => {
    const [x] = node.inputs;
    const { axes } = node.attributes as { readonly axes: readonly number[] };
    const overBatch = axes[0] === 0;
    const spatial = axes.join() === '2,3' || axes.join() === '0,2,3';
    if (x === undefined || !spatial || !layouts.fits(x) || !layouts.inBlocks(x)) return undefined;

    const [batch = 1, , height = 1, width = 1] = x.shape;
    const places = height * width;
    const product = factors(layouts, x);
    const perSample = product
      ? scalarProducts(layouts, product, x)
      : { value: spatialMeans(layouts, x), scale: kind === 'sum' ? places : 1 };
    const wanted = product && kind === 'mean' ? 1 / places : perSample.scale;
    const total = overBatch ? overSamples(layouts, perSample.value, kind) : perSample.value;
    const samples = overBatch ? 1 : batch;
    const channels = x.dim(1);
    const scaled =
      wanted === 1
        ? total
        : layouts.emit.node('Mul', [total, layouts.emit.constant([wanted], [], 'float32')]);
    return { value: layouts.view(scaled, shapeOf(node, samples * channels)), layout: 'plain' };
  };
}

function shapeOf(node: Tensor, size: number): readonly number[] {
  return elementCount(node.shape) === size ? node.shape : [size];
}

/** The two maps whose product is being reduced, if that product is of no other use. */
function factors(layouts: Layouts, x: Tensor): readonly [Tensor, Tensor] | undefined {
  const [a, b] = x.inputs;
  if (x.op.name !== 'mul' || !a || !b || !layouts.usedOnce(x)) return undefined;
  const alike = a.size === x.size && b.size === x.size && layouts.fits(a) && layouts.fits(b);
  return alike ? [a, b] : undefined;
}

/** Sums over space of a product of two maps: a depthwise convolution of one with the other as its kernel. -> [B, C] */
function scalarProducts(
  layouts: Layouts,
  [a, b]: readonly [Tensor, Tensor],
  { shape: [batch = 1, channels = 1, height = 1, width = 1] }: Tensor,
): { value: Value; scale: number } {
  const maps = batch * channels;
  const value = layouts.conv(
    [
      layouts.view(layouts.blocked(a), [1, maps, height, width]),
      layouts.view(layouts.blocked(b), [maps, 1, height, width]),
    ],
    { kernel_shape: [height, width], group: maps },
  );
  return { value: layouts.view(value, [batch, channels]), scale: 1 };
}

/** Means over space. -> [B, C] */
function spatialMeans(layouts: Layouts, x: Tensor): Value {
  const pooled = layouts.node('GlobalAveragePool', [layouts.blocked(x)], {});
  return layouts.view(pooled, [x.dim(0), x.dim(1)]);
}

function overSamples(layouts: Layouts, value: Value, kind: 'sum' | 'mean'): Value {
  return kind === 'mean'
    ? layouts.emit.node('ReduceMean', [value], { axes: [0], keepdims: 0 })
    : layouts.emit.node('ReduceSum', [value, layouts.int64([0])], { keepdims: 0 });
}

/**
 * Variance of each channel as the mean square less the squared mean: one pass over the map and
 * nothing written. In float32 it loses about (mean / deviation)^2 of its precision, which is
 * harmless for the outputs of convolutions; see docs/engine.md.
 */
export const channelVariance: BlockRule = (layouts, node) => {
  const [x, mean] = node.inputs;
  if (!x || !mean || !suits(layouts, x)) return undefined;
  const own = layouts.plain(mean);
  const difference = productMean(layouts, x, x, own, own);
  const zero = layouts.emit.constant([0], [], 'float32');
  return { value: layouts.emit.node('Max', [difference, zero]), layout: 'plain' };
};

/** Mean of a (b - mean) likewise, as the mean product less the product of the means. */
export const channelCovariance: BlockRule = (layouts, node) => {
  const [a, b, mean] = node.inputs;
  if (!a || !b || !mean || !layouts.fits(a) || !suits(layouts, b)) return undefined;
  const meanA = layouts.view(overSamples(layouts, spatialMeans(layouts, a), 'mean'), node.shape);
  const value = productMean(layouts, a, b, meanA, layouts.plain(mean));
  return { value, layout: 'plain' };
};

function suits(layouts: Layouts, x: Tensor): boolean {
  return layouts.fits(x) && layouts.inBlocks(x) && isLargeMap(x);
}

/** Mean of a b over batch and space, less the product of two means. -> [C] */
function productMean(layouts: Layouts, a: Tensor, b: Tensor, meanA: Value, meanB: Value): Value {
  const { emit } = layouts;
  const products = overSamples(layouts, scalarProducts(layouts, [a, b], b).value, 'mean');
  const places = emit.constant([1 / (b.dim(2) * b.dim(3))], [], 'float32');
  return emit.node('Sub', [emit.node('Mul', [products, places]), emit.node('Mul', [meanA, meanB])]);
}
