import { FoveaError, RequestError } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';

/** The scalar that an optimiser's rule was promised. */
export function need(scalars: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const scalar = scalars[name];
  if (scalar === undefined) throw new FoveaError(`The optimiser was not given its scalar ${name}.`);
  return scalar;
}

/** The slot that an optimiser's rule was promised. */
export function needSlot(slots: readonly Tensor[], index: number): Tensor {
  const slot = slots[index];
  if (slot === undefined) throw new FoveaError(`The optimiser was not given its slot ${index}.`);
  return slot;
}

/** @throws RequestError unless low <= value < high */
export function requireRange(what: string, value: number, low: number, high: number): void {
  if (!(value >= low && value < high)) {
    throw new RequestError(`${what} must be at least ${low} and less than ${high}, not ${value}.`);
  }
}
