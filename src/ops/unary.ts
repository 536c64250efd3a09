/** Functions of one tensor, element by element. */
import { ndarray } from '../tensor/ndarray.js';
import type { Emitter, Value } from '../tensor/op.js';
import { at } from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { defineOp, type OpFunction } from './define.js';
import { greater, greaterEqual, lessEqual, mul, where } from './elementwise.js';
import { lowerCosine, lowerSine } from './sine-lowering.js';

/** A function of one tensor, with the op that it adds to the graph. */
export interface UnaryFunction {
  (x: Tensor): Tensor;
  readonly op: OpFunction<'x', object>;
}

function unary(
  name: string,
  onnx: string | ((emit: Emitter, x: Value) => Value),
  f: (x: number) => number,
  gradient: (context: { x: Tensor; y: Tensor; g: Tensor }) => Tensor,
): UnaryFunction {
  const op = defineOp(name, {
    inputs: ['x'],
    shape: ({ x }) => x.shape,
    gradient: ({ x }, { output: y, upstream: g }) => ({ x: gradient({ x, y, g }) }),
    lower: ({ x }, { emit }) => (typeof onnx === 'string' ? emit.node(onnx, [x]) : onnx(emit, x)),
    reference: ({ x }) => ndarray(x.shape, x.data.map(f)),
  });
  return Object.assign((x: Tensor) => op({ x }), { op });
}

/** -x. */
export const neg = unary(
  'neg',
  'Neg',
  (x) => -x,
  ({ g }) => neg(g),
);
/** e to the power x. */
export const exp = unary('exp', 'Exp', Math.exp, ({ y, g }) => mul(g, y));
/** Natural logarithm. */
export const log = unary('log', 'Log', Math.log, ({ x, g }) => g.div(x));
/** Square root. */
export const sqrt = unary('sqrt', 'Sqrt', Math.sqrt, ({ y, g }) => g.mul(0.5).div(y));
/** 1 / x. */
export const reciprocal = unary(
  'reciprocal',
  'Reciprocal',
  (x) => 1 / x,
  ({ y, g }) => neg(g.mul(y).mul(y)),
);
/** |x|; the derivative at 0 is 0 (as PyTorch). */
export const abs = unary('abs', 'Abs', Math.abs, ({ x, g }) =>
  where(greater(x, 0), g, where(x.less(0), neg(g), 0)),
);
/** x * x. */
export const square = unary(
  'square',
  (emit, x) => emit.node('Mul', [x, x]),
  (x) => x * x,
  ({ x, g }) => g.mul(x).mul(2),
);
/** Sine. */
export const sin = unary('sin', lowerSine, Math.sin, ({ x, g }) => g.mul(cos(x)));
/** Cosine. */
export const cos = unary('cos', lowerCosine, Math.cos, ({ x, g }) => neg(g.mul(sin(x))));
/** Hyperbolic tangent. */
export const tanh = unary('tanh', 'Tanh', Math.tanh, ({ y, g }) => g.mul(y.mul(y).neg().add(1)));
/** Logistic function 1 / (1 + e^-x). */
export const sigmoid = unary(
  'sigmoid',
  'Sigmoid',
  (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))),
  ({ y, g }) => g.mul(y).mul(y.neg().add(1)),
);
/** The error function. */
export const erf = unary('erf', 'Erf', erfFloat64, ({ x, g }) =>
  g.mul(exp(neg(square(x)))).mul(2 / Math.sqrt(Math.PI)),
);
/** log(1 + e^x), a smooth max(x, 0). */
export const softplus = unary(
  'softplus',
  'Softplus',
  (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  ({ x, g }) => g.mul(sigmoid(x)),
);
/** max(x, 0); the derivative at 0 is 0 (as PyTorch). */
export const relu = unary(
  'relu',
  'Relu',
  (x) => Math.max(x, 0),
  ({ y, g }) => reluGradientOp({ y, upstream: g }),
);

/**
 * The gradient of a ReLU, from its output y and the gradient of that. A step of one instruction per element,
 * min(max(s y, 0), 1) with s so large that every normal float above 0 becomes 1, serves as the mask:
 * ONNX Runtime computes it and the product faster than a comparison and a choice.
 */
export const reluGradientOp: OpFunction<'y' | 'upstream', object> = defineOp('reluGradient', {
  inputs: ['y', 'upstream'],
  shape: ({ y }) => y.shape,
  gradient: ({ y }, { upstream }) => ({ y: null, upstream: reluGradientOp({ y, upstream }) }),
  lower: ({ y, upstream }, { emit }) => emit.node('Mul', [upstream, reluMask(emit, y)]),
  reference: ({ y, upstream }) =>
    ndarray(
      y.shape,
      y.data.map((v, i) => (v > 0 ? at(upstream.data, i) : 0)),
    ),
});

/** 1 where a value is positive, else 0. */
export function reluMask(emit: Emitter, y: Value): Value {
  return emit.node('HardSigmoid', [y], { alpha: { float: 3e38 }, beta: { float: 0 } });
}

/**
 * erf in float64. Series for small arguments, continued fraction for the tail
 * (Abramowitz and Stegun 7.1.6 and 7.1.14); accurate to about 1e-15.
 */
function erfFloat64(x: number): number {
  const magnitude = Math.abs(x);
  if (Number.isNaN(x)) return NaN;
  if (magnitude > 6) return Math.sign(x);
  const scale = (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x);
  if (magnitude < 3) {
    let term = x;
    let total = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
      term *= (2 * x * x) / (2 * n + 1);
      total += term;
    }
    return scale * total;
  }
  let fraction = magnitude;
  for (let n = 80; n >= 1; n--) fraction = magnitude + n / 2 / fraction;
  return Math.sign(x) * (1 - scale / 2 / fraction);
}

