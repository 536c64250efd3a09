import { record } from '../nn/context.js';
import type { Layer } from '../nn/module.js';
import { input } from '../ops/index.js';
import { elementCount, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';

/** What one input costs a model in a forward pass. */
export interface Cost {
  /** Learned values. */
  readonly parameters: number;
  /** Multiply-accumulate operations of convolutions and matrix products for one image. */
  readonly macs: number;
}

/**
 * Counts a model's parameters and multiply-accumulates.
 * @param inputShape of one input without its batch axis, [C, H, W]
 */
export function cost(model: Layer, inputShape: Shape): Cost {
  model.assignPaths();
  const { output } = record(false, () => model.forward(input('x', [1, ...inputShape])));
  return { parameters: model.parameterCount(), macs: multiplyAccumulates([output]) };
}

/** Multiply-accumulates of the convolutions and matrix products that the outputs depend on. */
export function multiplyAccumulates(outputs: readonly Tensor[]): number {
  return topologicalOrder(outputs).reduce((total, node) => total + ownMacs(node), 0);
}

function ownMacs(node: Tensor): number {
  const [first, second] = node.inputs;
  if (node.op.name === 'conv' && second) return node.size * elementCount(second.shape.slice(1));
  // Every input element meets every tap of every output channel of its group.
  if (node.op.name === 'convTranspose' && first && second) {
    return first.size * elementCount(second.shape.slice(1));
  }
  if (node.op.name === 'matmul' && first) return node.size * first.dim(-1);
  return 0;
}
