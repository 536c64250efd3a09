/** Activation functions as modules, with torch.nn's names and defaults. All but GLU keep the shape. */
import { shapeError, where } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { constantInit } from '../init.js';
import { Module } from '../module.js';
import { Parameter } from '../parameter.js';

/** max(x, 0). */
export class ReLU extends Module {
  override forward(x: Tensor): Tensor {
    return x.relu();
  }
}

/** min(max(x, 0), 6). */
export class ReLU6 extends Module {
  override forward(x: Tensor): Tensor {
    return hardtanh(x, 0, 6);
  }
}

/** x where positive, `slope` * x elsewhere; slope 0.01 by default. */
export class LeakyReLU extends Module {
  constructor(private readonly slope = 0.01) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return x.leakyRelu(this.slope);
  }
}

/** x where positive, elsewhere x times a learned slope: one for all channels, or one for each (He et al. 2015). */
export class PReLU extends Module {
  /** [1] or [C]; 0.25 at the start */
  readonly weight: Parameter;

  constructor(parameters = 1, initial = 0.25) {
    super();
    this.weight = new Parameter([parameters], constantInit(initial));
  }

  override forward(x: Tensor): Tensor {
    const slope = this.weight.tensor.reshape(x.shape.map((_, axis) => (axis === 1 ? -1 : 1)));
    return where(x.greater(0), x, x.mul(slope));
  }
}

/** x where positive, alpha (e^x - 1) elsewhere; alpha 1 by default (Clevert et al. 2015). */
export class ELU extends Module {
  constructor(private readonly alpha = 1) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return elu(x, this.alpha);
  }
}

/** ELU that is smooth for every alpha: x where positive, alpha (e^(x / alpha) - 1) elsewhere. */
export class CELU extends Module {
  constructor(private readonly alpha = 1) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return elu(x, this.alpha, 1 / this.alpha);
  }
}

/** Scaled ELU with the constants that keep mean 0 and variance 1 (Klambauer et al. 2017). */
export class SELU extends Module {
  override forward(x: Tensor): Tensor {
    return elu(x, 1.6732632423543772848170429916717).mul(1.0507009873554804934193349852946);
  }
}

function elu(x: Tensor, alpha: number, factor = 1): Tensor {
  // Large x must not overflow in the branch that is not taken: infinity times 0 is not 0.
  const below = x.clip({ max: 0 }).mul(factor).exp().sub(1).mul(alpha);
  return where(x.greater(0), x, below);
}

/** x times the Gaussian distribution function of x, exactly; or with `approximate: 'tanh'` nearly. */
export class GELU extends Module {
  constructor(private readonly options: { readonly approximate?: 'none' | 'tanh' } = {}) {
    super();
  }

  override forward(x: Tensor): Tensor {
    if (this.options.approximate !== 'tanh') return x.gelu();
    const inner = x.add(x.mul(x).mul(x).mul(0.044715)).mul(Math.sqrt(2 / Math.PI));
    return x.mul(0.5).mul(inner.tanh().add(1));
  }
}

/** x * sigmoid(x), also called swish. */
export class SiLU extends Module {
  override forward(x: Tensor): Tensor {
    return x.silu();
  }
}

/** x * tanh(softplus(x)) (Misra 2019). */
export class Mish extends Module {
  override forward(x: Tensor): Tensor {
    return x.mul(x.softplus().tanh());
  }
}

/** log(1 + e^(beta x)) / beta, a smooth ReLU; beta 1 by default. */
export class Softplus extends Module {
  constructor(private readonly beta = 1) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return x.mul(this.beta).softplus().div(this.beta);
  }
}

/** x / (1 + |x|). */
export class Softsign extends Module {
  override forward(x: Tensor): Tensor {
    return x.div(x.abs().add(1));
  }
}

/** 1 / (1 + e^-x). */
export class Sigmoid extends Module {
  override forward(x: Tensor): Tensor {
    return x.sigmoid();
  }
}

/** Logarithm of the sigmoid, computed without overflow. */
export class LogSigmoid extends Module {
  override forward(x: Tensor): Tensor {
    return x.neg().softplus().neg();
  }
}

/** Hyperbolic tangent. */
export class Tanh extends Module {
  override forward(x: Tensor): Tensor {
    return x.tanh();
  }
}

/** x limited to [min, max], by default to [-1, 1]. At a bound the gradient is 0. */
export class Hardtanh extends Module {
  constructor(
    private readonly min = -1,
    private readonly max = 1,
  ) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return hardtanh(x, this.min, this.max);
  }
}

/** torch's clamp lets the gradient pass at a bound, its hardtanh does not. NaN stays NaN. */
function hardtanh(x: Tensor, min: number, max: number): Tensor {
  return where(x.lessEqual(min), min, where(x.greaterEqual(max), max, x));
}

/** relu6(x + 3) / 6. */
export class Hardsigmoid extends Module {
  override forward(x: Tensor): Tensor {
    return hardtanh(x.add(3), 0, 6).div(6);
  }
}

/** x * relu6(x + 3) / 6. */
export class Hardswish extends Module {
  override forward(x: Tensor): Tensor {
    return x.mul(x.add(3).clip({ min: 0, max: 6 })).div(6);
  }
}

/** The first half of an axis (the last by default) times the sigmoid of the second (Dauphin et al. 2016). */
export class GLU extends Module {
  constructor(private readonly axis = -1) {
    super();
  }

  override forward(x: Tensor): Tensor {
    const axis = this.axis < 0 ? this.axis + x.rank : this.axis;
    const half = x.dim(axis) / 2;
    if (!Number.isInteger(half)) {
      throw shapeError('GLU', [x], `Axis ${this.axis} must have an even size, to be halved.`);
    }
    return x.slice(axis, 0, half).mul(x.slice(axis, half).sigmoid());
  }
}

/** e^x normalised to sum 1 along an axis. */
export class Softmax extends Module {
  constructor(private readonly axis: number) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return x.softmax(this.axis);
  }
}

/** Logarithm of the softmax along an axis, computed without overflow. */
export class LogSoftmax extends Module {
  constructor(private readonly axis: number) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return x.logSoftmax(this.axis);
  }
}
