/** Limits to gradients, as parts of the training step's graph. */
import { RequestError } from '../errors.js';
import { where } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

/** Gradients that were limited together. */
export interface ClippedGradients {
  /** As many as were given, of their shapes. */
  readonly gradients: Tensor[];
  /** The norm before: the root of the sum of the squares of all their elements, of shape []. */
  readonly norm: Tensor;
}

/**
 * Scales gradients down, all by one factor, to where their common norm is at most `maxNorm`, as
 * torch.nn.utils.clip_grad_norm_: the factor is maxNorm / (norm + 1e-6), or 1 where that is more.
 *
 * @example
 * const { gradients: clipped } = clippedByNorm(gradients(loss, parameters), 1);
 *
 * @param gradients at least one, float
 * @param maxNorm above 0
 * @throws RequestError for another norm, or no gradients
 */
export function clippedByNorm(gradients: readonly Tensor[], maxNorm: number): ClippedGradients {
  requireLimit('maximum norm', maxNorm);
  const squares = gradients.map((gradient) => gradient.mul(gradient).sum());
  const [first, ...others] = squares;
  if (first === undefined) throw new RequestError('There are no gradients to clip.');
  const norm = others.reduce((total, square) => total.add(square), first).sqrt();
  const ratio = norm.add(1e-6).reciprocal().mul(maxNorm);
  // Written so that a norm that is not a number makes all gradients so, as in PyTorch.
  const factor = where(ratio.greaterEqual(1), 1, ratio);
  return { gradients: gradients.map((gradient) => gradient.mul(factor)), norm };
}

/**
 * Limits every element of gradients to [-limit, limit], as torch.nn.utils.clip_grad_value_.
 *
 * @param limit above 0
 * @throws RequestError for another limit
 */
export function clippedByValue(gradients: readonly Tensor[], limit: number): Tensor[] {
  requireLimit('largest value', limit);
  return gradients.map((gradient) => gradient.clip({ min: -limit, max: limit }));
}

function requireLimit(what: string, limit: number): void {
  if (!(limit > 0 && limit < Infinity)) {
    throw new RequestError(`The ${what} of gradients must be a positive number, not ${limit}.`);
  }
}
