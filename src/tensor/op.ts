/**
 * What an op is, seen from below: the interfaces that tie a node of the graph to its rules.
 * `ops/define.ts` makes them from declarations; autodiff, the ONNX writer and the reference
 * evaluator only ever see these.
 */
import type { NdArray } from './ndarray.js';
import type { Shape } from './shape.js';
import type { Tensor } from './tensor.js';

export type DType = 'float32' | 'int32' | 'int64' | 'bool';

/** Typed arrays that carry a tensor's values across the border; booleans travel as bytes. */
export type TensorData = Float32Array | Int32Array | BigInt64Array | Uint8Array;

/** Which of ONNX Runtime's execution providers a graph is lowered for. */
export type Provider = 'cpu' | 'wasm' | 'webgpu' | 'cuda';

/** An ONNX attribute: integers are bare numbers, floats say so. */
export type AttributeValue = number | readonly number[] | string | { readonly float: number };

/** The name of a value in the ONNX graph that is being written. */
export type Value = string;

/** Where an op's lowering writes its ONNX nodes. */
export interface Emitter {
  readonly provider: Provider;
  /** Whether maxima are NaN where an element is; else as the runtime's own operators have it. */
  readonly keepsNaN: boolean;
  /** Adds a node with one output and returns that output. An identical node is reused. */
  node(
    opType: string,
    inputs: readonly Value[],
    attributes?: Readonly<Record<string, AttributeValue>>,
    domain?: string,
  ): Value;
  /** Adds a constant. `data` is stored in the dtype's own representation. */
  constant(data: ArrayLike<number>, shape: Shape, dtype: DType): Value;
}

export type Attributes = object;

export interface LowerContext {
  readonly emit: Emitter;
  readonly inputs: readonly Value[];
  readonly attributes: Attributes;
  /** The symbolic node: shapes and dtypes of its inputs and itself. */
  readonly node: Tensor;
}

export interface ReferenceContext {
  readonly inputs: readonly NdArray[];
  readonly attributes: Attributes;
  readonly node: Tensor;
}

export interface GradientContext {
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  readonly attributes: Attributes;
  /** Gradient of the loss with respect to `output`; has its shape. */
  readonly upstream: Tensor;
}

/** One op's rules, with the names of its inputs and the type of its attributes erased. */
export interface Op {
  readonly name: string;
  /** Whether the output sums to zero over each of its channels, whatever the inputs are. */
  readonly sumsToZero: boolean;
  /** One gradient per input (null where it is zero or the input is not a float); null: not differentiable. */
  readonly gradient: ((context: GradientContext) => readonly (Tensor | null)[]) | null;
  readonly lower: (context: LowerContext) => Value;
  readonly reference: (context: ReferenceContext) => NdArray;
}
