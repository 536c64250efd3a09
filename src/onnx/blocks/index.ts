/**
 * How ops are written in the blocked layout. Each rule is found by the op itself, and is given its
 * inputs and attributes as they were declared: a rule for another op, or of none, does not compile.
 */
import { batchNormOp, centredSumOp, channelShiftOp } from '../../ops/batch-norm.js';
import { channelAffineOp } from '../../ops/channel-affine.js';
import { convOp, convTransposeOp, convWeightGradientOp } from '../../ops/conv.js';
import type { OpFunction } from '../../ops/define.js';
import * as elements from '../../ops/elementwise.js';
import { sliceOp, unsliceOp } from '../../ops/indexing.js';
import { normalizeByOp } from '../../ops/normalization.js';
import { mean, sum } from '../../ops/reduce.js';
import * as functions from '../../ops/unary.js';
import type { Op } from '../../tensor/op.js';
import type { Tensor } from '../../tensor/tensor.js';
import { convTranspose } from './conv-transpose.js';
import { conv, convWeightGradient } from './conv.js';
import type { BlockRule, Layouts, Placed } from './layout.js';
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

type Entry = [Op, (layouts: Layouts, node: Tensor) => Placed | undefined];

function blocked<N extends string, A extends object>(
  op: OpFunction<N, A>,
  rule: BlockRule<N, A>,
): Entry {
  return [
    op.op,
    (layouts, node) => {
      const read = op.read(node);
      return read && rule(layouts, node, read);
    },
  ];
}

/** The rules by op. An op that has none is always written as its declaration says. */
export const blockRules = new Map<Op, Entry[1]>([
  blocked(convOp, conv),
  blocked(convTransposeOp, convTranspose),
  blocked(convWeightGradientOp, convWeightGradient),
  blocked(batchNormOp, normalize),
  blocked(normalizeByOp, normalize),
  blocked(centredSumOp, centredSum),
  blocked(channelAffineOp, channelAffine),
  blocked(channelShiftOp, channelShift),
  blocked(sum.op, reduction('sum')),
  blocked(mean.op, reduction('mean')),
  blocked(elements.add.op, add),
  blocked(elements.castOp, cast),
  blocked(functions.relu.op, relu),
  blocked(functions.reluGradientOp, reluGradient),
  blocked(sliceOp, slice),
  blocked(unsliceOp, unslice),
  blocked(elements.expandOp, expand),
  blocked(elements.sub.op, elementwise('Sub')),
  blocked(elements.mul.op, elementwise('Mul')),
  blocked(elements.div.op, elementwise('Div')),
  blocked(elements.maximum.op, elementwise('Max')),
  blocked(elements.minimum.op, elementwise('Min')),
  blocked(elements.whereOp, elementwise('Where')),
  blocked(elements.greater.op, elementwise('Greater')),
  blocked(elements.greaterEqual.op, elementwise('GreaterOrEqual')),
  blocked(elements.less.op, elementwise('Less')),
  blocked(elements.lessEqual.op, elementwise('LessOrEqual')),
  blocked(elements.equal.op, elementwise('Equal')),
  blocked(functions.neg.op, elementwise('Neg')),
  blocked(functions.exp.op, elementwise('Exp')),
  blocked(functions.sqrt.op, elementwise('Sqrt')),
  blocked(functions.sigmoid.op, elementwise('Sigmoid')),
  blocked(functions.tanh.op, elementwise('Tanh')),
  blocked(functions.erf.op, elementwise('Erf')),
]);

export { keptAsKernel, Layouts } from './layout.js';
