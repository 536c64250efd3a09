/** Fovea in Node: everything of `fovea`, and what needs native code, files or the network. */
export * from './index.js';
export { createRuntime, type NodeRuntimeOptions } from './runtime/node/create.js';
export * from './data/node/index.js';
export {
  readFileChecked,
  readTensors,
  saveTensors,
  writeFileAtomic,
} from './formats/node/files.js';
export { convertWeights, type Converted, type ConvertOptions } from './weights/node/convert.js';
export { RunFolder, type Summary } from './training/node/run-folder.js';
export { runTraining, type RunOptions, type RunStart } from './training/node/run.js';
export { fit, loadRun, type FitOptions, type FitOutcome } from './training/node/fit.js';
export { dataOf, importModules, modelOf, taskOf } from './training/node/from-recipe.js';
export {
  evaluateWeights,
  trainedModel,
  type Trained,
  type WeightsRequest,
} from './training/node/trained.js';
export { exportWeights, type Exported, type ExportRequest } from './training/node/export.js';
export {
  explain,
  explainRun,
  explainWeights,
  type ExplainOptions,
  type ExplainRunOptions,
  type ExplainWeightsOptions,
} from './explain/node/explain.js';
export {
  Comparison,
  type CompareOptions,
  type CompareRequest,
  type RunState,
} from './experiments/node/comparison.js';
export { conclude, type ConcludeOptions } from './experiments/node/conclude.js';
export { writeReport, type WrittenReport } from './experiments/node/report.js';
export {
  makeSettings,
  parseVariants,
  plannedRuns,
  type CompareSettings,
  type PlannedRun,
  type Variant,
} from './experiments/settings.js';
export { reportData, type ReportData } from './experiments/report/data.js';
