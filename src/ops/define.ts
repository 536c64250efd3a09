/**
 * How an op is declared: once, with all its rules side by side. The rules see the inputs by name;
 * below, in the graph, they are a list.
 */
import { FoveaError, RequestError, ShapeError } from '../errors.js';
import type { NdArray } from '../tensor/ndarray.js';
import type { DType, Emitter, Op, Value } from '../tensor/op.js';
import { currentScope } from '../tensor/scope.js';
import { formatShape, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { readSignature, type Gradients, type Named, type NoMore } from './signature.js';

/** What a gradient rule sees besides the inputs. */
export interface GradientContext<A extends object> {
  readonly output: Tensor;
  readonly attributes: A;
  /** Gradient of the loss with respect to `output`; has its shape. */
  readonly upstream: Tensor;
}

/** What a lowering sees besides the names of its inputs' values. */
export interface LowerContext<N extends string, A extends object> {
  /** Where the ONNX nodes are written. */
  readonly emit: Emitter;
  readonly attributes: A;
  /** The symbolic inputs: their shapes and dtypes. */
  readonly tensors: Named<N, Tensor>;
  /** The symbolic output: its shape and dtype. */
  readonly node: Tensor;
}

/** What a reference sees besides the values of the inputs. */
export interface ReferenceContext<A extends object> {
  readonly attributes: A;
  /** The symbolic output: its shape and dtype. */
  readonly node: Tensor;
}

/**
 * One op: its inputs, shape rule, gradient, ONNX lowering and float64 reference.
 *
 * `N` are the inputs as they are written in `inputs`, `A` the attributes, whose type is that of the
 * second parameter of `shape`; an op whose rules name none has none. `G` is what the gradient rule returns.
 */
export interface OpDeclaration<N extends string, A extends object, G = Gradients<N, Tensor>> {
  /**
   * The inputs in their order: `'x'`; as the last one also `'bias?'`, which may be left out, or
   * `'...tensors'` for any number.
   */
  readonly inputs: readonly N[];
  /**
   * Shape of the output. May return a message instead, saying what was expected: the op then
   * fails with a ShapeError that adds the op, the shapes and the module path.
   */
  shape(inputs: Named<N, Tensor>, attributes: A): Shape | string;
  /** Type of the output; the first input's unless given. */
  readonly dtype?: DType | ((inputs: Named<N, Tensor>, attributes: A) => DType);
  /**
   * Says that the output sums to zero over each of its channels (axis 1), whatever the inputs are. The
   * gradient of a bias, which is such a sum, is then zero, and not the rounding errors of all elements.
   */
  readonly sumsToZero?: boolean;
  /** One gradient per input, by name and of its shape, null for none; or null if the op has no derivative. */
  readonly gradient:
    ((inputs: Named<N, Tensor>, context: GradientContext<A>) => G & NoMore<G, N>) | null;
  /** Writes ONNX nodes and returns the value that holds the output. */
  lower(inputs: Named<N, Value>, context: LowerContext<N, A>): Value;
  /** Evaluates the op in float64, plainly: the oracle for gradients and lowering. */
  reference(inputs: Named<N, NdArray>, context: ReferenceContext<A>): NdArray;
}

/** A node of a known op, with its inputs by name and its attributes typed. */
export interface OpNode<N extends string, A extends object> {
  readonly inputs: Named<N, Tensor>;
  readonly attributes: A;
}

/** Adds a node of one op to the graph, and knows the op's nodes again. */
export interface OpFunction<N extends string, A extends object> {
  (inputs: Named<N, Tensor>, ...attributes: object extends A ? [] : [A]): Tensor;
  readonly op: Op;
  /** A node of this op as its rules see it; undefined for any other. */
  read(node: Tensor): OpNode<N, A> | undefined;
}

const declared = new Set<string>();

/** Names of all ops declared so far, in alphabetical order. */
export function declaredOps(): readonly string[] {
  return [...declared].sort();
}

/**
 * Makes an op; the function that it returns adds a node of it to the graph.
 *
 * @example
 * const cube = defineOp('cube', {
 *   inputs: ['x'],
 *   shape: ({ x }) => x.shape,
 *   gradient: ({ x }, { upstream }) => ({ x: upstream.mul(x.square()).mul(3) }),
 *   lower: ({ x }, { emit }) => emit.node('Mul', [emit.node('Mul', [x, x]), x]),
 *   reference: ({ x }) => ndarray(x.shape, x.data.map((v) => v ** 3)),
 * });
 * const y = cube({ x: input('x', [2, 3]) });
 *
 * @param name one that no other op has
 * @throws FoveaError if another op has the name, or the inputs are not as {@link OpDeclaration} says
 */
export function defineOp<const N extends string, A extends object, G extends Gradients<N, Tensor>>(
  name: string,
  declaration: OpDeclaration<N, A, G>,
): OpFunction<N, A> {
  if (declared.has(name)) throw new FoveaError(`Two ops are called '${name}'; rename one.`);
  const { gradient, dtype } = declaration;
  const signature = readSignature<N>(name, declaration.inputs);
  declared.add(name);
  // The only place where the attributes' type is erased: a node made here carries attributes of type A.
  const own = (attributes: object) => attributes as A;
  const op: Op = {
    name,
    sumsToZero: declaration.sumsToZero ?? false,
    gradient:
      gradient &&
      (({ inputs, output, attributes, upstream }) =>
        signature.listGradients(
          gradient(signature.byName(inputs), { output, upstream, attributes: own(attributes) }),
          inputs.length,
        )),
    lower: ({ emit, inputs, attributes, node }) =>
      declaration.lower(signature.byName(inputs), {
        emit,
        attributes: own(attributes),
        tensors: signature.byName(node.inputs),
        node,
      }),
    reference: ({ inputs, attributes, node }) =>
      declaration.reference(signature.byName(inputs), { attributes: own(attributes), node }),
  };
  const add = (inputs: Named<N, Tensor>, given: object = {}): Tensor => {
    const attributes = own(given);
    const list = signature.list(inputs);
    for (const [i, x] of list.entries()) {
      const isTensor: boolean = x instanceof Tensor;
      if (!isTensor) throw new RequestError(`Input ${i} of the op '${name}' is not a tensor.`);
    }
    const shape = declaration.shape(inputs, attributes);
    if (typeof shape === 'string') throw shapeError(name, list, shape);
    const type = typeof dtype === 'function' ? dtype(inputs, attributes) : dtype;
    return new Tensor(op, list, attributes, shape, type ?? list[0]?.dtype ?? 'float32');
  };
  const read = (node: Tensor) =>
    node.op === op
      ? { inputs: signature.byName(node.inputs), attributes: own(node.attributes) }
      : undefined;
  return Object.assign(add, { op, read });
}

/** A ShapeError in the common form: `conv at layer1.0.conv1: inputs [..], [..]. What was expected.` */
export function shapeError(op: string, inputs: readonly Tensor[], expectation: string): ShapeError {
  const scope = currentScope();
  const shapes = inputs.map((x) => formatShape(x.shape)).join(', ');
  const taken = shapes && `cannot take ${shapes}. `;
  return new ShapeError(`${op}${scope && ` at ${scope}`}: ${taken}${expectation}`);
}
