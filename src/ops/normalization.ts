/** Normalisation: batch (train and eval), layer, group, and the per-channel affine map they share. */
import { ndarray, forEachIndex } from '../tensor/ndarray.js';
import type { Emitter, Value } from '../tensor/op.js';
import { formatShape, sameShape, type Shape } from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { defineOp, shapeError } from './define.js';
import { constant } from './leaf.js';

/** Every axis but the channels': [0, 2, 3, ..]. */
function allButChannels(x: Tensor): number[] {
  return x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
}

/** [C] as [1, C, 1, ..], to broadcast over [B, C, ..S]. */
function perChannel(values: Tensor, like: Tensor): Tensor {
  return values.reshape(like.shape.map((_, axis) => (axis === 1 ? values.size : 1)));
}

function channelRule(inputs: readonly Tensor[]): readonly number[] | string {
  const [x, ...rest] = inputs;
  if (x === undefined || x.rank < 2) return 'Expected an input [B, C, ..S].';
  const channels = x.dim(1);
  return rest.every((p) => p.rank === 1 && p.dim(0) === channels)
    ? x.shape
    : `Everything but the input must be [${channels}], its number of channels.`;
}

const channelAffineOp = defineOp<object>('channelAffine', {
  shape: (inputs) => channelRule(inputs),
  gradient: ({ inputs: [x, scale], upstream: g }) => {
    if (x === undefined || scale === undefined) return [];
    const axes = allButChannels(x);
    return [g.mul(perChannel(scale, x)), g.mul(x).sum(axes), g.sum(axes)];
  },
  lower: ({ emit, inputs: [x = '', scale = '', shift = ''], node }) =>
    lowerChannelAffine(emit, x, scale, shift, node),
  reference: ({ inputs: [x, scale, shift], node }) => {
    const y = ndarray(node.shape);
    forEachIndex(node.shape, (index, flat) => {
      const c = index[1] ?? 0;
      y.data[flat] = (x?.data[flat] ?? NaN) * (scale?.data[c] ?? NaN) + (shift?.data[c] ?? NaN);
    });
    return y;
  },
});

/** On the CPU, inference-mode BatchNormalization is a per-channel affine map in one pass over memory. */
function lowerChannelAffine(
  emit: Emitter,
  x: Value,
  scale: Value,
  shift: Value,
  node: Tensor,
): Value {
  const channels = node.dim(1);
  if (emit.provider === 'cpu' && node.rank > 2) {
    const zeros = emit.constant(new Float64Array(channels), [channels], 'float32');
    const ones = emit.constant(new Float64Array(channels).fill(1), [channels], 'float32');
    return emit.node('BatchNormalization', [x, scale, shift, zeros, ones], {
      epsilon: { float: 0 },
    });
  }
  const spread = node.shape.map((_, axis) => (axis === 1 ? channels : 1));
  const shape = emit.constant(spread, [spread.length], 'int64');
  const scaled = emit.node('Mul', [x, emit.node('Reshape', [scale, shape])]);
  return emit.node('Add', [scaled, emit.node('Reshape', [shift, shape])]);
}

/** x * scale + shift with one scale and shift per channel: x [B, C, ..S], scale and shift [C]. */
export function channelAffine(x: Tensor, scale: Tensor, shift: Tensor): Tensor {
  return channelAffineOp([x, scale, shift], {});
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
    const source = node.inputs[0];
    const rank = source?.rank ?? 0;
    const spread = Array.from({ length: rank }, (_, axis) => (axis === 1 ? node.size : 1));
    const shape = emit.constant(spread, [rank], 'int64');
    const centred = emit.node('Sub', [x, emit.node('Reshape', [mean, shape])]);
    const axes = source ? allButChannels(source) : [];
    return emit.node('ReduceMean', [emit.node('Mul', [centred, centred])], { axes, keepdims: 0 });
  },
  reference: ({ inputs: [x, mean], node }) => {
    const out = ndarray(node.shape);
    const perChannel = (x?.data.length ?? 0) / node.size;
    forEachIndex(x?.shape ?? [], (index, flat) => {
      const c = index[1] ?? 0;
      const deviation = (x?.data[flat] ?? NaN) - (mean?.data[c] ?? NaN);
      out.data[c] = (out.data[c] ?? NaN) + deviation ** 2 / perChannel;
    });
    return out;
  },
});

