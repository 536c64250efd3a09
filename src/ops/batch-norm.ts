/**
 * Batch normalisation by the batch's own statistics.
 *
 * Float32 loses (mean / deviation)^2 of its precision to mean squares and mean products, and
 * mean / deviation of it to sums. So a channel is first brought near zero: a value near its mean, the
 * mean of a few of its rows, is subtracted from all of it, and everything else is made of what is
 * left. Whatever that value is, the result is the same on paper, so it is a constant to gradients. An eighth of
 * the rows cannot have a mean that is further than sqrt(7) deviations from that of all, whatever the
 * map: at most a factor of 8 of float32's precision can be lost, where a mean of 3000 deviations would
 * lose all of it. It is the shifted data of Chan, Golub and LeVeque, "Algorithms for computing the
 * sample variance" (1983), at the price of one pass over memory.
 */
import { forEachIndex, ndarray, type NdArray } from '../tensor/ndarray.js';
import { sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  allButChannels,
  channelRule,
  lowerChannelAffine,
  lowerPerChannel,
  normalizeReference,
  perChannel,
} from './channel-affine.js';
import { defineOp } from './define.js';
import { full } from './leaf.js';

const at = (array: NdArray | undefined, offset: number) => array?.data[offset] ?? NaN;

/** The share of the rows (of the first axis of space) whose mean a channel is shifted by, in large maps. */
const SAMPLED = 1 / 8;

/** Elements from which on a map is large: below, 64 KiB, a pass over it costs nothing, and all rows are taken. */
const LARGE = 2 ** 14;

/** A value near the mean of each channel, a constant to gradients: that of all, or of some rows in the middle. [B, C, ..S] -> [C] */
function nearMean(x: Tensor): Tensor {
  const axes = allButChannels(x);
  if (x.rank < 3 || x.size < LARGE) return x.mean(axes).detach();
  const rows = Math.ceil(x.dim(2) * SAMPLED);
  const start = Math.floor((x.dim(2) - rows) / 2);
  return x
    .slice(2, start, start + rows)
    .mean(axes)
    .detach();
}

/** x less one value per channel. Inputs: x [B, C, ..S] and the values [C]. */
const channelShiftOp = defineOp<object>('channelShift', {
  shape: (inputs) => channelRule(inputs),
  gradient: ({ upstream: g }) => [g, g.sum(allButChannels(g)).neg()],
  lower: ({ emit, inputs: [x = '', values = ''], node }) =>
    emit.node('Sub', [x, lowerPerChannel(emit, values, node)]),
  reference: ({ inputs: [x, values], node }) => {
    const y = ndarray(node.shape);
    forEachIndex(node.shape, (index, flat) => {
      y.data[flat] = at(x, flat) - at(values, index[1] ?? 0);
    });
    return y;
  },
});

interface BatchNormAttributes {
  readonly epsilon: number;
}

/**
 * Inputs: x, weight, bias, and x's own mean and variance, where x is near zero. The gradient with
 * respect to x contains the ways through both statistics, in closed form: two affine maps instead of
 * the dozen passes that differentiating them step by step would take. They get no gradient of their own.
 */
const batchNormOp = defineOp<BatchNormAttributes>('batchNorm', {
  shape: (inputs) => channelRule(inputs),
  gradient: ({ inputs, attributes: { epsilon }, upstream: g }) => {
    const [x, weight, bias, mean, variance] = inputs;
    if (!x || !weight || !bias || !mean || !variance) return [];
    const axes = allButChannels(x);
    const count = x.size / x.dim(1);
    const inverse = variance.add(epsilon).sqrt().reciprocal();
    const scale = weight.mul(inverse);
    const meanG = g.mean(axes);
    const covariance = g.mul(x).mean(axes).sub(meanG.mul(mean));
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
    const stabilised = emit.node('Add', [variance, emit.constant([epsilon], [], 'float32')]);
    const inverse = emit.node('Reciprocal', [emit.node('Sqrt', [stabilised])]);
    const scale = emit.node('Mul', [weight, inverse]);
    const shift = emit.node('Sub', [bias, emit.node('Mul', [mean, scale])]);
    return lowerChannelAffine(emit, x, scale, shift, node);
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
    const sum = g.sum(allButChannels(g));
    const half = (x: Tensor, scale: Tensor, mean: Tensor) => [
      g.mul(perChannel(scale, g)),
      g.mul(x).sum(allButChannels(g)).sub(sum.mul(mean)),
      scale.mul(sum).neg(),
    ];
    return [...half(a, s, meanA), ...half(b, t, meanB)];
  },
  lower: ({ emit, inputs: [a = '', s = '', meanA = '', b = '', t = '', meanB = ''], node }) => {
    const offset = (scale: string, mean: string) =>
      emit.node('Neg', [emit.node('Mul', [scale, mean])]);
    return emit.node('Add', [
      lowerChannelAffine(emit, a, s, offset(s, meanA), node),
      lowerChannelAffine(emit, b, t, offset(t, meanB), node),
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

/** What batch normalisation comes to. */
export interface BatchNormResult {
  /** [B, C, ..S] */
  readonly output: Tensor;
  /** Of the batch, over all axes but the channels': [C]. */
  readonly mean: Tensor;
  /** Likewise, biased: [C]. */
  readonly variance: Tensor;
}

/**
 * Batch normalisation by the batch's own statistics: (x - mean) / sqrt(variance + epsilon) * weight + bias.
 * @param x [B, C, ..S]
 * @param weight [C]
 * @param bias [C]
 * @throws ShapeError if they do not fit
 */
export function batchNorm(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  epsilon = 1e-5,
): BatchNormResult {
  const axes = allButChannels(x);
  const near = nearMean(x);
  const shifted = channelShiftOp([x, near], {});
  const mean = shifted.mean(axes);
  // Of equal values rounding can leave less than nothing.
  const variance = shifted.mul(shifted).mean(axes).sub(mean.mul(mean)).relu();
  const output = batchNormOp([shifted, weight, bias, mean, variance], { epsilon });
  return { output, mean: near.add(mean), variance };
}

/**
 * The gradient of a bias per channel, from that of the map it was added to: its sum over batch and
 * space. Before batch normalisation a bias has no effect, and the sum is zero on paper; adding it
 * up in float32 would give the rounding errors of all elements instead.
 */
export function biasGradient(g: Tensor): Tensor {
  return g.op.name === 'centredSum' ? full([g.dim(1)], 0) : g.sum(allButChannels(g));
}
