/** Per-channel arithmetic on feature maps [B, C, ..S]: what the kinds of normalisation share. */
import { forEachIndex, ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Emitter, Value } from '../tensor/op.js';
import { at, type Shape } from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { defineOp } from './define.js';
import type { Named } from './signature.js';

/** Every axis but the channels': [0, 2, 3, ..]. */
export function allButChannels(x: Tensor): number[] {
  return x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
}

/** [C] as [1, C, 1, ..], to broadcast over [B, C, ..S]. */
export function perChannel(values: Tensor, like: Tensor): Tensor {
  return values.reshape(like.shape.map((_, axis) => (axis === 1 ? values.size : 1)));
}

/** The shape of a map whose companions are all [C]; or what was expected. */
export function channelRule(x: Tensor, ...companions: readonly Tensor[]): Shape | string {
  if (x.rank < 2) return 'Expected an input [B, C, ..S].';
  const channels = x.dim(1);
  return companions.every((p) => p.rank === 1 && p.dim(0) === channels)
    ? x.shape
    : `Everything but the input must be [${channels}], its number of channels.`;
}

/** Computes every element of a map [B, C, ..S] from its place and its channel. */
export function mapChannels(shape: Shape, f: (flat: number, channel: number) => number): NdArray {
  const y = ndarray(shape);
  forEachIndex(shape, (index, flat) => {
    y.data[flat] = f(flat, at(index, 1));
  });
  return y;
}

/** The op of {@link channelAffine}. */
export const channelAffineOp = defineOp('channelAffine', {
  inputs: ['x', 'scale', 'shift'],
  shape: ({ x, scale, shift }) => channelRule(x, scale, shift),
  gradient: ({ x, scale }, { upstream: g }) => {
    const axes = allButChannels(x);
    return { x: g.mul(perChannel(scale, x)), scale: g.mul(x).sum(axes), shift: g.sum(axes) };
  },
  lower: ({ x, scale, shift }, { emit, node }) => lowerChannelAffine(emit, x, scale, shift, node),
  reference: ({ x, scale, shift }) =>
    mapChannels(x.shape, (flat, c) => at(x.data, flat) * at(scale.data, c) + at(shift.data, c)),
});

/**
 * Writes x * scale + shift for a value with the shape of `like`. On the CPU inference-mode
 * BatchNormalization is that in one pass over memory.
 */
export function lowerChannelAffine(
  emit: Emitter,
  x: Value,
  scale: Value,
  shift: Value,
  like: Tensor,
): Value {
  const channels = like.dim(1);
  if (emit.provider === 'cpu' && like.rank > 2) {
    const zeros = emit.constant(new Float64Array(channels), [channels], 'float32');
    const ones = emit.constant(new Float64Array(channels).fill(1), [channels], 'float32');
    return emit.node('BatchNormalization', [x, scale, shift, zeros, ones], {
      epsilon: { float: 0 },
    });
  }
  const scaled = emit.node('Mul', [x, lowerPerChannel(emit, scale, like)]);
  return emit.node('Add', [scaled, lowerPerChannel(emit, shift, like)]);
}

/** Writes {@link perChannel}. */
export function lowerPerChannel(emit: Emitter, values: Value, like: Tensor): Value {
  const spread = like.shape.map((size, axis) => (axis === 1 ? size : 1));
  return emit.node('Reshape', [values, emit.constant(spread, [spread.length], 'int64')]);
}

/** The inputs of normalisation by given statistics: x [B, C, ..S], the others [C]. */
export type NormInputs = 'x' | 'weight' | 'bias' | 'mean' | 'variance';

/** (x - mean) / sqrt(variance + epsilon) * weight + bias per channel, in float64. */
export function normalizeReference(
  { x, weight, bias, mean, variance }: Named<NormInputs, NdArray>,
  epsilon: number,
): NdArray {
  return mapChannels(x.shape, (flat, c) => {
    const deviation = Math.sqrt(at(variance.data, c) + epsilon);
    const normalized = (at(x.data, flat) - at(mean.data, c)) / deviation;
    return normalized * at(weight.data, c) + at(bias.data, c);
  });
}

/** x * scale + shift with one scale and shift per channel: x [B, C, ..S], scale and shift [C]. */
export function channelAffine(x: Tensor, scale: Tensor, shift: Tensor): Tensor {
  return channelAffineOp({ x, scale, shift });
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
