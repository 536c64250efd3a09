/** Activation functions as modules. All keep the shape, and none has parameters. */
import type { Tensor } from '../../tensor/tensor.js';
import { Module } from '../module.js';

/** max(x, 0). */
export class ReLU extends Module {
  override forward(x: Tensor): Tensor {
    return x.relu();
  }
}

/** min(max(x, 0), 6). */
export class ReLU6 extends Module {
  override forward(x: Tensor): Tensor {
    return x.relu().clip({ max: 6 });
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

/** x times the Gaussian distribution function of x, exactly (torch's default), not by tanh. */
export class GELU extends Module {
  override forward(x: Tensor): Tensor {
    return x.gelu();
  }
}

/** x * sigmoid(x), also called swish. */
export class SiLU extends Module {
  override forward(x: Tensor): Tensor {
    return x.silu();
  }
}

/** 1 / (1 + e^-x). */
export class Sigmoid extends Module {
  override forward(x: Tensor): Tensor {
    return x.sigmoid();
  }
}

/** Hyperbolic tangent. */
export class Tanh extends Module {
  override forward(x: Tensor): Tensor {
    return x.tanh();
  }
}

/** relu6(x + 3) / 6. */
export class Hardsigmoid extends Module {
  override forward(x: Tensor): Tensor {
    return hardsigmoid(x);
  }
}

/** x * relu6(x + 3) / 6. */
export class Hardswish extends Module {
  override forward(x: Tensor): Tensor {
    return x.mul(hardsigmoid(x));
  }
}

function hardsigmoid(x: Tensor): Tensor {
  return x.add(3).relu().clip({ max: 6 }).div(6);
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
