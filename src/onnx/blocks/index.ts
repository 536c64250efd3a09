import type { BlockRule } from './layout.js';
import { conv, convTranspose, convWeightGradient } from './conv.js';
import { slice, unslice } from './movement.js';
import {
  add,
  cast,
  centredSum,
  channelAffine,
  channelShift,
  elementwise,
  expand,
  normalize,
  relu,
  reluGradient,
} from './pointwise.js';
import { reduction } from './reduce.js';

/** How ops are written in the blocked layout, by name. An op that is not here has its plain lowering only. */
export const blockRules: Readonly<Record<string, BlockRule>> = {
  conv,
  convTranspose,
  convWeightGradient,
  batchNorm: normalize,
  normalizeBy: normalize,
  centredSum,
  channelAffine,
  channelShift,
  sum: reduction('sum'),
  mean: reduction('mean'),
  add,
  cast,
  relu,
  reluGradient,
  slice,
  unslice,
  expand,
  sub: elementwise('Sub'),
  mul: elementwise('Mul'),
  div: elementwise('Div'),
  maximum: elementwise('Max'),
  minimum: elementwise('Min'),
  where: elementwise('Where'),
  greater: elementwise('Greater'),
  greaterEqual: elementwise('GreaterOrEqual'),
  less: elementwise('Less'),
  lessEqual: elementwise('LessOrEqual'),
  equal: elementwise('Equal'),
  neg: elementwise('Neg'),
  exp: elementwise('Exp'),
  sqrt: elementwise('Sqrt'),
  sigmoid: elementwise('Sigmoid'),
  tanh: elementwise('Tanh'),
  erf: elementwise('Erf'),
};
export { keptAsKernel, Layouts } from './layout.js';
