/** The outermost part of an ONNX file. */
import { create, toBinary } from '@bufbuild/protobuf';
import type { DType } from '../tensor/op.js';
import { onnxType } from './emitter.js';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './onnx_pb.js';

/** The opset that every execution provider supports best: later ones lose kernels on CPU and WebGPU. */
export const OPSET = 17;

/** An input or an output of a graph. */
export interface GraphEnd {
  readonly name: string;
  /** A size that is a string is symbolic: known only when the graph runs. */
  readonly shape: readonly (number | string)[];
  readonly dtype: DType;
}

/** What an ONNX model is made of. */
export interface ModelParts {
  readonly nodes: readonly NodeProto[];
  readonly initializers: readonly TensorProto[];
  readonly inputs: readonly GraphEnd[];
  readonly outputs: readonly GraphEnd[];
  readonly name?: string;
  /** Key-value pairs stored in the file. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The bytes of an ONNX model. */
export function writeModel(parts: ModelParts): Uint8Array {
  const domains = new Set(parts.nodes.map((node) => node.domain));
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    producerName: 'fovea',
    opsetImport: [...domains].map((domain) =>
      create(OperatorSetIdProtoSchema, { domain, version: BigInt(domain === '' ? OPSET : 1) }),
    ),
    metadataProps: Object.entries(parts.metadata ?? {}).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    ),
    graph: create(GraphProtoSchema, {
      name: parts.name ?? 'fovea',
      node: [...parts.nodes],
      initializer: [...parts.initializers],
      input: parts.inputs.map(valueInfo),
      output: parts.outputs.map(valueInfo),
    }),
  });
  return toBinary(ModelProtoSchema, model);
}

function valueInfo({ name, shape, dtype }: GraphEnd): ValueInfoProto {
  const dim = shape.map((size) =>
    create(TensorShapeProto_DimensionSchema, {
      value:
        typeof size === 'number'
          ? { case: 'dimValue', value: BigInt(size) }
          : { case: 'dimParam', value: size },
    }),
  );
  const tensorType = create(TypeProto_TensorSchema, {
    elemType: onnxType[dtype],
    shape: create(TensorShapeProtoSchema, { dim }),
  });
  const type = create(TypeProtoSchema, { value: { case: 'tensorType', value: tensorType } });
  return create(ValueInfoProtoSchema, { name, type });
}
