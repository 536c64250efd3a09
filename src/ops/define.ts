import { FoveaError, ShapeError } from '../errors.js';
import type { NdArray } from '../tensor/ndarray.js';
import type {
  DType,
  GradientContext,
  LowerContext,
  Op,
  ReferenceContext,
  Value,
} from '../tensor/op.js';
import { currentScope } from '../tensor/scope.js';
import { formatShape, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';

/** One op, declared once: shape rule, gradient, ONNX lowering and float64 reference, side by side. */
export interface OpDeclaration<A extends object> {
  /**
   * Shape of the output. May return a message instead, saying what was expected: the op then
   * fails with a ShapeError that adds the op, the shapes and the module path.
   */
  shape(inputs: readonly Tensor[], attributes: A): Shape | string;
  /** Type of the output; the first input's unless given. */
  dtype?: DType | ((inputs: readonly Tensor[], attributes: A) => DType);
  /** One gradient per input, null for none; or null if the op has no derivative. */
  gradient: ((context: GradientContext<A>) => readonly (Tensor | null)[]) | null;
  /** Writes ONNX nodes and returns the value that holds the output. */
  lower(context: LowerContext<A>): Value;
  /** Evaluates the op in float64, plainly: the oracle for gradients and lowering. */
  reference(context: ReferenceContext<A>): NdArray;
}

/** Adds a node of one op to the graph. */
export type OpFunction<A extends object> = (inputs: readonly Tensor[], attributes: A) => Tensor;

const declared = new Set<string>();

/** Names of all ops declared so far, in alphabetical order. */
export function declaredOps(): readonly string[] {
  return [...declared].sort();
}

/**
 * Makes an op; the function that it returns adds a node of it to the graph.
 * @throws FoveaError if another op has the name
 */
export function defineOp<A extends object>(
  name: string,
  declaration: OpDeclaration<A>,
): OpFunction<A> {
  if (declared.has(name)) throw new FoveaError(`Two ops are called '${name}'; rename one.`);
  declared.add(name);
  // The only place where the attributes' type is erased: a node made here carries attributes of type A.
  const op = { name, ...declaration } as unknown as Op;
  const { dtype } = declaration;
  return (inputs, attributes) => {
    const shape = declaration.shape(inputs, attributes);
    if (typeof shape === 'string') throw shapeError(name, inputs, shape);
    const type =
      typeof dtype === 'function'
        ? dtype(inputs, attributes)
        : (dtype ?? inputs[0]?.dtype ?? 'float32');
    return new Tensor(op, inputs, attributes, shape, type);
  };
}

/** A ShapeError in the common form: `conv at layer1.0.conv1: inputs [..], [..]. What was expected.` */
export function shapeError(op: string, inputs: readonly Tensor[], expectation: string): ShapeError {
  const scope = currentScope();
  const shapes = inputs.map((x) => formatShape(x.shape)).join(', ');
  const taken = shapes && `cannot take ${shapes}. `;
  return new ShapeError(`${op}${scope && ` at ${scope}`}: ${taken}${expectation}`);
}
