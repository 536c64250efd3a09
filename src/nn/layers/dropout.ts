import { RequestError } from '../../errors.js';
import { shapeError } from '../../ops/index.js';
import type { Shape } from '../../tensor/shape.js';
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
    return x.mul(bernoulliNoise('mask', this.maskShape(x), 1 - this.p, scale));
  }

  /** The shape of what is kept or dropped as one. */
  protected maskShape(x: Tensor): Shape {
    return x.shape;
  }
}

/** Drops whole channels (Tompson et al. 2014). */
abstract class DropoutNd extends Dropout {
  constructor(
    private readonly axes: number,
    p: number,
  ) {
    super(p);
  }

  protected override maskShape(x: Tensor): Shape {
    if (x.rank !== this.axes + 2) {
      const shape = ['B', 'C', ...['D', 'H', 'W'].slice(-this.axes)].join(', ');
      throw shapeError(this.constructor.name, [x], `Expected [${shape}].`);
    }
    return x.shape.map((size, axis) => (axis < 2 ? size : 1));
  }
}

/** Dropout of whole channels of [B, C, L], as torch.nn.Dropout1d. */
export class Dropout1d extends DropoutNd {
  constructor(p = 0.5) {
    super(1, p);
  }
}

/** Dropout of whole channels of [B, C, H, W], as torch.nn.Dropout2d. */
export class Dropout2d extends DropoutNd {
  constructor(p = 0.5) {
    super(2, p);
  }
}

/** Dropout of whole channels of [B, C, D, H, W], as torch.nn.Dropout3d. */
export class Dropout3d extends DropoutNd {
  constructor(p = 0.5) {
    super(3, p);
  }
}
