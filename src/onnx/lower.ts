import { FoveaError } from '../errors.js';
import type { Provider, TensorData } from '../tensor/op.js';
import type { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';
import { blockRules, keptAsKernel, Layouts } from './blocks/index.js';
import { GraphEmitter } from './emitter.js';
import { writeModel, type ModelParts } from './model.js';

/** A graph with named ends, ready to be lowered. */
export interface Graph {
  /** Inputs by the name under which they are fed. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** Outputs by the name under which they are fetched. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Inputs whose values become part of the graph, so that ONNX Runtime can fold and reorder them. */
  readonly constants?: ReadonlyMap<Tensor, TensorData>;
}

export interface LowerOptions {
  readonly provider: Provider;
  /** Key-value pairs stored in the file. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly name?: string;
  /**
   * Floats per block of the CPU provider's blocked layout (see blocks/layout.ts), which depends on
   * the machine. Default 0: there is none.
   */
  readonly block?: number;
  /** Whether feature maps are kept in blocks; by default where there are any. */
  readonly blockedMaps?: boolean;
  /** Inputs and outputs, by name, that are part of a state, which keeps weights in the kernel layout. */
  readonly state?: ReadonlySet<string>;
  /**
   * Whether maxima are NaN where an element is, as in PyTorch, which takes a few operators more. Default:
   * on every provider but WebGPU, where NaN is lost anyway.
   */
  readonly keepNaN?: boolean;
  /** What the graph's constants are called in the file. Default: weight and a number. */
  readonly constantNames?: ReadonlyMap<Tensor, string>;
}

/**
 * Writes a graph as the bytes of an ONNX model, lowered for one execution provider.
 * @throws FoveaError if an output depends on an input that is not listed, an input and an output
 * share a name, or a constant has not as many values as its tensor
 */
export function lowerToOnnx(graph: Graph, options: LowerOptions): Uint8Array {
  return writeModel(lowerToParts(graph, options));
}

/** As {@link lowerToOnnx}, but before it is bytes. */
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
    layouts.lower(node, blockRules[node.op.name]);
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
