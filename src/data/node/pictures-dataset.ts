/** Pictures of which nothing is known: what a trained model is asked about. */
import { FoveaError, RequestError } from '../../errors.js';
import { readPicture, type Channels } from '../../formats/node/pictures/decode.js';
import { infoOf, type DataInfo, type Dataset, type Example } from '../dataset.js';

export interface PicturesOptions {
  /**
   * Told of a picture that cannot be read, which is black in its batch: what a model says of it means nothing.
   * Default: reading it throws.
   */
  readonly onBroken?: (index: number, error: FoveaError) => void;
}

/**
 * A data set of picture files (PNG, JPEG, WebP) without labels. Each is read when it is used, turned upright,
 * and brought whole to the size and channels of the model's images, as the pictures of a training are.
 *
 * @param files paths, in the order of the examples
 * @param info what the model's images are like: that of the run, or of the data that it was trained on
 * @example
 * for await (const { index, values } of predict(model, picturesDataset(files, info), { task, runtime })) {
 *   console.log(files[index], values['probabilities']?.data);
 * }
 * @throws RequestError if there is no file, or for channels that pictures cannot have
 */
export function picturesDataset(
  files: readonly string[],
  info: DataInfo,
  { onBroken }: PicturesOptions = {},
): Dataset {
  if (files.length === 0) throw new RequestError('There is no picture: name at least one file.');
  const channels = pictureChannels(info);
  const at = (index: number): string => {
    const file = files[index];
    if (file !== undefined) return file;
    throw new RequestError(
      `There is no picture ${index}: expected a whole number from 0 to ${files.length - 1}.`,
    );
  };
  return {
    ...infoOf(info),
    split: 'val',
    size: files.length,
    nameOf: at,
    example: async (index): Promise<Example> => {
      try {
        return { image: await readPicture(at(index), channels) };
      } catch (error) {
        if (!(error instanceof FoveaError) || onBroken === undefined) throw error;
        onBroken(index, error);
        return { image: { channels, height: 1, width: 1, data: new Uint8Array(channels) } };
      }
    },
  };
}

/** @throws RequestError for a number that a picture file cannot be read as */
function pictureChannels({ channels }: DataInfo): Channels {
  if (channels === 1 || channels === 3 || channels === 4) return channels;
  throw new RequestError(
    `The model takes images of ${channels} channels, and picture files have 1 (grey), 3 (red, green, blue) or 4 (and opacity).`,
  );
}
