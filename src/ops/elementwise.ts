/**
 * Arithmetic and comparisons of two tensors with NumPy's broadcasting, and selection.
 *
 * Gradient rules refer to each other in circles (a sum's is an expansion, an expansion's a sum), so
 * inside them ops of other files are reached by their fluent methods and not by imports.
 */
import { forEachIndex, ndarray, type NdArray } from '../tensor/ndarray.js';
import type { DType } from '../tensor/op.js';
import {
  at,
  broadcastShapes,
  broadcastStrides,
  formatShape,
  offsetOf,
  sameShape,
  type Shape,
} from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { defineOp, type OpFunction } from './define.js';
import { asTensor, constantOp } from './leaf.js';

/** Sums a gradient over the axes along which its operand was stretched. */
export function unbroadcast(gradient: Tensor, shape: Shape): Tensor {
  if (sameShape(gradient.shape, shape)) return gradient;
  const lead = gradient.rank - shape.length;
  const axes = gradient.shape.flatMap((size, axis) => {
    const own = axis < lead ? 1 : shape[axis - lead];
    return axis < lead || (own === 1 && size !== 1) ? [axis] : [];
  });
  const reduced = axes.length > 0 ? gradient.sum(axes, { keepDims: true }) : gradient;
  return reduced.reshape(shape);
}

/** Applies `f` element by element over operands that broadcast to `shape`. */
export function mapBroadcast(
  shape: Shape,
  operands: readonly NdArray[],
  f: (...values: number[]) => number,
): NdArray {
  const out = ndarray(shape);
  const strided = operands.map(({ shape: own, data }) => ({
    data,
    strides: broadcastStrides(own, shape),
  }));
  forEachIndex(shape, (index, flat) => {
    const values = strided.map(({ data, strides }) => at(data, offsetOf(index, strides)));
    out.data[flat] = f(...values);
  });
  return out;
}

/** Both operands must have one type, and broadcast with each other and with `shape`. */
function broadcastRule(a: Tensor, b: Tensor, shape: Shape = []): Shape | string {
  if (a.dtype !== b.dtype) return `The types ${a.dtype} and ${b.dtype} differ: cast one of them.`;
  const both = broadcastShapes(a.shape, b.shape);
  return (
    (both && broadcastShapes(both, shape)) ??
    'The shapes do not broadcast: aligned at the end, sizes must be equal or 1.'
  );
}

type Operand = Tensor | number;

/** A function of two tensors or numbers, with the op that it adds to the graph. */
export interface BinaryFunction {
  (a: Operand, b: Operand): Tensor;
  readonly op: OpFunction<'a' | 'b', object>;
}

function binary(
  name: string,
  onnx: string,
  f: (a: number, b: number) => number,
  gradient: ((context: Record<'a' | 'b' | 'y' | 'g', Tensor>) => Record<'a' | 'b', Tensor>) | null,
  dtype?: DType,
): BinaryFunction {
  const op = defineOp(name, {
    inputs: ['a', 'b'],
    shape: ({ a, b }) => broadcastRule(a, b),
    ...(dtype && { dtype }),
    gradient:
      gradient &&
      (({ a, b }, { output: y, upstream: g }) => {
        const found = gradient({ a, b, y, g });
        return { a: unbroadcast(found.a, a.shape), b: unbroadcast(found.b, b.shape) };
      }),
    lower: ({ a, b }, { emit }) => emit.node(onnx, [a, b]),
    reference: ({ a, b }, { node }) => mapBroadcast(node.shape, [a, b], f),
  });
  const apply = (a: Operand, b: Operand): Tensor => {
    const type = commonType(a, b);
    return op({ a: asTensor(a, type), b: asTensor(b, type) });
  };
  return Object.assign(apply, { op });
}

/** The type that a number beside a tensor takes. */
function commonType(a: Operand, b: Operand): DType {
  if (typeof a !== 'number') return a.dtype;
  return typeof b === 'number' ? 'float32' : b.dtype;
}

