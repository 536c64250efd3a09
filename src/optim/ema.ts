import { RequestError } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';

/**
 * One step of an exponential moving average, as a part of the training step's graph:
 *
 *   average + (1 - decay) (value - average)  =  decay average + (1 - decay) value
 *
 * An average of weights starts as the weights themselves. With decay 0.9, from 1, the values 2 and 4
 * make it 1.1 and 1.39.
 *
 * @param average so far
 * @param value the new one, of its shape
 * @param decay share of the average that is kept, from 0 to 1; usually 0.99 to 0.9999. A tensor of
 *   shape [] where it changes from step to step
 * @returns the new average
 * @throws RequestError for a number out of range
 */
export function emaUpdate(average: Tensor, value: Tensor, decay: number | Tensor): Tensor {
  if (typeof decay === 'number' && !(decay >= 0 && decay <= 1)) {
    throw new RequestError(`The decay of a moving average must be from 0 to 1, not ${decay}.`);
  }
  const step = typeof decay === 'number' ? 1 - decay : decay.neg().add(1);
  return average.add(value.sub(average).mul(step));
}
