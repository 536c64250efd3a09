/** Data sets and batches: what runs anywhere. Loading from files and downloading are for Node. */
export {
  augmentImage,
  drawChoice,
  normalizationTable,
  type AugmentChoice,
  type AugmentOptions,
  type ImageSize,
} from './augment.js';
export { epochOrder, makeBatch, type BatchTarget } from './batch.js';
export { DATASETS, datasetInfo, type DatasetId, type DatasetInfo } from './catalog.js';
export { parseCifarPython, parsePythonClassNames } from './cifar-python.js';
export {
  CIFAR10,
  CIFAR100,
  CIFAR_NORMALIZATION,
  cifarDataset,
  parseCifarBinary,
  parseClassNames,
  type CifarPart,
  type CifarSpec,
  type LabelKind,
  type LayoutName,
} from './cifar.js';
export {
  checkLabels,
  size,
  subset,
  type ImageDataset,
  type Normalization,
  type Split,
} from './dataset.js';
export { makeShapes, type ShapesOptions } from './shapes.js';