/** a + b. */
export const add = binary(
  'add',
  'Add',
  (a, b) => a + b,
  ({ g }) => ({ a: g, b: g }),
);
/** a - b. */
export const sub = binary(
  'sub',
  'Sub',
  (a, b) => a - b,
  ({ g }) => ({ a: g, b: g.neg() }),
);
/** a * b. */
export const mul = binary(
  'mul',
  'Mul',
  (a, b) => a * b,
  ({ a, b, g }) => ({ a: mul(g, b), b: mul(g, a) }),
);
/** a / b. */
export const div = binary(
  'div',
  'Div',
  (a, b) => a / b,
  ({ b, y, g }) => {
    const ga = div(g, b);
    return { a: ga, b: mul(ga, y).neg() };
  },
);
/**
 * a to the power b. As in PyTorch, a to the power 0 is 1 with gradient 0 for a = 0 too, and the
 * gradient with respect to b, which has a logarithm of a, is 0 where a is 0 and b at least 0.
 */
export const pow = binary(
  'pow',
  'Pow',
  (a, b) => a ** b,
  ({ a, b, y, g }) => {
    const lower = mayBeZero(b) ? where(equal(b, 0), 1, sub(b, 1)) : sub(b, 1);
    const inside = where(equal(a, 0), where(less(b, 0), a, 1), a);
    return { a: mul(g, mul(b, pow(a, lower))), b: mul(g, mul(y, inside.log())) };
  },
);

/** Whether a tensor may hold a zero: a constant tells, so that the usual exponents cost nothing. */
function mayBeZero(x: Tensor): boolean {
  const constant = constantOp.read(x);
  return constant === undefined || Array.from(constant.attributes.data).includes(0);
}
/** The larger one, element by element; where both are equal, each gets half of the gradient (as PyTorch). */
export const maximum = binary(
  'maximum',
  'Max',
  (a, b) => Math.max(a, b),
  ({ a, b, g }) => splitByOrder(greater(a, b), greater(b, a), g),
);
/** The smaller one, element by element; where both are equal, each gets half of the gradient (as PyTorch). */
export const minimum = binary(
  'minimum',
  'Min',
  (a, b) => Math.min(a, b),
  ({ a, b, g }) => splitByOrder(less(a, b), less(b, a), g),
);

function splitByOrder(aWins: Tensor, bWins: Tensor, g: Tensor) {
  const half = mul(g, 0.5);
  return { a: where(aWins, g, where(bWins, 0, half)), b: where(bWins, g, where(aWins, 0, half)) };
}

/** a == b, as a boolean tensor. */
export const equal = binary('equal', 'Equal', (a, b) => Number(a === b), null, 'bool');
/** a < b, as a boolean tensor. */
export const less = binary('less', 'Less', (a, b) => Number(a < b), null, 'bool');
/** a <= b, as a boolean tensor. */
export const lessEqual = binary('lessEqual', 'LessOrEqual', (a, b) => Number(a <= b), null, 'bool');
/** a > b, as a boolean tensor. */
export const greater = binary('greater', 'Greater', (a, b) => Number(a > b), null, 'bool');
/** a >= b, as a boolean tensor. */
export const greaterEqual = binary(
  'greaterEqual',
  'GreaterOrEqual',
  (a, b) => Number(a >= b),
  null,
  'bool',
);

/** The op of {@link where}. */
export const whereOp = defineOp('where', {
  inputs: ['condition', 'a', 'b'],
  shape: ({ condition, a, b }) =>
    condition.dtype === 'bool'
      ? broadcastRule(a, b, condition.shape)
      : 'The condition must be boolean.',
  dtype: ({ a }) => a.dtype,
  gradient: ({ condition, a, b }, { upstream: g }) => ({
    condition: null,
    a: unbroadcast(where(condition, g, 0), a.shape),
    b: unbroadcast(where(condition, 0, g), b.shape),
  }),
  lower: ({ condition, a, b }, { emit }) => emit.node('Where', [condition, a, b]),
  reference: ({ condition, a, b }, { node }) =>
    mapBroadcast(node.shape, [condition, a, b], (c, x, y) => (c ? x : y)),
});

