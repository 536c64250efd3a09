import { FoveaError } from '../errors.js';
import type { NdArray } from './ndarray.js';
import { topologicalOrder } from './walk.js';
import type { Tensor } from './tensor.js';

/**
 * Evaluates tensors in float64 by the reference rule of every op: slow, plain, and the oracle
 * for gradients and for ONNX lowering.
 * @param feeds values of the inputs that the outputs depend on
 */
export function evaluate(
  outputs: readonly Tensor[],
  feeds: ReadonlyMap<Tensor, NdArray> = new Map(),
): NdArray[] {
  const values = new Map<Tensor, NdArray>(feeds);
  const valueOf = (tensor: Tensor): NdArray => {
    const found = values.get(tensor);
    if (found === undefined) throw new FoveaError(`${tensor.toString()} was not evaluated.`);
    return found;
  };
  for (const node of topologicalOrder(outputs, values)) {
    values.set(
      node,
      node.op.reference({ inputs: node.inputs.map(valueOf), attributes: node.attributes, node }),
    );
  }
  return outputs.map(valueOf);
}
