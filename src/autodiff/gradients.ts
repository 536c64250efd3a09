import { FoveaError } from '../errors.js';
import { add, full } from '../ops/index.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';

/**
 * Reverse-mode differentiation: builds the graph of the gradients of sum_i(outputs[i] * cotangents[i])
 * with respect to `inputs`. The result is more graph, so it can be differentiated again.
 *
 * @example
 * const x = input('x', [3]);
 * const [slope] = gradients(x.square().sum(), [x]); // 2 x, of shape [3]
 *
 * @param outputs float tensors; without cotangents each must have one element (a loss)
 * @param inputs any tensors of the graph
 * @param cotangents one per output, of its shape; ones by default
 * @returns one tensor per input, of its shape; zeros where no path leads from an output to it
 * @throws FoveaError where a path leads through an op that has no derivative, or whose gradient rule
 *   does not give one gradient, or null, for each input, of that input's shape
 */
export function gradients(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  cotangents?: readonly Tensor[],
): Tensor[] {
  const targets = 'op' in outputs ? [outputs] : outputs;
  const upstream = new Map<Tensor, Tensor>();
  const accumulate = (tensor: Tensor, gradient: Tensor) => {
    const sofar = upstream.get(tensor);
    upstream.set(tensor, sofar ? add(sofar, gradient) : gradient);
  };
  for (const [i, output] of targets.entries()) {
    if (output.dtype !== 'float32') {
      throw new FoveaError(`${output.toString()} has no gradient: its values are no floats.`);
    }
    const cotangent = cotangents ? cotangents[i] : full(output.shape, 1);
    if (
      cotangent === undefined ||
      !sameShape(cotangent.shape, output.shape) ||
      (!cotangents && output.size !== 1)
    ) {
      throw new FoveaError(
        `The gradient of ${output.toString()} needs a cotangent of shape ${formatShape(output.shape)}.`,
      );
    }
    accumulate(output, cotangent);
  }

  const order = topologicalOrder(targets);
  const relevant = dependents(order, new Set(inputs));
  for (const node of order.reverse()) {
    const g = upstream.get(node);
    if (g === undefined || !node.inputs.some((input) => relevant.has(input))) continue;
    const { op, attributes } = node;
    if (op.gradient === null) {
      throw new FoveaError(
        `A gradient was asked for through ${node.toString()}${node.scope && ` at ${node.scope}`}, which has no derivative.`,
      );
    }
    const found = op.gradient({ inputs: node.inputs, output: node, attributes, upstream: g });
    checkRule(node, found);
    for (const [i, input] of node.inputs.entries()) {
      const gradient = found[i];
      if (gradient && relevant.has(input)) accumulate(input, gradient);
    }
  }
  return inputs.map((input) => upstream.get(input) ?? full(input.shape, 0));
}

/** A gradient too few would be a zero, and one of another shape would be broadcast, both in silence. */
function checkRule(node: Tensor, found: readonly (Tensor | null)[]): void {
  const where = `The gradient rule of '${node.op.name}'${node.scope && ` at ${node.scope}`}`;
  if (found.length !== node.inputs.length) {
    throw new FoveaError(
      `${where} gave ${found.length} gradients for ${node.inputs.length} inputs. It must give one for each, null for none.`,
    );
  }
  for (const [i, input] of node.inputs.entries()) {
    const gradient = found[i];
    if (gradient === null) continue;
    if (gradient?.dtype !== 'float32' || !sameShape(gradient.shape, input.shape)) {
      const given = gradient ? `${gradient.dtype} ${formatShape(gradient.shape)}` : 'nothing';
      throw new FoveaError(
        `${where} gave ${given} as the gradient of input ${i}, which needs float32 ${formatShape(input.shape)}.`,
      );
    }
  }
}

/** The inputs and every float tensor computed from them: the only ones that need a gradient. */
function dependents(order: readonly Tensor[], inputs: ReadonlySet<Tensor>): Set<Tensor> {
  const found = new Set<Tensor>();
  for (const node of order) {
    const depends = inputs.has(node) || node.inputs.some((input) => found.has(input));
    if (depends && node.dtype === 'float32') found.add(node);
  }
  return found;
}
