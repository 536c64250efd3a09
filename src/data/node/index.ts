/** Data sets on the disk and from the network: for Node. */
export {
  downloadDataset,
  type DownloadOptions,
  type DownloadProgress,
  type DownloadResult,
} from './download.js';
export { loadDataset, type LoadOptions } from './load.js';
