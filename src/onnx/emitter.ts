import { create } from '@bufbuild/protobuf';
import { FoveaError } from '../errors.js';
import type { AttributeValue, DType, Emitter, Provider, Value } from '../tensor/op.js';
import type { Shape } from '../tensor/shape.js';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  NodeProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
  type AttributeProto,
  type NodeProto,
  type TensorProto,
} from './onnx_pb.js';

/** ONNX's number for each of our types. */
export const onnxType: Readonly<Record<DType, TensorProto_DataType>> = {
  float32: TensorProto_DataType.FLOAT,
  int32: TensorProto_DataType.INT32,
  int64: TensorProto_DataType.INT64,
  bool: TensorProto_DataType.BOOL,
};

/**
 * Collects the nodes and constants of an ONNX graph. Identical nodes and identical small constants
 * are written once, so that ops need not coordinate: BatchNorm's statistics, for example, are
 * emitted wherever they are wanted and computed once.
 */
export class GraphEmitter implements Emitter {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  /** Module path of the tensor being lowered, put into node names for profiles and for viewers. */
  scope = '';
  private readonly seen = new Map<string, Value>();
  private counter = 0;
  /** Outputs of the graph: the names that they get in the end, by value. */
  private readonly publicNames = new Map<Value, string>();

  /**
   * @param reserved names that the caller has given to inputs and outputs
   * @param keepsNaN by default where the provider keeps NaN at all
   */
  constructor(
    readonly provider: Provider,
    private readonly reserved: ReadonlySet<string> = new Set(),
    readonly keepsNaN = provider !== 'webgpu',
  ) {}

  node(
    opType: string,
    inputs: readonly Value[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    domain = '',
  ): Value {
    const key = JSON.stringify([domain, opType, inputs, attributes], (_, part: unknown) =>
      typeof part === 'number' ? exactly(part) : part,
    );
    const known = this.seen.get(key);
    if (known !== undefined) return known;
    const output = this.fresh(opType);
    this.seen.set(key, output);
    this.nodes.push(
      create(NodeProtoSchema, {
        name: output,
        opType,
        domain,
        input: [...inputs],
        output: [output],
        attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
      }),
    );
    return output;
  }

  constant(data: ArrayLike<number>, shape: Shape, dtype: DType): Value {
    // Content is compared only where that is cheap and likely to pay.
    const key =
      data.length <= 64
        ? `${dtype}[${shape.join(',')}]=${Array.from(data, exactly).join(',')}`
        : undefined;
    const known = key === undefined ? undefined : this.seen.get(key);
    if (known !== undefined) return known;
    const name = this.initializer('constant', rawBytes(data, dtype), shape, dtype);
    if (key !== undefined) this.seen.set(key, name);
    return name;
  }

  /**
   * Adds a constant from its raw little-endian bytes and returns it.
   * @param name one of the reserved ones; default: made from the stem
   */
  initializer(
    stem: string,
    raw: Uint8Array,
    shape: Shape,
    dtype: DType,
    name = this.unusedName(stem),
  ): Value {
    this.initializers.push(
      create(TensorProtoSchema, {
        name,
        dims: shape.map(BigInt),
        dataType: onnxType[dtype],
        rawData: raw,
      }),
    );
    return name;
  }

  /** Makes a value an output of the graph, under a public name. */
  output(name: string, value: Value): void {
    const made = this.nodes.some((node) => node.output[0] === value);
    if (made && !this.publicNames.has(value)) {
      this.publicNames.set(value, name);
      return;
    }
    // An input, a constant, or a value that has another public name already.
    this.nodes.push(
      create(NodeProtoSchema, { name, opType: 'Identity', input: [value], output: [name] }),
    );
    this.publicNames.set(name, name);
  }

  /** The nodes that the outputs depend on, in their order: merging nodes leaves others without use. */
  finish(): NodeProto[] {
    const wanted = new Set(this.publicNames.keys());
    const kept = [...this.nodes].reverse().filter((node) => {
      const needed = node.output.some((output) => wanted.has(output));
      if (needed) node.input.forEach((input) => wanted.add(input));
      return needed;
    });
    const rename = (value: Value) => this.publicNames.get(value) ?? value;
    for (const node of kept) {
      node.input = node.input.map(rename);
      node.output = node.output.map(rename);
    }
    return kept.reverse();
  }

  private fresh(opType: string): Value {
    const path = this.scope.replaceAll('.', '/');
    return this.unusedName(`${path && `${path}/`}${opType}`);
  }

  /** A name that no value has yet. */
  private unusedName(stem: string): Value {
    let name = `${stem}_${this.counter++}`;
    while (this.reserved.has(name)) name = `${stem}_${this.counter++}`;
    return name;
  }
}

/** A number as text that no other number has: -0 is not 0, and JSON would write NaN and infinities as null. */
function exactly(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

/** An attribute of a node. */
export function attribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'string') {
    const s = new TextEncoder().encode(value);
    return create(AttributeProtoSchema, { name, s, type: AttributeProto_AttributeType.STRING });
  }
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) {
      throw new FoveaError(
        `The ONNX attribute ${name} = ${value} is a float; write {float: ${value}}.`,
      );
    }
    return create(AttributeProtoSchema, {
      name,
      i: BigInt(value),
      type: AttributeProto_AttributeType.INT,
    });
  }
  if ('float' in value) {
    return create(AttributeProtoSchema, {
      name,
      f: value.float,
      type: AttributeProto_AttributeType.FLOAT,
    });
  }
  const ints = value.map(BigInt);
  return create(AttributeProtoSchema, { name, ints, type: AttributeProto_AttributeType.INTS });
}

/** Values as the little-endian bytes that ONNX stores. */
export function rawBytes(data: ArrayLike<number>, dtype: DType): Uint8Array {
  switch (dtype) {
    case 'float32':
      return bytesOf(data instanceof Float32Array ? data : Float32Array.from(data));
    case 'int32':
      return bytesOf(data instanceof Int32Array ? data : Int32Array.from(data));
    case 'int64':
      return bytesOf(BigInt64Array.from(Array.from(data, BigInt)));
    case 'bool':
      return Uint8Array.from(data);
  }
}

/** The bytes under a typed array (every platform that runs JavaScript engines of note is little-endian). */
function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
