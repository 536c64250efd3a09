/** Where gradients end: inputs, whose values come at run time, constants, whose values are part of the graph, and tensors taken for constants. */
import { FoveaError, ShapeError } from '../errors.js';
import { ndarray } from '../tensor/ndarray.js';
import type { DType } from '../tensor/op.js';
import { elementCount, formatShape, type Shape } from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { defineOp } from './define.js';

export interface InputAttributes {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** The op of {@link input}. */
export const inputOp = defineOp('input', {
  inputs: [],
  shape: (_, { shape }: InputAttributes) => shape,
  dtype: (_, { dtype }) => dtype,
  gradient: null,
  lower: (_, { attributes }) => {
    throw new FoveaError(
      `The graph uses the input '${attributes.name}', which was not listed among the inputs that it is compiled with.`,
    );
  },
  reference: (_, { attributes }) => {
    throw new FoveaError(`No value was given for the input '${attributes.name}'.`);
  },
});

/**
 * A tensor whose values are given when the graph runs.
 *
 * @example
 * const images = input('images', [32, 3, 224, 224]);
 * const labels = input('labels', [32], 'int32');
 *
 * @param name under which the values are fed
 * @param shape positive whole numbers
 * @param dtype default 'float32'
 * @throws ShapeError if a size is not a positive integer.
 */
export function input(name: string, shape: Shape, dtype: DType = 'float32'): Tensor {
  if (!shape.every((size) => Number.isInteger(size) && size > 0)) {
    throw new ShapeError(
      `The input '${name}' has the shape ${formatShape(shape)}; every size must be a positive integer.`,
    );
  }
  return inputOp({}, { name, shape: [...shape], dtype });
}

export interface ConstantAttributes {
  readonly data: ArrayLike<number>;
  readonly shape: Shape;
  readonly dtype: DType;
  /** What the values are for, in a word, where whoever describes a graph should know. */
  readonly purpose?: string;
}

/** The op of {@link constant}. */
export const constantOp = defineOp('constant', {
  inputs: [],
  shape: (_, { data, shape }: ConstantAttributes) =>
    elementCount(shape) === data.length
      ? shape
      : `${data.length} values were given for ${formatShape(shape)}.`,
  dtype: (_, { dtype }) => dtype,
  gradient: () => ({}),
  lower: (_, { emit, attributes: { data, shape, dtype } }) => emit.constant(data, shape, dtype),
  reference: (_, { attributes: { data, shape } }) => ndarray(shape, Float64Array.from(data)),
});

/**
 * A tensor with fixed values.
 * @param data the elements, in row-major order
 * @throws ShapeError if they do not fill the shape
 */
export function constant(data: ArrayLike<number>, shape: Shape, dtype: DType = 'float32'): Tensor {
  return constantOp({}, { data, shape, dtype });
}

/** A scalar, or the tensor itself: what the second operand of an arithmetic op may be. */
export function asTensor(value: Tensor | number, dtype: DType = 'float32'): Tensor {
  return typeof value === 'number' ? constant([value], [], dtype) : value;
}

/** A tensor of one repeated value. */
export function full(shape: Shape, value: number, dtype: DType = 'float32'): Tensor {
  return constant(new Float64Array(elementCount(shape)).fill(value), shape, dtype);
}

const detachOp = defineOp('detach', {
  inputs: ['x'],
  shape: ({ x }) => x.shape,
  gradient: () => ({ x: null }),
  lower: ({ x }) => x,
  reference: ({ x }) => x,
});

/** The same values, as constants to gradients. */
export function detach(x: Tensor): Tensor {
  return detachOp({ x });
}

declare module '../tensor/tensor.js' {
  interface Tensor {
    /** The same values, as constants to gradients (as torch's detach). */
    detach(): Tensor;
  }
}

installMethods({
  detach(): Tensor {
    return detach(this);
  },
});