/** GELU with the exact Gaussian distribution function, x/2 (1 + erf(x / sqrt 2)); not the tanh approximation. */
export function gelu(x: Tensor): Tensor {
  return x.mul(0.5).mul(erf(x.mul(Math.SQRT1_2)).add(1));
}

/** x * sigmoid(x), also called swish. */
export function silu(x: Tensor): Tensor {
  return x.mul(sigmoid(x));
}

const clipOp = defineOp('clip', {
  inputs: ['x'],
  shape: ({ x }, { min, max }: { readonly min: number; readonly max: number }) =>
    min <= max ? x.shape : `The lower bound ${min} is above the upper bound ${max}.`,
  gradient: ({ x }, { attributes: { min, max }, upstream: g }) => ({
    x: where(greaterEqual(x, min), where(lessEqual(x, max), g, 0), 0),
  }),
  lower: ({ x }, { emit, attributes: { min, max } }) =>
    emit.node('Clip', [
      x,
      Number.isFinite(min) ? emit.constant([min], [], 'float32') : '',
      Number.isFinite(max) ? emit.constant([max], [], 'float32') : '',
    ]),
  reference: ({ x }, { attributes: { min, max } }) =>
    ndarray(
      x.shape,
      x.data.map((v) => Math.min(Math.max(v, min), max)),
    ),
});

/** Limits values to [min, max]; either bound may be left out. At a bound the gradient passes (as PyTorch). */
export function clip(x: Tensor, { min = -Infinity, max = Infinity } = {}): Tensor {
  return clipOp({ x }, { min, max });
}

const leakyReluOp = defineOp('leakyRelu', {
  inputs: ['x'],
  shape: ({ x }, _: { readonly slope: number }) => x.shape,
  gradient: ({ x }, { attributes: { slope }, upstream: g }) => ({
    x: where(greater(x, 0), g, g.mul(slope)),
  }),
  lower: ({ x }, { emit, attributes: { slope } }) =>
    emit.node('LeakyRelu', [x], { alpha: { float: slope } }),
  reference: ({ x }, { attributes: { slope } }) =>
    ndarray(
      x.shape,
      x.data.map((v) => (v > 0 ? v : v * slope)),
    ),
});

/** x where positive, slope * x elsewhere. Default slope 0.01. */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  return leakyReluOp({ x }, { slope });
}

declare module '../tensor/tensor.js' {
  interface Tensor {
    /** -x. */
    neg(): Tensor;
    /** e to the power x. */
    exp(): Tensor;
    /** Natural logarithm. */
    log(): Tensor;
    /** Square root. */
    sqrt(): Tensor;
    /** 1 / x. */
    reciprocal(): Tensor;
    /** |x|. */
    abs(): Tensor;
    /** x * x. */
    square(): Tensor;
    /** Sine. */
    sin(): Tensor;
    /** Cosine. */
    cos(): Tensor;
    /** Hyperbolic tangent. */
    tanh(): Tensor;
    /** Logistic function. */
    sigmoid(): Tensor;
    /** Error function. */
    erf(): Tensor;
    /** log(1 + e^x). */
    softplus(): Tensor;
    /** max(x, 0). */
    relu(): Tensor;
    /** Exact GELU. */
    gelu(): Tensor;
    /** x * sigmoid(x). */
    silu(): Tensor;
    /** Limits values to [min, max]. */
    clip(bounds: { min?: number; max?: number }): Tensor;
    /** x where positive, slope * x elsewhere. */
    leakyRelu(slope?: number): Tensor;
  }
}

const fluent = {
  neg,
  exp,
  log,
  sqrt,
  reciprocal,
  abs,
  square,
  sin,
  cos,
  tanh,
  sigmoid,
  erf,
  softplus,
  relu,
  gelu,
  silu,
};
installMethods({
  ...Object.fromEntries(
    Object.entries(fluent).map(([name, op]) => [
      name,
      function (this: Tensor) {
        return op(this);
      },
    ]),
  ),
  clip(bounds: { min?: number; max?: number }) {
    return clip(this, bounds);
  },
  leakyRelu(slope?: number) {
    return leakyRelu(this, slope);
  },
});
