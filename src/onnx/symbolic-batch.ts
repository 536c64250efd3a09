/**
 * A model that takes any number of images at once, out of graphs whose shapes are static: the same
 * graph is lowered at two batch sizes, and what differs between the two files is what depends on
 * the batch. Nothing needs to be known about any op.
 *
 * Only int64 vectors may differ: the shapes that Reshape, Expand and their kin are given, where an
 * element that differs must be a multiple of the batch. In a Reshape's shape such an element
 * becomes -1, which ONNX works out from the number of elements; elsewhere the vector is computed
 * from the batch of the input, as fixed + factors * batch.
 */
import { create, equals } from '@bufbuild/protobuf';
import { RequestError } from '../errors.js';
import { attribute, onnxType, rawBytes } from './emitter.js';
import type { GraphEnd, ModelParts } from './model.js';
import { NodeProtoSchema, TensorProtoSchema, type NodeProto, type TensorProto } from './onnx_pb.js';

/** What the batch axis is called in the file. */
const BATCH = 'batch';
const INT64: number = onnxType.int64;

/** A graph lowered at one batch size. */
export interface AtBatch {
  readonly batch: number;
  readonly parts: ModelParts;
}

/** A size: a fixed number, or a multiple of the batch. */
type Size = { readonly fixed: number } | { readonly factor: number };

/**
 * Merges two lowerings of one graph, at two batch sizes, into one with a symbolic batch axis.
 * Take sizes that are large primes: no other size of a graph is a multiple of one by chance, and
 * without values a graph of any size costs the same.
 * @param input the input whose first axis is the batch
 * @throws RequestError naming the node or constant that depends on the batch in another way
 */
export function withSymbolicBatch(one: AtBatch, two: AtBatch, input: string): ModelParts {
  const sizes = (a: number, b: number, what: string) => sizeAt(a, b, one.batch, two.batch, what);
  requireSameNodes(one.parts.nodes, two.parts.nodes);
  const vectors = batchVectors(one.parts.initializers, two.parts.initializers, sizes);
  const constants = new Map<string, TensorProto>();
  const computed = new Map<string, readonly NodeProto[]>();

  const nodes = one.parts.nodes.map((node) => {
    const inputs = node.input.map((name, position) => {
      const vector = vectors.get(name);
      if (vector === undefined) return name;
      const inferable = vector.filter((size) => 'factor' in size).length === 1;
      const isShape = node.opType === 'Reshape' && position === 1;
      const made =
        isShape && inferable ? inferredShape(name, vector) : computedVector(name, vector, input);
      for (const constant of made.constants) constants.set(constant.name, constant);
      computed.set(made.value, made.nodes);
      return made.value;
    });
    return create(NodeProtoSchema, { ...node, input: inputs });
  });

  // Several vectors begin with the same node, the batch itself.
  const added = new Map([...computed.values()].flat().map((node) => [node.name, node]));
  return {
    ...one.parts,
    nodes: [...added.values(), ...nodes],
    initializers: [
      ...one.parts.initializers.filter(({ name }) => !vectors.has(name)),
      ...constants.values(),
    ],
    inputs: symbolicEnds(one.parts.inputs, two.parts.inputs, sizes),
    outputs: symbolicEnds(one.parts.outputs, two.parts.outputs, sizes),
  };
}

type SizeRule = (a: number, b: number, what: string) => Size;

/** The size that is `a` at the batch `batchA` and `b` at `batchB`. */
function sizeAt(a: number, b: number, batchA: number, batchB: number, what: string): Size {
  if (a === b) return { fixed: a };
  const factor = a / batchA;
  if (Number.isInteger(factor) && b === factor * batchB) return { factor };
  throw impossible(what);
}

function impossible(what: string): RequestError {
  return new RequestError(
    `This model cannot be exported with a symbolic batch: ${what} depends on the batch in a way that no size of a shape does. Export it with a fixed batch (--batch N).`,
  );
}

