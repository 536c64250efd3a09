/** Data sets on the disk and from the network: for Node. */
export {
  downloadDataset,
  type DownloadOptions,
  type DownloadProgress,
  type DownloadResult,
} from './download.js';
export type { FileOptions, ScanProgress } from './file-options.js';
export { imageFolder } from './image-folder.js';
export { imageList, type ListOptions } from './image-list.js';
export { loadCifar, type CifarOptions } from './load-cifar.js';
export { picturesDataset, type PicturesOptions } from './pictures-dataset.js';
export {
  datasets,
  defineDataset,
  loadData,
  type DataOptions,
  type DatasetDefinition,
} from './registry.js';
export { segmentationFolder, type SegmentationOptions } from './segmentation-folder.js';
