/**
 * Arithmetic and comparisons of two tensors with NumPy's broadcasting, and selection.
 *
 * Gradient rules refer to each other in circles (a sum's is an expansion, an expansion's a sum), so
 * inside them ops of other files are reached by their fluent methods and not by imports.
 */
import { forEachIndex, ndarray, type NdArray } from '../tensor/ndarray.js';
import type { DType, GradientContext } from '../tensor/op.js';
import { broadcastShapes, formatShape, sameShape, stridesOf, type Shape } from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { defineOp } from './define.js';
import { asTensor, type ConstantAttributes } from './leaf.js';

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
  const strides = operands.map((operand) => {
    const own = stridesOf(operand.shape);
    const lead = shape.length - operand.shape.length;
    return shape.map((_, axis) =>
      axis < lead || operand.shape[axis - lead] === 1 ? 0 : (own[axis - lead] ?? 0),
    );
  });
  forEachIndex(shape, (index, flat) => {
    const values = operands.map((operand, which) => {
      let offset = 0;
      for (let axis = 0; axis < index.length; axis++) {
        offset += (index[axis] ?? 0) * (strides[which]?.[axis] ?? 0);
      }
      return operand.data[offset] ?? NaN;
    });
    out.data[flat] = f(...values);
  });
  return out;
}

/** Operands of `inputs` must broadcast; those from `first` on must have one type. */
function broadcastRule(inputs: readonly Tensor[], first = 0): Shape | string {
  const types = new Set(inputs.slice(first).map((x) => x.dtype));
  if (types.size > 1) return `The types ${[...types].join(' and ')} differ: cast one of them.`;
  let shape: Shape = [];
  for (const x of inputs) {
    const next = broadcastShapes(shape, x.shape);
    if (next === undefined) {
      return 'The shapes do not broadcast: aligned at the end, sizes must be equal or 1.';
    }
    shape = next;
  }
  return shape;
}

type PairGradient = (context: { a: Tensor; b: Tensor; y: Tensor; g: Tensor }) => [Tensor, Tensor];

function binary(
  name: string,
  onnx: string,
  f: (a: number, b: number) => number,
  gradient: PairGradient | null,
  dtype?: DType,
) {
  const op = defineOp<object>(name, {
    shape: (inputs) => broadcastRule(inputs),
    ...(dtype && { dtype }),
    gradient:
      gradient &&
      (({ inputs: [a, b], output: y, upstream: g }: GradientContext<object>) => {
        if (a === undefined || b === undefined) return [];
        const [ga, gb] = gradient({ a, b, y, g });
        return [unbroadcast(ga, a.shape), unbroadcast(gb, b.shape)];
      }),
    lower: ({ emit, inputs }) => emit.node(onnx, inputs),
    reference: ({ inputs, node }) => mapBroadcast(node.shape, inputs, f),
  });
  return (a: Tensor | number, b: Tensor | number): Tensor => {
    const type = typeof a === 'number' ? (typeof b === 'number' ? 'float32' : b.dtype) : a.dtype;
    return op([asTensor(a, type), asTensor(b, type)], {});
  };
}

/** a + b. */
export const add = binary(
  'add',
  'Add',
  (a, b) => a + b,
  ({ g }) => [g, g],
);
/** a - b. */
export const sub = binary(
  'sub',
  'Sub',
  (a, b) => a - b,
  ({ g }) => [g, g.neg()],
);
/** a * b. */
export const mul = binary(
  'mul',
  'Mul',
  (a, b) => a * b,
  ({ a, b, g }) => [mul(g, b), mul(g, a)],
);
/** a / b. */
export const div = binary(
  'div',
  'Div',
  (a, b) => a / b,
  ({ b, y, g }) => {
    const ga = div(g, b);
    return [ga, mul(ga, y).neg()];
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
    return [mul(g, mul(b, pow(a, lower))), mul(g, mul(y, inside.log()))];
  },
);

/** Whether a tensor may hold a zero: a constant tells, so that the usual exponents cost nothing. */
function mayBeZero({ op, attributes }: Tensor): boolean {
  if (op.name !== 'constant') return true;
  return Array.from((attributes as ConstantAttributes).data).includes(0);
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

function splitByOrder(aWins: Tensor, bWins: Tensor, g: Tensor): [Tensor, Tensor] {
  const half = mul(g, 0.5);
  return [where(aWins, g, where(bWins, 0, half)), where(bWins, g, where(aWins, 0, half))];
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

const whereOp = defineOp<object>('where', {
  shape: (inputs) =>
    inputs[0]?.dtype === 'bool' ? broadcastRule(inputs, 1) : 'The condition must be boolean.',
  dtype: (inputs) => inputs[1]?.dtype ?? 'float32',
  gradient: ({ inputs: [condition, a, b], upstream: g }) => {
    if (condition === undefined || a === undefined || b === undefined) return [];
    return [
      null,
      unbroadcast(where(condition, g, 0), a.shape),
      unbroadcast(where(condition, 0, g), b.shape),
    ];
  },
  lower: ({ emit, inputs }) => emit.node('Where', inputs),
  reference: ({ inputs, node }) => mapBroadcast(node.shape, inputs, (c, a, b) => (c ? a : b)),
});

/** `a` where the condition holds, `b` elsewhere; all three broadcast. */
export function where(condition: Tensor, a: Tensor | number, b: Tensor | number): Tensor {
  const type = typeof a === 'number' ? (typeof b === 'number' ? 'float32' : b.dtype) : a.dtype;
  return whereOp([condition, asTensor(a, type), asTensor(b, type)], {});
}

const castOp = defineOp<{ readonly to: DType }>('cast', {
  shape: ([x]) => x?.shape ?? [],
  dtype: (_, { to }) => to,
  gradient: ({ inputs: [x], upstream: g }) => [x?.dtype === 'float32' ? g : null],
  lower: ({ emit, inputs, attributes: { to } }) =>
    emit.node('Cast', inputs, { to: { float32: 1, int32: 6, int64: 7, bool: 9 }[to] }),
  reference: ({ inputs: [x], attributes: { to }, node }) => {
    const convert =
      to === 'float32'
        ? (v: number) => v
        : to === 'bool'
          ? (v: number) => Number(v !== 0)
          : Math.trunc;
    return ndarray(node.shape, x?.data.map(convert) ?? []);
  },
});

/** The same values as another type; floats are cut towards zero when they become integers. */
export function cast(x: Tensor, to: DType): Tensor {
  return x.dtype === to ? x : castOp([x], { to });
}

const expandOp = defineOp<{ readonly to: Shape }>('expand', {
  shape: ([x], { to }) => {
    const shape = x && broadcastShapes(x.shape, to);
    return shape && sameShape(shape, to) ? to : `It does not stretch to ${formatShape(to)}.`;
  },
  gradient: ({ inputs: [x], upstream: g }) => [x ? unbroadcast(g, x.shape) : null],
  lower: ({ emit, inputs: [x = ''], attributes: { to } }) =>
    emit.node('Expand', [x, emit.constant(to, [to.length], 'int64')]),
  reference: ({ inputs, attributes: { to } }) => mapBroadcast(to, inputs, (v) => v),
});

/** Stretches axes of size 1 (and adds leading ones) to a shape, as torch.expand. */
export function expand(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : expandOp([x], { to: shape });
}

type Operand = Tensor | number;

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
