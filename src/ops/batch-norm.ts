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
import type { Value } from '../tensor/op.js';
import { at, sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  allButChannels,
  channelRule,
  lowerChannelAffine,
  lowerPerChannel,
  mapChannels,
  normalizeReference,
  perChannel,
} from './channel-affine.js';
import { defineOp } from './define.js';

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

/** x [B, C, ..S] less one value per channel, [C]. */
export const channelShiftOp = defineOp('channelShift', {
  inputs: ['x', 'values'],
  shape: ({ x, values }) => channelRule(x, values),
  gradient: (_, { upstream: g }) => ({ x: g, values: g.sum(allButChannels(g)).neg() }),
  lower: ({ x, values }, { emit, node }) =>
    emit.node('Sub', [x, lowerPerChannel(emit, values, node)]),
  reference: ({ x, values }) =>
    mapChannels(x.shape, (flat, c) => at(x.data, flat) - at(values.data, c)),
});

/**
 * Inputs: x, weight, bias, and x's own mean and variance, where x is near zero. The gradient with
 * respect to x contains the ways through both statistics, in closed form: two affine maps instead of
 * the dozen passes that differentiating them step by step would take. They get no gradient of their own.
 */
export const batchNormOp = defineOp('batchNorm', {
  inputs: ['x', 'weight', 'bias', 'mean', 'variance'],
  shape: ({ x, ...perChannel }, _: { readonly epsilon: number }) =>
    channelRule(x, ...Object.values(perChannel)),
  gradient: ({ x, weight, mean, variance }, { attributes: { epsilon }, upstream: g }) => {
    const axes = allButChannels(x);
    const count = x.size / x.dim(1);
    const inverse = variance.add(epsilon).sqrt().reciprocal();
    const scale = weight.mul(inverse);
    const meanG = g.mean(axes);
    const covariance = g.mul(x).mean(axes).sub(meanG.mul(mean));
    // dx = scale (g - mean(g) - (x - mean) inverse^2 mean(g (x - mean)))
    const slope = scale.mul(inverse).mul(inverse).mul(covariance).neg();
    return {
      x: centredSumOp({ a: g, s: scale, meanA: meanG, b: x, t: slope, meanB: mean }),
      weight: covariance.mul(inverse).mul(count),
      bias: meanG.mul(count),
      mean: null,
      variance: null,
    };
  },
  lower: ({ x, weight, bias, mean, variance }, { emit, attributes: { epsilon }, node }) => {
    const stabilised = emit.node('Add', [variance, emit.constant([epsilon], [], 'float32')]);
    const inverse = emit.node('Reciprocal', [emit.node('Sqrt', [stabilised])]);
    const scale = emit.node('Mul', [weight, inverse]);
    const shift = emit.node('Sub', [bias, emit.node('Mul', [mean, scale])]);
    return lowerChannelAffine(emit, x, scale, shift, node);
  },
  reference: (inputs, { attributes: { epsilon } }) => normalizeReference(inputs, epsilon),
});

/**
 * s (a - mean(a)) + t (b - mean(b)) with one s and t per channel, where the means are the maps' own.
 * It is the gradient through batch normalisation, before which a bias has no effect.
 */
export const centredSumOp = defineOp('centredSum', {
  inputs: ['a', 's', 'meanA', 'b', 't', 'meanB'],
  sumsToZero: true,
  shape: ({ a, s, meanA, b, t, meanB }) =>
    sameShape(a.shape, b.shape)
      ? channelRule(a, s, meanA, t, meanB)
      : 'Expected two maps of one shape, each with a scale and a mean.',
  gradient: ({ a, s, meanA, b, t, meanB }, { upstream: g }) => {
    const sum = g.sum(allButChannels(g));
    const ofMap = (scale: Tensor) => g.mul(perChannel(scale, g));
    const ofScale = (x: Tensor, mean: Tensor) => g.mul(x).sum(allButChannels(g)).sub(sum.mul(mean));
    const ofMean = (scale: Tensor) => scale.mul(sum).neg();
    return {
      a: ofMap(s),
      s: ofScale(a, meanA),
      meanA: ofMean(s),
      b: ofMap(t),
      t: ofScale(b, meanB),
      meanB: ofMean(t),
    };
  },
  lower: ({ a, s, meanA, b, t, meanB }, { emit, node }) => {
    const offset = (scale: Value, mean: Value) =>
      emit.node('Neg', [emit.node('Mul', [scale, mean])]);
    return emit.node('Add', [
      lowerChannelAffine(emit, a, s, offset(s, meanA), node),
      lowerChannelAffine(emit, b, t, offset(t, meanB), node),
    ]);
  },
  reference: ({ a, s, meanA, b, t, meanB }) =>
    mapChannels(a.shape, (flat, c) => {
      const first = at(s.data, c) * (at(a.data, flat) - at(meanA.data, c));
      return first + at(t.data, c) * (at(b.data, flat) - at(meanB.data, c));
    }),
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
  const shifted = channelShiftOp({ x, values: near });
  const mean = shifted.mean(axes);
  // Of equal values rounding can leave less than nothing.
  const variance = shifted.mul(shifted).mean(axes).sub(mean.mul(mean)).relu();
  const output = batchNormOp({ x: shifted, weight, bias, mean, variance }, { epsilon });
  return { output, mean: near.add(mean), variance };
}
