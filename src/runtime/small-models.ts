/** Two ONNX models that the engine needs for itself, written node by node so that a worker need not hold any op. */
import { GraphEmitter } from '../onnx/emitter.js';
import { writeModel } from '../onnx/model.js';
import type { DType } from '../tensor/op.js';
import type { Shape } from '../tensor/shape.js';

/** A tensor's type, without its values. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** y = x + x for x float32 [2]: whether a device works at all. */
export function probeModel(): Uint8Array {
  const emit = new GraphEmitter('cpu', new Set(['x']));
  const y = emit.node('Add', ['x', 'x']);
  return writeModel({
    nodes: emit.nodes,
    initializers: [],
    inputs: [{ name: 'x', shape: [2], dtype: 'float32' }],
    outputs: [{ name: y, shape: [2], dtype: 'float32' }],
  });
}

/**
 * Copies its inputs to its outputs, in order. Fed with tensors on a device it brings their values
 * to the host, which is the only way in Node: `getData()` of such a tensor aborts the process.
 */
export function copyModel(types: readonly TensorType[]): Uint8Array {
  const inputs = types.map((_, i) => `x${i}`);
  const emit = new GraphEmitter('cpu', new Set(inputs));
  const outputs = inputs.map((name) => emit.node('Identity', [name]));
  const declare = (names: readonly string[]) =>
    types.map(({ shape, dtype }, i) => ({ name: names[i] ?? '', shape, dtype }));
  return writeModel({
    nodes: emit.nodes,
    initializers: [],
    inputs: declare(inputs),
    outputs: declare(outputs),
  });
}
