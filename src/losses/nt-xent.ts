import { RequestError } from '../errors.js';
import { concat, constant, shapeError, where } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { crossEntropy } from './cross-entropy.js';
import { NOTHING, type InfoNceResult } from './info-nce.js';

/** Options of {@link ntXent}. */
export interface NtXentOptions {
  /** Cosines are divided by it. Default 0.5, SimCLR's for images of 32x32. */
  readonly temperature?: number;
}

/** As torch.nn.functional.normalize: a vector shorter than this is divided by this. */
const SHORTEST = 1e-12;

/**
 * InfoNCE for two views of every image, both ways: NT-Xent. Chen, Kornblith, Norouzi and Hinton
 * (SimCLR), ICML 2020, arXiv 2002.05709.
 *
 *   z_i    = a_i / |a_i| for i < B, b_(i-B) / |b_(i-B)| from B on         [2B, D]
 *   s_ij   = z_i . z_j / temperature                                      [2B, 2B]
 *   loss_i = -log(e^(s_ip) / sum over j other than i of e^(s_ij))         p: the other view of image i
 *   loss   = mean of loss_i
 *
 * Row i of `logits` is s_i, with -1e30 in place of s_ii, and its label is p: a classification among 2B
 * images, from which losses of single rows can be had too. {@link infoNce} instead takes similarities that
 * a network gives by itself, and which of them are positive.
 *
 * @param a embeddings of the first views, [B, D]
 * @param b embeddings of the second views, [B, D], in the same order
 * @returns logits [2B, 2B], labels int32 [2B], loss []
 * @throws ShapeError for other shapes; RequestError for a temperature that is not above 0
 */
export function ntXent(
  a: Tensor,
  b: Tensor,
  { temperature = 0.5 }: NtXentOptions = {},
): InfoNceResult {
  if (a.rank !== 2 || a.shape.join() !== b.shape.join() || a.dim(0) < 2) {
    throw shapeError('ntXent', [a, b], 'Expected two embeddings [B, D] of B images, B at least 2.');
  }
  if (!(temperature > 0)) {
    throw new RequestError(`The temperature of NT-Xent is above 0, not ${temperature}.`);
  }
  const images = a.dim(0);
  const views = concat([a, b], 0);
  const lengths = views
    .mul(views)
    .sum(1, { keepDims: true })
    .maximum(SHORTEST ** 2)
    .sqrt();
  const unit = views.div(lengths);
  const numbers = Int32Array.from({ length: 2 * images }, (_, i) => i);
  const isSelf = constant(numbers, [2 * images, 1], 'int32').equal(
    constant(numbers, [1, 2 * images], 'int32'),
  );
  const logits = where(isSelf, NOTHING, unit.matmul(unit.swapAxes()).div(temperature));
  const partners = numbers.map((i) => (i + images) % (2 * images));
  const labels = constant(partners, [2 * images], 'int32');
  return { logits, labels, loss: crossEntropy(logits, labels) };
}