function requireSameNodes(first: readonly NodeProto[], second: readonly NodeProto[]): void {
  const other = first.find((node, i) => {
    const counterpart = second[i];
    return counterpart === undefined || !equals(NodeProtoSchema, node, counterpart);
  });
  if (other !== undefined) throw impossible(`the node ${other.name}`);
  if (first.length !== second.length) throw impossible('the number of nodes');
}

/** The constants that differ between the two lowerings, by name. */
function batchVectors(
  first: readonly TensorProto[],
  second: readonly TensorProto[],
  sizes: SizeRule,
): Map<string, readonly Size[]> {
  const counterparts = new Map(second.map((tensor) => [tensor.name, tensor]));
  const vectors = new Map<string, readonly Size[]>();
  for (const one of first) {
    const what = `the constant ${one.name}`;
    const two = counterparts.get(one.name);
    if (two === undefined) throw impossible(what);
    if (sameBytes(one.rawData, two.rawData)) continue;
    const comparable = one.dataType === INT64 && one.rawData.length === two.rawData.length;
    if (!comparable) throw impossible(what);
    const others = int64s(two.rawData);
    vectors.set(
      one.name,
      int64s(one.rawData).map((value, i) => sizes(value, others[i] ?? NaN, what)),
    );
  }
  return vectors;
}

/** How a vector that depends on the batch is written: what to add to the graph, and its value. */
interface Written {
  readonly value: string;
  readonly nodes: readonly NodeProto[];
  readonly constants: readonly TensorProto[];
}

/** A Reshape's shape in which one size is left to be worked out. */
function inferredShape(name: string, vector: readonly Size[]): Written {
  const value = `${name}/inferred`;
  const shape = vector.map((size) => ('fixed' in size ? size.fixed : -1));
  return { value, nodes: [], constants: [int64Constant(value, shape)] };
}

/** A vector computed from the batch of the input. */
function computedVector(name: string, vector: readonly Size[], input: string): Written {
  const parts = {
    factors: vector.map((size) => ('factor' in size ? size.factor : 0)),
    fixed: vector.map((size) => ('fixed' in size ? size.fixed : 0)),
  };
  const batch = create(NodeProtoSchema, {
    name: `${BATCH}/Shape`,
    opType: 'Shape',
    input: [input],
    output: [`${BATCH}/Shape`],
    attribute: [attribute('start', 0), attribute('end', 1)],
  });
  const binary = (opType: string, inputs: string[]) => {
    const output = `${name}/${opType}`;
    return create(NodeProtoSchema, { name: output, opType, input: inputs, output: [output] });
  };
  const product = binary('Mul', [batch.name, `${name}/factors`]);
  const sum = binary('Add', [product.name, `${name}/fixed`]);
  return {
    value: sum.name,
    nodes: [batch, product, sum],
    constants: Object.entries(parts).map(([part, values]) =>
      int64Constant(`${name}/${part}`, values),
    ),
  };
}

/** Inputs or outputs, with what depends on the batch called `batch` or, for several, `2*batch`. */
function symbolicEnds(
  first: readonly GraphEnd[],
  second: readonly GraphEnd[],
  sizes: SizeRule,
): GraphEnd[] {
  return first.map((end, i) => {
    const shape = end.shape.map((own, axis) => {
      const other = second[i]?.shape[axis] ?? NaN;
      const size = sizes(Number(own), Number(other), `the shape of '${end.name}'`);
      if ('fixed' in size) return size.fixed;
      return size.factor === 1 ? BATCH : `${size.factor}*${BATCH}`;
    });
    return { ...end, shape };
  });
}

function int64Constant(name: string, values: readonly number[]): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dims: [BigInt(values.length)],
    dataType: INT64,
    rawData: rawBytes(values, 'int64'),
  });
}

function int64s(raw: Uint8Array): number[] {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return Array.from({ length: raw.byteLength / 8 }, (_, i) =>
    Number(view.getBigInt64(8 * i, true)),
  );
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  // Weights are not copied, so that most pairs are one piece of memory.
  if (a.buffer === b.buffer && a.byteOffset === b.byteOffset) return a.length === b.length;
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
