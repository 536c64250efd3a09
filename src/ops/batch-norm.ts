/**
 * Batch normalisation by the batch's own statistics.
 *
 * Everything here is made of deviations from a channel's mean. They are subtracted before anything
 * is multiplied, as PyTorch does: sum(g x) - mean sum(g) is the same on paper and cancels in
 * float32. The deviations are one value, used by the variance and by the gradients, and stay in
 * memory in the place of x.
 */
import { forEachIndex, ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Emitter, Value } from '../tensor/op.js';
import { sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  allButChannels,
  channelAffine,
  channelRule,
  lowerChannelAffine,
  lowerPerChannel,
  normalizeReference,
  perChannel,
} from './channel-affine.js';
import { defineOp } from './define.js';
import { full } from './leaf.js';

const at = (array: NdArray | undefined, offset: number) => array?.data[offset] ?? NaN;

/**
 * Whether a map is so large that one pass over it less is worth a little precision. Below that, 64 KiB,
 * a pass costs nothing.
 */
export function isLargeMap(map: Tensor): boolean {
  return map.size >= 2 ** 14;
}

/** x less its mean, one per channel. The same node wherever it is wanted, so it is computed once. */
function lowerCentred(emit: Emitter, x: Value, mean: Value, like: Tensor): Value {
  return emit.node('Sub', [x, lowerPerChannel(emit, mean, like)]);
}

/** Mean of a value with the shape of `like` over everything but the channels. -> [C] */
function lowerChannelMean(emit: Emitter, x: Value, like: Tensor): Value {
  return emit.node('ReduceMean', [x], { axes: allButChannels(like), keepdims: 0 });
}

/**
 * Inputs: x [B, C, ..S] and its own mean [C]. Through the mean no gradient flows: the deviations
 * from it sum to zero.
 */
const channelVarianceOp = defineOp<object>('channelVariance', {
  shape: (inputs) => {
    const shape = channelRule(inputs);
    return typeof shape === 'string' ? shape : [shape[1] ?? 1];
  },
  gradient: ({ inputs: [x, mean], upstream: g }) => {
    if (x === undefined || mean === undefined) return [];
    const slope = g.mul((2 * x.dim(1)) / x.size);
    return [channelAffine(x, slope, slope.mul(mean).neg()), null];
  },
  lower: ({ emit, inputs: [x = '', mean = ''], node }) => {
    const like = node.inputs[0] ?? node;
    const centred = lowerCentred(emit, x, mean, like);
    return lowerChannelMean(emit, emit.node('Mul', [centred, centred]), like);
  },
  reference: ({ inputs: [x, mean], node }) =>
    channelMeans(node, x, (flat, c) => (at(x, flat) - at(mean, c)) ** 2),
});

/**
 * Mean of a (b - mean) over batch and space. Inputs: a and b [B, C, ..S], and b's mean [C].
 * Where that is b's own mean, it is the covariance of a and b.
 */
const channelCovarianceOp = defineOp<object>('channelCovariance', {
  shape: ([a, b, mean]) => {
    if (!a || !b || !mean || !sameShape(a.shape, b.shape)) return 'Expected two maps of one shape.';
    const shape = channelRule([b, mean]);
    return typeof shape === 'string' ? shape : [shape[1] ?? 1];
  },
  gradient: ({ inputs: [a, b, mean], upstream: g }) => {
    if (a === undefined || b === undefined || mean === undefined) return [];
    const slope = g.mul(b.dim(1) / b.size);
    return [
      channelAffine(b, slope, slope.mul(mean).neg()),
      a.mul(perChannel(slope, a)),
      a.mean(allButChannels(a)).mul(g).neg(),
    ];
  },
  lower: ({ emit, inputs: [a = '', b = '', mean = ''], node }) => {
    const like = node.inputs[1] ?? node;
    const product = emit.node('Mul', [a, lowerCentred(emit, b, mean, like)]);
    return lowerChannelMean(emit, product, like);
  },
  reference: ({ inputs: [a, b, mean], node }) =>
    channelMeans(node, b, (flat, c) => at(a, flat) * (at(b, flat) - at(mean, c))),
});

/** Means over batch and space of something that is given for each element. */
function channelMeans(
  node: Tensor,
  like: NdArray | undefined,
  value: (flat: number, channel: number) => number,
): NdArray {
  const out = ndarray(node.shape);
  const count = (like?.data.length ?? 0) / node.size;
  forEachIndex(like?.shape ?? [], (index, flat) => {
    const c = index[1] ?? 0;
    out.data[c] = at(out, c) + value(flat, c) / count;
  });
  return out;
}

/** Mean and biased variance of each channel over batch and space: [B, C, ..S] -> two of [C]. */
export function batchStatistics(x: Tensor): { mean: Tensor; variance: Tensor } {
  const mean = x.mean(allButChannels(x));
  return { mean, variance: channelVarianceOp([x, mean], {}) };
}

interface BatchNormAttributes {
  readonly epsilon: number;
}

