/** Weights of networks: reading, naming, loading, and networks as ONNX files. */
export { invertNames, nameMaps, renameState, withoutPrefix, type NameMap } from './names.js';
export { loadWeights, type WeightsChoice } from './load.js';
export { readWeightsFile, type WeightsFile } from './read.js';
export {
  exportOnnx,
  exposedNames,
  returnedNames,
  type ExportOptions,
  type InputShapes,
} from './export-onnx.js';
