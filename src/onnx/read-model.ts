/** What an ONNX file says of itself before it is run. */
import { fromBinary } from '@bufbuild/protobuf';
import { FileError } from '../errors.js';
import type { DType } from '../tensor/op.js';
import { onnxType } from './emitter.js';
import { ModelProtoSchema, type ValueInfoProto } from './onnx_pb.js';

/** An input or an output of a file. */
export interface ModelEnd {
  readonly name: string;
  /** A size that is a string is known only when the model runs. */
  readonly shape: readonly (number | string)[];
  /** Undefined for types that Fovea does not use, such as float16. */
  readonly dtype: DType | undefined;
}

/** The ends of a model, and the key-value pairs in its file. */
export interface ModelHead {
  readonly inputs: readonly ModelEnd[];
  readonly outputs: readonly ModelEnd[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads the ends and the metadata of an ONNX model.
 * @param source what messages call it
 * @throws FileError for bytes that are no ONNX model
 */
export function readModelHead(bytes: Uint8Array, source: string): ModelHead {
  const { graph, metadataProps } = parsed(bytes, source);
  if (graph === undefined) throw notOnnx(source);
  const constants = new Set(graph.initializer.map(({ name }) => name));
  return {
    // Files of old versions list their weights among the inputs.
    inputs: graph.input.filter(({ name }) => !constants.has(name)).map(endOf),
    outputs: graph.output.map(endOf),
    metadata: Object.fromEntries(metadataProps.map(({ key, value }) => [key, value])),
  };
}

function parsed(bytes: Uint8Array, source: string) {
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch (error) {
    throw notOnnx(source, error);
  }
}

function notOnnx(source: string, cause?: unknown): FileError {
  return new FileError(`${source} is damaged, or is not an ONNX model.`, { cause });
}

function endOf({ name, type }: ValueInfoProto): ModelEnd {
  const value = type?.value;
  if (value?.case !== 'tensorType') return { name, shape: [], dtype: undefined };
  const { elemType, shape } = value.value;
  const dtype = (Object.keys(onnxType) as DType[]).find(
    (one) => BigInt(onnxType[one]) === BigInt(elemType),
  );
  const sizes = (shape?.dim ?? []).map(({ value: size }) =>
    size.case === 'dimValue' ? Number(size.value) : (size.value ?? ''),
  );
  return { name, shape: sizes, dtype };
}
