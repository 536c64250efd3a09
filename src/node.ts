/** Fovea in Node: everything of `fovea`, and what needs native code, files or the network. */
export * from './index.js';
export { createRuntime, type NodeRuntimeOptions } from './runtime/node/create.js';
export * from './data/node/index.js';
export {
  readFileChecked,
  readTensors,
  saveTensors,
  writeFileAtomic,
} from './weights/node/files.js';
export { RunFolder, type Summary } from './training/node/run-folder.js';
export {
  buildModel,
  loadData,
  runTraining,
  type RunOptions,
  type RunStart,
} from './training/node/run.js';
export {
  evaluateWeights,
  type Evaluation,
  type EvaluationRequest,
} from './training/node/evaluate.js';
