import {
  countPixels,
  normalizationOf,
  type DataInfo,
  type Dataset,
  type Splits,
} from './dataset.js';
import { fitted } from './fitted.js';

/**
 * A data set whose images are brought to another size or number of channels, each as it is used. Mean and
 * deviation are worked out anew, of the training images as they are then.
 * @param frame those that are to change
 */
export async function resized(
  splits: Splits,
  frame: Partial<Pick<DataInfo, 'channels' | 'height' | 'width'>>,
): Promise<Splits> {
  const { train } = splits;
  const { channels, height, width } = { ...sizesOf(train), ...frame };
  if (train.channels === channels && train.height === height && train.width === width) {
    return splits;
  }
  const counts = Array.from({ length: channels }, () => new Float64Array(256));
  for (let index = 0; index < train.size; index++) {
    const { image } = fitted(await train.example(index), { channels, height, width });
    countPixels(image.data, counts);
  }
  const own = { channels, height, width, normalization: normalizationOf(counts) };
  const brought = (dataset: Dataset): Dataset => ({ ...dataset, ...own });
  return { train: brought(train), val: brought(splits.val), notes: splits.notes };
}

function sizesOf({
  channels,
  height,
  width,
}: DataInfo): Pick<DataInfo, 'channels' | 'height' | 'width'> {
  return { channels, height, width };
}
