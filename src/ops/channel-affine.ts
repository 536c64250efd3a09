/** Per-channel arithmetic on feature maps [B, C, ..S]: what the kinds of normalisation share. */
import { forEachIndex, ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Emitter, Value } from '../tensor/op.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { defineOp } from './define.js';

/** Every axis but the channels': [0, 2, 3, ..]. */
export function allButChannels(x: Tensor): number[] {
  return x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
}

/** [C] as [1, C, 1, ..], to broadcast over [B, C, ..S]. */
export function perChannel(values: Tensor, like: Tensor): Tensor {
  return values.reshape(like.shape.map((_, axis) => (axis === 1 ? values.size : 1)));
}

/** The shape of a map whose companions are all [C]; or what was expected. */
export function channelRule(inputs: readonly Tensor[]): readonly number[] | string {
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

/** (x - mean) / sqrt(variance + epsilon) * weight + bias per channel, in float64. Inputs in the order x, weight, bias, mean, variance. */
export function normalizeReference(
  [x, weight, bias, mean, variance]: readonly NdArray[],
  epsilon: number,
  node: Tensor,
): NdArray {
  const y = ndarray(node.shape);
  forEachIndex(node.shape, (index, flat) => {
    const c = index[1] ?? 0;
    const deviation = Math.sqrt((variance?.data[c] ?? NaN) + epsilon);
    const normalized = ((x?.data[flat] ?? NaN) - (mean?.data[c] ?? NaN)) / deviation;
    y.data[flat] = normalized * (weight?.data[c] ?? NaN) + (bias?.data[c] ?? NaN);
  });
  return y;
}

/** x * scale + shift with one scale and shift per channel: x [B, C, ..S], scale and shift [C]. */
export function channelAffine(x: Tensor, scale: Tensor, shift: Tensor): Tensor {
  return channelAffineOp([x, scale, shift], {});
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
