/**
 * Ops on tensors as functions, and how a program declares its own. Most are fluent methods too:
 * `x.relu()`. Importing this file installs these.
 */
export { adaptiveAvgPool, adaptiveMaxPool, globalAvgPool, globalMaxPool } from './adaptive-pool.js';
export { argmax } from './argmax.js';
export { batchNorm, type BatchNormResult } from './batch-norm.js';
export { channelAffine } from './channel-affine.js';
export { conv, convTranspose, type ConvOptions, type ConvTransposeOptions } from './conv.js';
export {
  defineOp,
  shapeError,
  type GradientContext,
  type LowerContext,
  type OpDeclaration,
  type OpFunction,
  type OpNode,
  type ReferenceContext,
} from './define.js';
export {
  add,
  cast,
  div,
  equal,
  expand,
  greater,
  greaterEqual,
  less,
  lessEqual,
  maximum,
  minimum,
  mul,
  pow,
  sub,
  where,
  type BinaryFunction,
} from './elementwise.js';
export { perAxis, type Padding, type PerAxis } from './geometry.js';
export { dilate, flip, gather, pad, select, slice, split } from './indexing.js';
export { constant, detach, full, input } from './leaf.js';
export { matmul } from './matmul.js';
export { concat, reshape, stack, transpose } from './movement.js';
export { groupNorm, layerNorm, normalizeBy } from './normalization.js';
export { avgPool, maxPool, type AvgPoolOptions, type MaxPoolOptions } from './pool.js';
export {
  cumsum,
  logSoftmax,
  max,
  maxFirst,
  mean,
  min,
  softmax,
  sum,
  type Reduction,
  type ReduceOptions,
} from './reduce.js';
export { interpolate, type InterpolateOptions, type InterpolationMode } from './resize.js';
export type { Gradients, Named } from './signature.js';
export {
  abs,
  clip,
  cos,
  erf,
  exp,
  gelu,
  leakyRelu,
  log,
  neg,
  reciprocal,
  relu,
  sigmoid,
  silu,
  sin,
  softplus,
  sqrt,
  square,
  tanh,
  type UnaryFunction,
} from './unary.js';
export type { Emitter, Value } from '../tensor/op.js';
