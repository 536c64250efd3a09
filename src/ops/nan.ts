/** NaN in maxima, where ONNX Runtime's kernels pass over it and PyTorch does not. */
import type { Emitter, Value } from '../tensor/op.js';
import type { Tensor } from '../tensor/tensor.js';

const FLOAT = 1;
const BOOL = 9;
const LARGEST = 3.4028234663852886e38;

/** Whether NaN is to be looked for in a tensor. */
function mayBeNaN(emit: Emitter, { dtype }: Tensor): boolean {
  return emit.keepsNaN && dtype === 'float32';
}

/**
 * A largest or smallest value, and NaN where one of the elements that it was taken from is NaN.
 *
 * @param extremum what the kernel gives
 * @param x what it was taken from
 * @param tensor the same, symbolic
 * @param most writes the largest of each set of elements, given values 0 and 1 with the shape of x
 */
export function keepNaN(
  emit: Emitter,
  extremum: Value,
  x: Value,
  tensor: Tensor,
  most: (flags: Value) => Value,
): Value {
  if (!mayBeNaN(emit, tensor)) return extremum;
  const found = emit.node(
    'Cast',
    [most(emit.node('Cast', [emit.node('IsNaN', [x])], { to: FLOAT }))],
    {
      to: BOOL,
    },
  );
  return emit.node('Where', [found, emit.constant([NaN], [], 'float32'), extremum]);
}

/** Values of the same order as x, but for NaN, which is above all others, infinity included. */
export function withNaNOnTop(emit: Emitter, x: Value, tensor: Tensor): Value {
  if (!mayBeNaN(emit, tensor)) return x;
  const finite = emit.node('Min', [x, emit.constant([LARGEST], [], 'float32')]);
  return emit.node('Where', [
    emit.node('IsNaN', [x]),
    emit.constant([Infinity], [], 'float32'),
    finite,
  ]);
}