/** Mean and biased variance of each channel over batch and space: [B, C, ..S] -> two of [C]. */
export function batchStatistics(x: Tensor): { mean: Tensor; variance: Tensor } {
  const mean = x.mean(allButChannels(x));
  return { mean, variance: channelVarianceOp([x, mean], {}) };
}

/** The affine map that normalisation with known statistics amounts to. */
function normalizingScale(
  weight: Tensor,
  bias: Tensor,
  mean: Tensor,
  variance: Tensor,
  epsilon: number,
): { scale: Tensor; shift: Tensor; inverse: Tensor } {
  const inverse = variance.add(epsilon).sqrt().reciprocal();
  const scale = weight.mul(inverse);
  return { scale, shift: bias.sub(mean.mul(scale)), inverse };
}

interface NormAttributes {
  readonly epsilon: number;
}

/**
 * Inputs: x, weight, bias, and x's own mean and variance. The gradient with respect to x contains
 * the ways through both statistics, in closed form: two affine maps instead of the dozen passes
 * that differentiating them step by step would take. They get no gradient of their own.
 */
const batchNormOp = defineOp<NormAttributes>('batchNorm', {
  shape: (inputs) => channelRule(inputs),
  gradient: ({ inputs, attributes: { epsilon }, upstream: g }) => {
    const [x, weight, bias, mean, variance] = inputs;
    if (!x || !weight || !bias || !mean || !variance) return [];
    const axes = allButChannels(x);
    const count = x.size / x.dim(1);
    const { scale, inverse } = normalizingScale(weight, bias, mean, variance, epsilon);
    const sumG = g.sum(axes);
    const sumGxCentred = g.mul(x).sum(axes).sub(mean.mul(sumG));
    // dx = scale (g - mean(g) - (x - mean) inverse^2 mean(g (x - mean)))
    const slope = scale.mul(inverse).mul(inverse).mul(sumGxCentred).div(-count);
    const offset = scale.mul(sumG).div(-count).sub(slope.mul(mean));
    const zero = constant(new Float64Array(x.dim(1)), [x.dim(1)]);
    const dx = channelAffine(g, scale, offset).add(channelAffine(x, slope, zero));
    return [dx, sumGxCentred.mul(inverse), sumG, null, null];
  },
  lower: ({
    emit,
    inputs: [x = '', weight = '', bias = '', mean = '', variance = ''],
    attributes,
    node,
  }) => {
    const { epsilon } = attributes;
    const shifted = emit.node('Add', [variance, emit.constant([epsilon], [], 'float32')]);
    const inverse = emit.node('Reciprocal', [emit.node('Sqrt', [shifted])]);
    const scale = emit.node('Mul', [weight, inverse]);
    const shift = emit.node('Sub', [bias, emit.node('Mul', [mean, scale])]);
    return lowerChannelAffine(emit, x, scale, shift, node);
  },
  reference: ({ inputs, attributes: { epsilon }, node }) =>
    normalizeReference(inputs, epsilon, node),
});

function normalizeReference(
  [x, weight, bias, mean, variance]: readonly ReturnType<typeof ndarray>[],
  epsilon: number,
  node: Tensor,
) {
  const y = ndarray(node.shape);
  forEachIndex(node.shape, (index, flat) => {
    const c = index[1] ?? 0;
    const deviation = Math.sqrt((variance?.data[c] ?? NaN) + epsilon);
    const normalized = ((x?.data[flat] ?? NaN) - (mean?.data[c] ?? NaN)) / deviation;
    y.data[flat] = normalized * (weight?.data[c] ?? NaN) + (bias?.data[c] ?? NaN);
  });
  return y;
}

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

