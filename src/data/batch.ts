import { RequestError } from '../errors.js';
import { RandomStream } from '../random/index.js';
import {
  augmentImage,
  drawChoice,
  normalizationTable,
  type AugmentChoice,
  type AugmentOptions,
} from './augment.js';
import { size, type ImageDataset, type Normalization } from './dataset.js';

/** Where a batch goes, and whether its images are augmented. */
export interface BatchTarget {
  /** Random crop and flip, for training. Left out: images are only normalised, as for validation. */
  readonly augment?: AugmentOptions;
  /** Receives [B, C, H, W]. */
  readonly images: Float32Array;
  /** Receives [B]. */
  readonly labels: Int32Array;
}

const NOTHING_CHOSEN: AugmentChoice = { top: 0, left: 0, flip: false };

const tables = new WeakMap<Normalization, Float32Array>();

function tableOf(normalization: Normalization): Float32Array {
  let table = tables.get(normalization);
  if (table === undefined) {
    table = normalizationTable(normalization);
    tables.set(normalization, table);
  }
  return table;
}

/**
 * The order in which an epoch visits n images, from the stream (seed, 'order', epoch).
 *
 * @param epoch counted from 0
 * @returns 0 .. n - 1, each once
 */
export function epochOrder(seed: number, epoch: number, n: number): Uint32Array {
  return new RandomStream(seed, 'order', epoch).permutation(n);
}

/**
 * Puts images and labels into the given arrays, ready for a network. What an image becomes depends only
 * on (seed, epoch, its index), never on the batch it is in or on what was made before.
 *
 * @param indices [B], places in the data set
 * @throws RequestError when an index is out of range or an array is not as large as the batch
 */
export function makeBatch(
  dataset: ImageDataset,
  indices: Uint32Array | readonly number[],
  { augment, images, labels }: BatchTarget,
): void {
  const { channels, height, width } = dataset;
  const record = channels * height * width;
  const count = indices.length;
  if (images.length !== count * record || labels.length !== count) {
    throw new RequestError(
      `A batch of ${count} images [${channels}, ${height}, ${width}] needs arrays of ${count * record} pixels ` +
        `and ${count} labels, not ${images.length} and ${labels.length}.`,
    );
  }
  const table = tableOf(dataset.normalization);
  const padding = augment ? (augment.padding ?? 4) : 0;
  const total = size(dataset);
  for (let place = 0; place < count; place++) {
    const index = indices[place] ?? 0;
    if (!(index >= 0 && index < total)) {
      throw new RequestError(
        `There is no image ${index} in ${dataset.name} (${dataset.split}): expected 0 to ${total - 1}.`,
      );
    }
    augmentImage(
      dataset.images.subarray(index * record, (index + 1) * record),
      dataset,
      table,
      padding,
      augment ? drawChoice(augment, index) : NOTHING_CHOSEN,
      images.subarray(place * record, (place + 1) * record),
    );
    labels[place] = dataset.labels[index] ?? 0;
  }
}
