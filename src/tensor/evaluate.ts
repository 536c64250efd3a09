import { FoveaError } from '../errors.js';
import type { NdArray } from './ndarray.js';
import { topologicalOrder } from './walk.js';
import type { Tensor } from './tensor.js';

/** Applies a node's reference rule to its inputs, or does more. */
export type Apply = (
  node: Tensor,
  inputs: readonly NdArray[],
  rule: (inputs: readonly NdArray[]) => NdArray,
) => NdArray;

/**
 * Evaluates tensors in float64 by the reference rule of every op: slow, plain, and the oracle
 * for gradients and for ONNX lowering.
 * @param feeds values of the inputs that the outputs depend on
 * @param apply what is done at each node; default: its rule
 */
export function evaluate(
  outputs: readonly Tensor[],
  feeds: ReadonlyMap<Tensor, NdArray> = new Map(),
  apply: Apply = (_, inputs, rule) => rule(inputs),
): NdArray[] {
  const values = new Map<Tensor, NdArray>(feeds);
  const valueOf = (tensor: Tensor): NdArray => {
    const found = values.get(tensor);
    if (found === undefined) throw new FoveaError(`${tensor.toString()} was not evaluated.`);
    return found;
  };
  for (const node of topologicalOrder(outputs, values)) {
    const { op, attributes } = node;
    const rule = (inputs: readonly NdArray[]) => op.reference({ inputs, attributes, node });
    values.set(node, apply(node, node.inputs.map(valueOf), rule));
  }
  return outputs.map(valueOf);
}
