/** Data sets, augmentations and batches: what runs anywhere. Loading from files and downloading are for Node. */
export {
  defineAugmentation,
  type Augmentation,
  type AugmentationDefinition,
  type AugmentationKind,
  type AugmentationSteps,
  type Frame,
  type MixableBatch,
  type Picture,
  type Target,
} from './augmentation.js';
export * from './augmentations/index.js';
export {
  BatchSource,
  batches,
  epochOrder,
  type Batch,
  type BatchLoader,
  type BatchPlan,
  type BatchRequest,
  type EpochRequest,
} from './batches.js';
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
  IGNORED,
  imageDataset,
  type DataInfo,
  type Dataset,
  type Example,
  type ImageArrays,
  type ImageDataset,
  type Normalization,
  type Pixels,
  type Split,
  type Splits,
} from './dataset.js';
export { field, type Field, type Fields } from './fields.js';
export { fitted } from './fitted.js';
export type { BatchFields } from './place-example.js';
export { resizeMask, resizePixels } from './resize.js';
export { makeShapes, type ShapesOptions } from './shapes.js';
export { choose, subset } from './subset.js';
