/** Sizes of a tensor's axes, outermost first. All static: a graph is compiled for one set of sizes. */
export type Shape = readonly number[];

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: Shape): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

/**
 * An element of a list that is known to be there.
 * @throws RangeError if it is not
 */
export function at(list: ArrayLike<number>, index: number): number {
  return list[index] ?? absent(list, index);
}

function absent(list: ArrayLike<number>, index: number): never {
  throw new RangeError(`There is no element ${index} in a list of ${list.length}.`);
}

/** `[2, 3, 4]`, the way shapes are written in messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** Whether two shapes are the same, axis by axis. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= at(shape, axis);
  }
  return strides;
}

/** Where the element with an index lies, in elements. A stride of 0 repeats an axis. */
export function offsetOf(index: readonly number[], strides: readonly number[]): number {
  let offset = 0;
  for (let axis = 0; axis < index.length; axis++) offset += at(index, axis) * at(strides, axis);
  return offset;
}

/**
 * The shape that two operands broadcast to by NumPy's rules, or undefined if they do not.
 * Axes are aligned at the end; a size of 1 stretches.
 */
export function broadcastShapes(a: Shape, b: Shape): Shape | undefined {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const sizeA = a[axis - rank + a.length] ?? 1;
    const sizeB = b[axis - rank + b.length] ?? 1;
    if (sizeA !== sizeB && sizeA !== 1 && sizeB !== 1) return undefined;
    shape.push(sizeA === 1 ? sizeB : sizeA);
  }
  return shape;
}

/** Row-major strides of an operand along the axes of a shape that it broadcasts to: 0 where it is stretched. */
export function broadcastStrides(own: Shape, shape: Shape): number[] {
  const strides = stridesOf(own);
  const lead = shape.length - own.length;
  return shape.map((_, axis) =>
    axis < lead || own[axis - lead] === 1 ? 0 : at(strides, axis - lead),
  );
}

/** Turns axes that may be negative into sorted, distinct, non-negative ones; undefined if one is out of range. */
export function normalizeAxes(
  axes: readonly number[] | undefined,
  rank: number,
): number[] | undefined {
  if (axes === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  const normalized = axes.map((axis) => (axis < 0 ? axis + rank : axis));
  const valid =
    normalized.every((axis) => Number.isInteger(axis) && axis >= 0 && axis < rank) &&
    new Set(normalized).size === normalized.length;
  return valid ? normalized.sort((a, b) => a - b) : undefined;
}

/** The shape left when `axes` are reduced away, or kept with size 1. */
export function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): number[] {
  return keepDims
    ? shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    : shape.filter((_, axis) => !axes.includes(axis));
}
