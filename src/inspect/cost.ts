import type { Module } from '../nn/module.js';
import { Parameter } from '../nn/parameter.js';
import { elementCount, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';
import { traceForward } from './trace.js';

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
export function cost(model: Module, inputShape: Shape): Cost {
  const { outputs } = traceForward(model, [[1, ...inputShape]]);
  return { parameters: model.parameterCount(), macs: multiplyAccumulates(outputs) };
}

/** What one layer costs. */
export interface LayerCost extends Cost {
  /** Where it stands in the model: `layer1.0.conv1`. */
  readonly path: string;
  /** Its class: `Conv2d`. */
  readonly type: string;
  /** Of its output for one input, without the batch axis. */
  readonly output: Shape;
}

/**
 * Counts every layer of a model that has parameters or multiplies, in the order of the forward pass.
 * @param inputShape of one input without its batch axis, [C, H, W]
 */
export function layerCosts(model: Module, inputShape: Shape): LayerCost[] {
  const { outputs } = traceForward(model, [[1, ...inputShape]]);
  const nodesOf = new Map<string, Tensor[]>();
  for (const node of topologicalOrder(outputs)) {
    const nodes = nodesOf.get(node.scope) ?? [];
    nodesOf.set(node.scope, [...nodes, node]);
  }
  const modules = new Map(model.namedModules());
  return [...nodesOf].flatMap(([path, nodes]) => {
    const module = modules.get(path);
    const own = Object.values(module ?? {}).filter((value) => value instanceof Parameter);
    const parameters = own.reduce((total, parameter) => total + parameter.tensor.size, 0);
    const macs = nodes.reduce((total, node) => total + ownMacs(node), 0);
    const last = nodes.at(-1);
    if (module === undefined || last === undefined || parameters + macs === 0) return [];
    return [{ path, type: module.constructor.name, parameters, macs, output: last.shape.slice(1) }];
  });
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
