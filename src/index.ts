/**
 * Fovea without a device: what runs anywhere. `fovea/node` and `fovea/web` add to it what runs graphs
 * there, and export all of this too. Ops as functions are in `fovea/ops`; here they are the methods of
 * tensors. Every room has a subpath of its own as well: package.json lists them.
 */
export * from './errors.js';
export { RandomStream } from './random/index.js';

// Graphs
export { Tensor } from './tensor/tensor.js';
export { evaluate as evaluateInFloat64 } from './tensor/evaluate.js';
export { ndarray, type NdArray } from './tensor/ndarray.js';
export type { DType, TensorData } from './tensor/op.js';
export type { Shape } from './tensor/shape.js';
export { concat, constant, defineOp, full, input, shapeError, stack, where } from './ops/index.js';
export type * from './ops/index.js';
export * from './autodiff/index.js';
export * from './onnx/index.js';
export {
  Executable,
  Runtime,
  type CompileOptions,
  type Device,
  type State,
  type StatefulGraph,
} from './runtime/runtime.js';
export { LoadedModel } from './runtime/loaded-model.js';
export type { ModelEnd, ModelHead } from './onnx/read-model.js';
export type { HostTensor, HostTensors } from './runtime/engine.js';

// Networks
export * from './nn/index.js';
export * from './losses/index.js';
export * from './optim/index.js';
export * from './attention/index.js';
export * from './models/index.js';

// Data, weights, costs
export * from './data/index.js';
export { flip } from './data/augmentations/index.js';
export * from './weights/index.js';
export * from './formats/index.js';
export * from './inspect/index.js';
export * from './parity/index.js';

// Seeing
export * from './explain/index.js';

// Tasks and training
export * from './tasks/index.js';
export * from './training/index.js';