/**
 * Inputs: x, weight, bias, and x's own mean and variance. The gradient with respect to x contains
 * the ways through both statistics, in closed form: two affine maps instead of the dozen passes
 * that differentiating them step by step would take. They get no gradient of their own.
 */
const batchNormOp = defineOp<BatchNormAttributes>('batchNorm', {
  shape: (inputs) => channelRule(inputs),
  gradient: ({ inputs, attributes: { epsilon }, upstream: g }) => {
    const [x, weight, bias, mean, variance] = inputs;
    if (!x || !weight || !bias || !mean || !variance) return [];
    const count = x.size / x.dim(1);
    const inverse = variance.add(epsilon).sqrt().reciprocal();
    const scale = weight.mul(inverse);
    const meanG = g.mean(allButChannels(x));
    const covariance = channelCovarianceOp([g, x, mean], {});
    // dx = scale (g - mean(g) - (x - mean) inverse^2 mean(g (x - mean)))
    const slope = scale.mul(inverse).mul(inverse).mul(covariance).neg();
    const dx = centredSumOp([g, scale, meanG, x, slope, mean], {});
    return [dx, covariance.mul(inverse).mul(count), meanG.mul(count), null, null];
  },
  lower: ({
    emit,
    inputs: [x = '', weight = '', bias = '', mean = '', variance = ''],
    attributes: { epsilon },
    node,
  }) => {
    const shifted = emit.node('Add', [variance, emit.constant([epsilon], [], 'float32')]);
    const inverse = emit.node('Reciprocal', [emit.node('Sqrt', [shifted])]);
    const scale = emit.node('Mul', [weight, inverse]);
    // In float32 the mean is off by its last bit, which counts where deviations are far smaller. On
    // WebGPU a pass costs a dispatch however small the map is.
    const again = emit.provider !== 'webgpu' && !isLargeMap(node);
    const source = again ? lowerCentred(emit, x, mean, node) : x;
    const centre = again ? lowerChannelMean(emit, source, node) : mean;
    const shift = emit.node('Sub', [bias, emit.node('Mul', [centre, scale])]);
    return lowerChannelAffine(emit, source, scale, shift, node);
  },
  reference: ({ inputs, attributes: { epsilon }, node }) =>
    normalizeReference(inputs, epsilon, node),
});

/**
 * s (a - mean(a)) + t (b - mean(b)) with one s and t per channel. Inputs: a, s, mean(a), b, t,
 * mean(b), in which the means are the maps' own: the result sums to zero in each channel.
 */
const centredSumOp = defineOp<object>('centredSum', {
  shape: ([a, s, meanA, b, t, meanB]) => {
    if (!a || !s || !meanA || !b || !t || !meanB || !sameShape(a.shape, b.shape)) {
      return 'Expected two maps of one shape, each with a scale and a mean.';
    }
    return channelRule([a, s, meanA, t, meanB]);
  },
  gradient: ({ inputs: [a, s, meanA, b, t, meanB], upstream: g }) => {
    if (!a || !s || !meanA || !b || !t || !meanB) return [];
    const count = a.size / a.dim(1);
    const sum = g.sum(allButChannels(g));
    const half = (x: Tensor, scale: Tensor, mean: Tensor) => [
      g.mul(perChannel(scale, g)),
      channelCovarianceOp([g, x, mean], {}).mul(count),
      scale.mul(sum).neg(),
    ];
    return [...half(a, s, meanA), ...half(b, t, meanB)];
  },
  lower: ({ emit, inputs: [a = '', s = '', meanA = '', b = '', t = '', meanB = ''], node }) => {
    const offset = emit.node('Neg', [emit.node('Mul', [s, meanA])]);
    const none = emit.constant(new Float64Array(node.dim(1)), [node.dim(1)], 'float32');
    return emit.node('Add', [
      lowerChannelAffine(emit, a, s, offset, node),
      lowerChannelAffine(emit, lowerCentred(emit, b, meanB, node), t, none, node),
    ]);
  },
  reference: ({ inputs: [a, s, meanA, b, t, meanB], node }) => {
    const y = ndarray(node.shape);
    forEachIndex(node.shape, (index, flat) => {
      const c = index[1] ?? 0;
      const first = at(s, c) * (at(a, flat) - at(meanA, c));
      y.data[flat] = first + at(t, c) * (at(b, flat) - at(meanB, c));
    });
    return y;
  },
});

/**
 * Batch normalisation by the batch's own statistics.
 * x [B, C, ..S], weight and bias [C]; `statistics` must be those of x (see {@link batchStatistics}).
 */
export function batchNorm(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  statistics: { mean: Tensor; variance: Tensor },
  epsilon = 1e-5,
): Tensor {
  return batchNormOp([x, weight, bias, statistics.mean, statistics.variance], { epsilon });
}

/**
 * The gradient of a bias per channel, from that of the map it was added to: its sum over batch and
 * space. Before batch normalisation a bias has no effect, and the sum is zero on paper; adding it
 * up in float32 would give the rounding errors of all elements instead.
 */
export function biasGradient(g: Tensor): Tensor {
  return g.op.name === 'centredSum' ? full([g.dim(1)], 0) : g.sum(allButChannels(g));
}
