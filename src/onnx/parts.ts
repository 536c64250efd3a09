/** Graphs as the parts of an ONNX model. */
import { FoveaError } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';
import { blockRules, keptAsKernel, Layouts } from './blocks/index.js';
import { GraphEmitter } from './emitter.js';
import type { Graph, LowerOptions } from './lower.js';
import type { ModelParts } from './model.js';

/**
 * Lowers a graph for one execution provider: a model before it is bytes.
 * @throws what lowerToOnnx does
 */
export function lowerToParts(graph: Graph, options: LowerOptions): ModelParts {
  const ends = [...Object.keys(graph.inputs), ...Object.keys(graph.outputs)];
  const twice = ends.find((name, i) => ends.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new FoveaError(
      `Both an input and an output are called '${twice}'; an ONNX graph needs two names.`,
    );
  }
  const { constantNames = new Map<Tensor, string>() } = options;
  const emit = new GraphEmitter(
    options.provider,
    new Set([...ends, ...constantNames.values()]),
    options.keepNaN,
  );
  const { block = 0, blockedMaps = block > 1, state = new Set<string>() } = options;
  const layouts = new Layouts(emit, block, blockedMaps && block > 1, Object.values(graph.outputs));
  for (const [name, tensor] of Object.entries(graph.inputs)) {
    const kernel = state.has(name) && keptAsKernel(tensor.shape, block);
    layouts.place(tensor, { value: name, layout: kernel ? 'kernel' : 'plain' });
  }
  for (const [tensor, data] of graph.constants ?? []) {
    if (data.length !== tensor.size) {
      throw new FoveaError(`${data.length} values were given for ${tensor.toString()}.`);
    }
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const name = constantNames.get(tensor);
    const value = emit.initializer('weight', raw, tensor.shape, tensor.dtype, name);
    layouts.place(tensor, { value, layout: 'plain' });
  }
  for (const node of topologicalOrder(Object.values(graph.outputs), layouts)) {
    layouts.lower(node, blockRules.get(node.op));
  }

  emit.scope = '';
  const outputs = Object.entries(graph.outputs).map(([name, tensor]) => {
    emit.output(name, state.has(name) ? layouts.asKept(tensor) : layouts.plain(tensor));
    return { name, shape: tensor.shape, dtype: tensor.dtype };
  });
  const inputs = Object.entries(graph.inputs).map(([name, { shape, dtype }]) => ({
    name,
    shape,
    dtype,
  }));

  const nodes = emit.finish();
  const used = new Set(nodes.flatMap((node) => node.input));
  return {
    nodes,
    initializers: emit.initializers.filter(({ name }) => used.has(name)),
    inputs,
    outputs,
    ...(options.name !== undefined && { name: options.name }),
    ...(options.metadata && { metadata: options.metadata }),
  };
}
