/** Statistics of pixels that a person gives: whether they can be meant. */
import { RequestError } from '../errors.js';
import type { Normalization } from './dataset.js';

/**
 * Checks statistics for pixels from 0 to 1, as torchvision's `Normalize` takes them.
 *
 * @param channels of the images
 * @returns the same
 * @throws RequestError unless there is a mean from 0 to 1 and a deviation above 0 and up to 1 for every channel;
 *   those of pixels from 0 to 255 are recognised
 */
export function checkNormalization(normalization: Normalization, channels: number): Normalization {
  const { mean, std } = normalization;
  for (const [name, values] of [
    ['mean', mean],
    ['std', std],
  ] as const) {
    if (values.length !== channels) {
      throw new RequestError(
        `The ${name} of the pixels has ${values.length} values (${values.join(',')}): expected ${channels}, ` +
          'one for each channel.',
      );
    }
    const inBytes = [...mean, ...std].some((value) => value > 1 && value <= 255);
    const wrong = values.find(
      (value) => !(value >= 0 && value <= 1) || (name === 'std' && value === 0),
    );
    if (wrong !== undefined) {
      const range = name === 'mean' ? 'from 0 to 1' : 'above 0 and up to 1';
      throw new RequestError(
        `The ${name} of the pixels has the value ${wrong}: expected numbers ${range}, of pixels from 0 to 1.` +
          (inBytes ? ` Those of pixels from 0 to 255 are to be divided by 255.` : ''),
      );
    }
  }
  return normalization;
}