/** `a` where the condition holds, `b` elsewhere; all three broadcast. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const type = commonType(a, b);
  return whereOp({ condition, a: asTensor(a, type), b: asTensor(b, type) });
}

/** The op of {@link cast}. */
export const castOp = defineOp('cast', {
  inputs: ['x'],
  shape: ({ x }, _: { readonly to: DType }) => x.shape,
  dtype: (_, { to }) => to,
  gradient: ({ x }, { upstream: g }) => ({ x: x.dtype === 'float32' ? g : null }),
  lower: ({ x }, { emit, attributes: { to } }) =>
    emit.node('Cast', [x], { to: { float32: 1, int32: 6, int64: 7, bool: 9 }[to] }),
  reference: ({ x }, { attributes: { to } }) => {
    const convert = { float32: Number, int32: Math.trunc, int64: Math.trunc, bool: isNotZero }[to];
    return ndarray(
      x.shape,
      x.data.map((v) => convert(v)),
    );
  },
});

function isNotZero(value: number): number {
  return Number(value !== 0);
}

/** The same values as another type; floats are cut towards zero when they become integers. */
export function cast(x: Tensor, to: DType): Tensor {
  return x.dtype === to ? x : castOp({ x }, { to });
}

/** The op of {@link expand}. */
export const expandOp = defineOp('expand', {
  inputs: ['x'],
  shape: ({ x }, { to }: { readonly to: Shape }) => {
    const shape = broadcastShapes(x.shape, to);
    return shape && sameShape(shape, to) ? to : `It does not stretch to ${formatShape(to)}.`;
  },
  gradient: ({ x }, { upstream: g }) => ({ x: unbroadcast(g, x.shape) }),
  lower: ({ x }, { emit, attributes: { to } }) =>
    emit.node('Expand', [x, emit.constant(to, [to.length], 'int64')]),
  reference: ({ x }, { attributes: { to } }) => mapBroadcast(to, [x], (v) => v),
});

/** Stretches axes of size 1 (and adds leading ones) to a shape, as torch.expand. */
export function expand(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : expandOp({ x }, { to: shape });
}

declare module '../tensor/tensor.js' {
  interface Tensor {
    /** This plus the other, broadcast. */
    add(other: Operand): Tensor;
    /** This minus the other, broadcast. */
    sub(other: Operand): Tensor;
    /** This times the other, broadcast. */
    mul(other: Operand): Tensor;
    /** This divided by the other, broadcast. */
    div(other: Operand): Tensor;
    /** This to the power of the other, broadcast. */
    pow(exponent: Operand): Tensor;
    /** The larger one, element by element. */
    maximum(other: Operand): Tensor;
    /** The smaller one, element by element. */
    minimum(other: Operand): Tensor;
    /** Where this equals the other. */
    equal(other: Operand): Tensor;
    /** Where this is less than the other. */
    less(other: Operand): Tensor;
    /** Where this is at most the other. */
    lessEqual(other: Operand): Tensor;
    /** Where this is greater than the other. */
    greater(other: Operand): Tensor;
    /** Where this is at least the other. */
    greaterEqual(other: Operand): Tensor;
    /** The same values as another type. */
    cast(to: DType): Tensor;
    /** Stretches axes of size 1 to a shape. */
    expand(shape: Shape): Tensor;
  }
}

const fluent = {
  add,
  sub,
  mul,
  div,
  pow,
  maximum,
  minimum,
  equal,
  less,
  lessEqual,
  greater,
  greaterEqual,
};
installMethods({
  ...Object.fromEntries(
    Object.entries(fluent).map(([name, op]) => [
      name,
      function (this: Tensor, other: Operand) {
        return op(this, other);
      },
    ]),
  ),
  cast(to: DType) {
    return cast(this, to);
  },
  expand(shape: Shape) {
    return expand(this, shape);
  },
});
