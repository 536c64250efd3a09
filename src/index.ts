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
export {
  invertNames,
  nameMaps,
  renameState,
  withoutPrefix,
  type NameMap,
} from './weights/names.js';
export { loadWeights, type WeightsChoice } from './weights/load.js';
export { readWeightsFile, type WeightsFile } from './weights/read.js';
export {
  readSafetensors,
  writeSafetensors,
  type Safetensors,
  type StoredTensor,
} from './formats/safetensors.js';
export {
  isPytorch,
  readPytorch,
  type PytorchFile,
  type ReadOptions,
} from './formats/pytorch/pytorch.js';
export {
  exportOnnx,
  exposedNames,
  type ExportOptions,
  type InputShapes,
} from './weights/export-onnx.js';
export * from './inspect/cost.js';
export * from './inspect/run-once.js';
export * from './inspect/trace.js';
export {
  beyondTolerance,
  compareWithGolden,
  GOLDEN_TOLERANCE,
  readGolden,
  type GoldenCase,
  type GoldenDifference,
  type GoldenSubject,
} from './parity/golden.js';
export { evaluateOn, verifyCase, type Verification } from './parity/verify.js';

// Seeing
export { lookInside, type Exposed, type Inside } from './explain/exposed.js';
export { gradCam, lastFeatureMap } from './explain/grad-cam.js';
export { energy, localise, pointing, type Localisation } from './explain/localisation.js';
export { resizePlane, type Plane } from './explain/plane.js';
export { enlargeImage, overlay, type Picture } from './explain/picture.js';
export { views, type Place, type View, type Views, type ViewOptions } from './explain/views.js';
export { look, type Looked } from './explain/look.js';
export { localiseRun, type LocaliseOptions } from './explain/localise.js';
export type { Explanation, LocalisationScore } from './explain/explanation.js';

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
export { checkTraining, type CheckedOptions } from './training/check.js';
export { Evaluator, type EvaluateOptions } from './training/evaluator.js';
export { bestOf, type EpochMetrics, type Means, type Tally } from './training/metrics.js';
export type { RateChange } from './training/changes.js';
export {
  makeRecipe,
  optimizerOf,
  scheduleOf,
  type Recipe,
  type RecipeInput,
} from './training/recipe.js';
export { readCheckpoint, writeCheckpoint, type Checkpoint } from './training/checkpoint.js';
