import { RequestError } from '../../errors.js';
import type { Tensor } from '../../tensor/tensor.js';
import { bernoulliNoise } from '../context.js';
import { Module } from '../module.js';

/**
 * In training sets each value to 0 with probability `p` and multiplies the others by 1 / (1 - p);
 * in eval the identity. Srivastava et al. 2014; defaults of torch.nn.Dropout. The mask is drawn by
 * the host from its seeded generator.
 */
export class Dropout extends Module {
  /** @throws RequestError for a probability outside [0, 1] */
  constructor(readonly p = 0.5) {
    super();
    if (!(p >= 0 && p <= 1)) {
      throw new RequestError(`A dropout probability lies in [0, 1], not ${p}.`);
    }
  }

  override forward(x: Tensor): Tensor {
    if (!this.training || this.p === 0) return x;
    const scale = this.p === 1 ? 0 : 1 / (1 - this.p);
    return x.mul(bernoulliNoise('mask', x.shape, 1 - this.p, scale));
  }
}
