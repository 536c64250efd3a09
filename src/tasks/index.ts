export { classification, type ClassificationOptions } from './classification.js';
export { contrastive, type ContrastiveOptions } from './contrastive.js';
export { knnAccuracy, linearProbe } from './contrastive-metrics.js';
export { segmentation, type SegmentationTaskOptions } from './segmentation.js';
export { iouOf, meanIou, pixelAccuracy } from './segmentation-metrics.js';
export { defineTask, tasks, type TaskContext, type TaskEntry } from './registry.js';
export {
  meanOf,
  percentOf,
  task,
  type FieldTensors,
  type Features,
  type Metric,
  type NetworkKind,
  type Primary,
  type Probe,
  type Task,
  type TaskDefinition,
} from './task.js';
