/** ONNX files as another program meets them: their structure by the specification, and ONNX Runtime. */
import { fromBinary } from '@bufbuild/protobuf';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { ModelProtoSchema, TensorProto_DataType, type TensorProto } from '../onnx/onnx_pb.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';

const BYTES_PER_ELEMENT = new Map<number, number>([
  [TensorProto_DataType.FLOAT, 4],
  [TensorProto_DataType.UINT8, 1],
  [TensorProto_DataType.INT32, 4],
  [TensorProto_DataType.INT64, 8],
  [TensorProto_DataType.BOOL, 1],
]);

/** What an ONNX file says of itself. */
export function describeOnnx(bytes: Uint8Array) {
  const { graph, opsetImport, metadataProps } = fromBinary(ModelProtoSchema, bytes);
  const { node = [], initializer = [] } = graph ?? {};
  const ends = [...(graph?.input ?? []), ...(graph?.output ?? [])].map(({ name, type }) => {
    const dim = type?.value.value?.shape?.dim ?? [];
    return [
      name,
      dim.map(({ value: size }) =>
        typeof size.value === 'bigint' ? Number(size.value) : size.value,
      ),
    ];
  });
  return {
    opsets: opsetImport.map(({ domain, version }) => `${domain}:${version}`),
    metadata: Object.fromEntries(metadataProps.map(({ key, value }) => [key, value])),
    ends: Object.fromEntries(ends) as Record<string, (number | string | undefined)[]>,
    ops: node.map(({ opType }) => opType),
    initializers: initializer.map(({ name }) => name),
  };
}

/**
 * What an ONNX file has of standard ops only is found wrong by these rules of the specification:
 * nodes come after what they read, every name is given once and every value is used, constants have
 * as many bytes as their shape says, and no node belongs to a domain that is not ONNX's own.
 */
export function faultsOf(bytes: Uint8Array): string[] {
  const { graph } = fromBinary(ModelProtoSchema, bytes);
  if (graph === undefined) return ['there is no graph'];
  const faults: string[] = [];
  const known = new Set<string>();
  const give = (name: string) => {
    if (known.has(name)) faults.push(`${name} is given twice`);
    known.add(name);
  };
  for (const { name } of [...graph.input, ...graph.initializer]) give(name);
  for (const tensor of graph.initializer) {
    if (!filled(tensor)) faults.push(`${tensor.name} has not the bytes that its shape says`);
  }
  const used = new Set(graph.output.map(({ name }) => name));
  for (const { name, domain, input, output } of graph.node) {
    if (domain !== '') faults.push(`${name} is of the domain ${domain}`);
    for (const value of input) {
      if (value !== '' && !known.has(value)) faults.push(`${name} reads ${value} too early`);
      used.add(value);
    }
    output.forEach(give);
  }
  for (const { name } of graph.output) {
    if (!known.has(name)) faults.push(`the output ${name} is not made`);
  }
  for (const name of known) if (!used.has(name)) faults.push(`${name} is not used`);
  return faults;
}

function filled({ dims, dataType, rawData }: TensorProto): boolean {
  const count = dims.reduce((product, size) => product * Number(size), 1);
  return rawData.length === count * (BYTES_PER_ELEMENT.get(dataType) ?? NaN);
}

/** Runs an ONNX file on one input after the other, on the CPU, with ONNX Runtime's own settings. */
export function runOnnxFile(
  bytes: Uint8Array,
  inputName: string,
  inputs: readonly NdArray[],
): Promise<Record<string, NdArray>[]> {
  return runOnnxFeeds(
    bytes,
    inputs.map((input) => ({ [inputName]: input })),
  );
}

/** The same for a file of several inputs. */
export async function runOnnxFeeds(
  bytes: Uint8Array,
  feeds: readonly Readonly<Record<string, NdArray>>[],
): Promise<Record<string, NdArray>[]> {
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 3 });
  try {
    const results: Record<string, NdArray>[] = [];
    for (const arrays of feeds) {
      const fed = Object.entries(arrays).map(([name, { data, shape }]) => [
        name,
        new OrtTensor('float32', Float32Array.from(data), [...shape]),
      ]);
      const outputs = await session.run(Object.fromEntries(fed) as Record<string, OrtTensor>);
      results.push(
        Object.fromEntries(
          Object.entries(outputs).map(([name, value]) => [
            name,
            ndarray(value.dims, Float64Array.from(value.data as ArrayLike<number>)),
          ]),
        ),
      );
    }
    return results;
  } finally {
    await session.release();
  }
}
