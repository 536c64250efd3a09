import { create } from '@bufbuild/protobuf';
import { FoveaError } from '../errors.js';
import type { Provider, TensorData, Value } from '../tensor/op.js';
import type { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';
import { blockRules, Layouts } from './blocks/index.js';
import { GraphEmitter } from './emitter.js';
import { valueInfo, writeModel } from './model.js';
import { NodeProtoSchema, type NodeProto } from './onnx_pb.js';

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
   * the machine; 0, the default, for the plain layout only.
   */
  readonly block?: number;
}

/**
 * Writes a graph as the bytes of an ONNX model, lowered for one execution provider.
 * @throws FoveaError if an output depends on an input that is not listed, an input and an output
 * share a name, or a constant has not as many values as its tensor
 */
export function lowerToOnnx(graph: Graph, options: LowerOptions): Uint8Array {
  const ends = [...Object.keys(graph.inputs), ...Object.keys(graph.outputs)];
  const twice = ends.find((name, i) => ends.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new FoveaError(
      `Both an input and an output are called '${twice}'; an ONNX graph needs two names.`,
    );
  }
  const emit = new GraphEmitter(options.provider, new Set(ends));
  const layouts = new Layouts(emit, options.block ?? 0, Object.values(graph.outputs));
  const place = (tensor: Tensor, value: Value) => layouts.place(tensor, { value, blocked: false });
  for (const [name, tensor] of Object.entries(graph.inputs)) place(tensor, name);
  for (const [tensor, data] of graph.constants ?? []) {
    if (data.length !== tensor.size) {
      throw new FoveaError(`${data.length} values were given for ${tensor.toString()}.`);
    }
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    place(tensor, emit.initializer('weight', raw, tensor.shape, tensor.dtype));
  }
  for (const node of topologicalOrder(Object.values(graph.outputs), layouts)) {
    layouts.lower(node, blockRules[node.op.name]);
  }

  // Outputs get their public names by Identity nodes, which ONNX Runtime removes.
  emit.scope = '';
  const outputs = Object.entries(graph.outputs).map(([name, tensor]) => {
    emit.nodes.push(
      create(NodeProtoSchema, {
        name,
        opType: 'Identity',
        input: [layouts.plain(tensor)],
        output: [name],
      }),
    );
    return valueInfo(name, tensor.shape, tensor.dtype);
  });
  const nodes = reachable(emit.nodes, Object.keys(graph.outputs));
  const inputs = Object.entries(graph.inputs).map(([name, tensor]) =>
    valueInfo(name, tensor.shape, tensor.dtype),
  );

  return writeModel({
    nodes,
    initializers: emit.initializers,
    inputs,
    outputs,
    ...(options.name !== undefined && { name: options.name }),
    ...(options.metadata && { metadata: options.metadata }),
  });
}

/** The nodes that the outputs depend on, in their order: merging nodes leaves others without use. */
function reachable(nodes: readonly NodeProto[], outputs: readonly string[]): NodeProto[] {
  const wanted = new Set(outputs);
  const kept = [...nodes].reverse().filter((node) => {
    const needed = node.output.some((output) => wanted.has(output));
    if (needed) node.input.forEach((input) => wanted.add(input));
    return needed;
  });
  return kept.reverse();
}