const fixedNormOp = defineOp<NormAttributes>('normalizeBy', {
  shape: (inputs) => channelRule(inputs),
  gradient: ({ inputs, attributes: { epsilon }, upstream: g }) => {
    const [x, weight, bias, mean, variance] = inputs;
    if (!x || !weight || !bias || !mean || !variance) return [];
    const axes = allButChannels(x);
    const { scale, inverse } = normalizingScale(weight, bias, mean, variance, epsilon);
    const sumG = g.sum(axes);
    const gWeight = g
      .mul(x.sub(perChannel(mean, x)))
      .sum(axes)
      .mul(inverse);
    return [
      g.mul(perChannel(scale, x)),
      gWeight,
      sumG,
      scale.mul(sumG).neg(),
      gWeight.mul(weight).mul(-0.5).div(variance.add(epsilon)),
    ];
  },
  // Kept whole, because ONNX Runtime folds it into a convolution before it when all is constant.
  lower: ({ emit, inputs, attributes: { epsilon } }) =>
    emit.node('BatchNormalization', inputs, { epsilon: { float: epsilon } }),
  reference: ({ inputs, attributes: { epsilon }, node }) =>
    normalizeReference(inputs, epsilon, node),
});

/**
 * Normalisation by given statistics, as BatchNorm in eval: (x - mean) / sqrt(variance + epsilon) * weight + bias.
 * x [B, C, ..S], everything else [C].
 */
export function normalizeBy(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  statistics: { mean: Tensor; variance: Tensor },
  epsilon = 1e-5,
): Tensor {
  return fixedNormOp([x, weight, bias, statistics.mean, statistics.variance], { epsilon });
}

/** (x - mean) / sqrt(var + epsilon) over the given axes, with the biased variance. */
export function standardize(x: Tensor, axes: readonly number[], epsilon: number): Tensor {
  const centred = x.sub(x.mean(axes, { keepDims: true }));
  const variance = centred.mul(centred).mean(axes, { keepDims: true });
  return centred.div(variance.add(epsilon).sqrt());
}

/** Layer normalisation over the trailing axes that `weight` covers, as torch.nn.functional.layer_norm. */
export function layerNorm(
  x: Tensor,
  normalizedShape: readonly number[],
  weight?: Tensor,
  bias?: Tensor,
  epsilon = 1e-5,
): Tensor {
  const first = x.rank - normalizedShape.length;
  const covers = (shape: Shape) => sameShape(shape, normalizedShape);
  if (!covers(x.shape.slice(first)) || ![weight, bias].every((p) => !p || covers(p.shape))) {
    const wanted = formatShape(normalizedShape);
    throw shapeError('layerNorm', [x], `Its last axes, the weight and the bias must be ${wanted}.`);
  }
  const normalized = standardize(
    x,
    normalizedShape.map((_, i) => first + i),
    epsilon,
  );
  const scaled = weight ? normalized.mul(weight) : normalized;
  return bias ? scaled.add(bias) : scaled;
}

/** Group normalisation: channels in `groups` equal groups, each normalised over its channels and space. */
export function groupNorm(
  x: Tensor,
  groups: number,
  weight?: Tensor,
  bias?: Tensor,
  epsilon = 1e-5,
): Tensor {
  if (x.rank < 2 || x.dim(1) % groups !== 0) {
    throw shapeError('groupNorm', [x], `Its channels do not fall into ${groups} equal groups.`);
  }
  const problem = channelRule([x, ...(weight ? [weight] : []), ...(bias ? [bias] : [])]);
  if (typeof problem === 'string') throw shapeError('groupNorm', [x], problem);
  // [B, C, ..S] -> [B, G, C/G * S]
  const normalized = standardize(x.reshape([x.dim(0), groups, -1]), [2], epsilon).reshape(x.shape);
  const scaled = weight ? normalized.mul(perChannel(weight, x)) : normalized;
  return bias ? scaled.add(perChannel(bias, x)) : scaled;
}

declare module '../tensor/tensor.js' {
  interface Tensor {
    /** x * scale + shift per channel. */
    channelAffine(scale: Tensor, shift: Tensor): Tensor;
  }
}

installMethods({
  channelAffine(scale: Tensor, shift: Tensor) {
    return channelAffine(this, scale, shift);
  },
});
