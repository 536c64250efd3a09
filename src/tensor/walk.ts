import type { Tensor } from './tensor.js';

/**
 * Every tensor that the outputs depend on, each after its inputs. Tensors in `known` and what is
 * above them are left out. Works without recursion, since graphs are thousands of nodes deep.
 */
export function topologicalOrder(
  outputs: readonly Tensor[],
  known: { has(tensor: Tensor): boolean } = new Set<Tensor>(),
): Tensor[] {
  const found = new Set<Tensor>();
  const pending = outputs.filter((tensor) => !known.has(tensor));
  for (let tensor = pending.pop(); tensor !== undefined; tensor = pending.pop()) {
    if (found.has(tensor)) continue;
    found.add(tensor);
    for (const input of tensor.inputs)
      if (!known.has(input) && !found.has(input)) pending.push(input);
  }
  // A tensor can only refer to tensors made before it, so the order of creation is topological.
  return [...found].sort((a, b) => a.id - b.id);
}
