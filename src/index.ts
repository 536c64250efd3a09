/**
 * Fovea without a device: everything that runs anywhere. `fovea/node` and `fovea/web` add to it
 * what runs graphs there, and export all of this too.
 */
export * from './errors.js';
export { RandomStream } from './random/index.js';

// Graphs
export { Tensor } from './tensor/tensor.js';
export { evaluate } from './tensor/evaluate.js';
export { ndarray, type NdArray } from './tensor/ndarray.js';
export type { DType, TensorData } from './tensor/op.js';
export type { Shape } from './tensor/shape.js';
export * from './ops/index.js';
export { gradients } from './autodiff/gradients.js';
export { lowerToOnnx, type Graph, type LowerOptions } from './onnx/lower.js';
export {
  Executable,
  Runtime,
  type CompileOptions,
  type Device,
  type State,
  type StatefulGraph,
} from './runtime/runtime.js';
export type { HostTensor, HostTensors } from './runtime/engine.js';

// Networks
export * from './nn/index.js';
export * from './losses/index.js';
export * from './optim/index.js';
export * from './attention/index.js';
export * from './models/index.js';

// Data, weights, costs
export * from './data/index.js';
export { invertNames, nameMaps, renameState, type NameMap } from './weights/names.js';
export {
  readSafetensors,
  writeSafetensors,
  type Safetensors,
  type StoredTensor,
} from './weights/safetensors.js';
export * from './inspect/cost.js';

// Training
export {
  evaluationStep,
  initialState,
  modelState,
  modelValues,
  trainingStep,
  type StepOptions,
  type TrainingStep,
} from './training/step.js';
export {
  Diverged,
  Interrupted,
  takeOver,
  train,
  type Position,
  type StepProgress,
  type TrainOptions,
  type TrainResult,
} from './training/train.js';
export { Evaluator, type EvaluateOptions } from './training/evaluator.js';
export { bestOf, type EpochMetrics, type Means, type Tally } from './training/metrics.js';
export {
  makeRecipe,
  optimizerOf,
  scheduleOf,
  type Recipe,
  type RecipeInput,
} from './training/recipe.js';
export { readCheckpoint, writeCheckpoint } from './training/checkpoint.js';
