import { create, toBinary } from '@bufbuild/protobuf';
import { FoveaError } from '../errors.js';
import type { DType, Provider, TensorData, Value } from '../tensor/op.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';
import { GraphEmitter, onnxType } from './emitter.js';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
  type ValueInfoProto,
} from './onnx_pb.js';

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
}

/** The opset that every provider supports whole (see docs/design.md). */
export const OPSET = 17;

/**
 * Writes a graph as the bytes of an ONNX model, lowered for one execution provider.
 * @throws FoveaError if an output depends on an input that is not listed
 */
export function lowerToOnnx(graph: Graph, options: LowerOptions): Uint8Array {
  const emit = new GraphEmitter(options.provider);
  const values = new Map<Tensor, Value>();
  for (const [name, tensor] of Object.entries(graph.inputs)) values.set(tensor, name);
  let constants = 0;
  for (const [tensor, data] of graph.constants ?? []) {
    const name = `weight_${constants++}`;
    values.set(tensor, name);
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    emit.initializer(name, raw, tensor.shape, tensor.dtype);
  }
  const valueOf = (tensor: Tensor): Value => {
    const value = values.get(tensor);
    if (value === undefined) throw new FoveaError(`${tensor.toString()} was not lowered.`);
    return value;
  };

  for (const node of topologicalOrder(Object.values(graph.outputs), values)) {
    emit.scope = node.scope;
    values.set(
      node,
      node.op.lower({ emit, inputs: node.inputs.map(valueOf), attributes: node.attributes, node }),
    );
  }

  // Outputs get their public names by Identity nodes, which ONNX Runtime removes.
  const outputs = Object.entries(graph.outputs).map(([name, tensor]) => {
    emit.nodes.push(
      create(NodeProtoSchema, {
        name,
        opType: 'Identity',
        input: [valueOf(tensor)],
        output: [name],
      }),
    );
    return valueInfo(name, tensor.shape, tensor.dtype);
  });
  const inputs = Object.entries(graph.inputs).map(([name, tensor]) =>
    valueInfo(name, tensor.shape, tensor.dtype),
  );

  const domains = new Set(emit.nodes.map((node) => node.domain));
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    producerName: 'fovea',
    opsetImport: [...domains].map((domain) =>
      create(OperatorSetIdProtoSchema, { domain, version: BigInt(domain === '' ? OPSET : 1) }),
    ),
    metadataProps: Object.entries(options.metadata ?? {}).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    ),
    graph: create(GraphProtoSchema, {
      name: options.name ?? 'fovea',
      node: emit.nodes,
      initializer: emit.initializers,
      input: inputs,
      output: outputs,
    }),
  });
  return toBinary(ModelProtoSchema, model);
}

function valueInfo(name: string, shape: Shape, dtype: DType): ValueInfoProto {
  const dim = shape.map((size) =>
    create(TensorShapeProto_DimensionSchema, { value: { case: 'dimValue', value: BigInt(size) } }),
  );
  const tensorType = create(TypeProto_TensorSchema, {
    elemType: onnxType[dtype],
    shape: create(TensorShapeProtoSchema, { dim }),
  });
  const type = create(TypeProtoSchema, { value: { case: 'tensorType', value: tensorType } });
  return create(ValueInfoProtoSchema, { name, type });
}
