/** How sums and means over axes become ONNX nodes. */
import type { Emitter, Value } from '../tensor/op.js';
import { at, elementCount, reducedShape, type Shape } from '../tensor/shape.js';

/** From this many terms on, a sum is taken in two stages. */
const LONG = 96;

/** Rows shorter than this are not worth a stage of their own. */
const SHORT = 8;

/** Axes next to each other that are reduced, and their number of elements. */
interface Run {
  readonly first: number;
  readonly axes: number;
  readonly size: number;
}

/**
 * The longest run of neighbouring axes that are reduced. The first axis, usually the batch, is left
 * to the second stage where others follow it: an exported file must not depend on its size.
 */
function longestRun(shape: Shape, axes: readonly number[]): Run {
  let longest: Run = { first: 0, axes: 0, size: 1 };
  let run: Run | undefined;
  for (const [axis, size] of shape.entries()) {
    if (!axes.includes(axis)) run = undefined;
    else if (run === undefined || run.first === 0) run = { first: axis, axes: 1, size };
    else run = { ...run, axes: run.axes + 1, size: run.size * size };
    if (run && run.size > longest.size) longest = run;
  }
  return longest;
}

/** The largest divisor of a number up to its root. */
function divisor(size: number): number {
  let d = Math.floor(Math.sqrt(size));
  while (size % d !== 0) d--;
  return d;
}

/**
 * Writes the sum or the mean over axes. ONNX Runtime adds the elements of a row one after the other,
 * so that the rounding errors of long rows grow with their length. In two stages, rows of about its
 * root and then their sums, the errors stay those of short ones.
 */
export function lowerSum(
  emit: Emitter,
  kind: 'ReduceSum' | 'ReduceMean',
  x: Value,
  shape: Shape,
  { axes, keepDims }: { readonly axes: readonly number[]; readonly keepDims: boolean },
): Value {
  const int64 = (list: readonly number[]) => emit.constant(list, [list.length], 'int64');
  const reduce = (value: Value, over: readonly number[], keepdims: number) =>
    kind === 'ReduceSum'
      ? emit.node(kind, [value, int64(over)], { keepdims })
      : emit.node(kind, [value], { axes: over, keepdims });
  const terms = elementCount(axes.map((axis) => at(shape, axis)));
  const run = longestRun(shape, axes);
  const { first } = run;
  const inner = run.size < LONG ? run.size : divisor(run.size);
  if (terms < LONG || inner < SHORT) return reduce(x, axes, Number(keepDims));
  if (inner === run.size) {
    const own = axes.filter((axis) => axis >= first && axis < first + run.axes);
    return reduce(reduce(x, own, 1), axes, Number(keepDims));
  }

  // The run becomes two axes, the second of which goes first.
  const rows = [...shape.slice(0, first), run.size / inner];
  const after = shape.slice(first + run.axes);
  const split = emit.node('Reshape', [x, int64([...rows, inner, ...after])]);
  const moved = axes
    .filter((axis) => axis < first || axis >= first + run.axes)
    .map((axis) => (axis < first ? axis : axis - run.axes + 1));
  const total = reduce(
    reduce(split, [first + 1], 0),
    [...moved, first].sort((a, b) => a - b),
    0,
  );
  return keepDims ? emit.node('Reshape', [total, int64(reducedShape(shape, axes, true))]) : total;
}
