/**
 * Transposed convolution, which is the gradient of a convolution's input, in the blocked layout: as
 * ordinary convolutions, one with stride 1 and four with stride 2. Letters: B batch, O channels of
 * its input, C of its output, K block, a trailing b for a number of blocks (Cb = C/K).
 */
import type { ConvTransposeAttributes } from '../../ops/conv.js';
import { lowerUnslice } from '../../ops/indexing.js';
import type { Value } from '../../tensor/op.js';
import { at } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import { isDense } from './conv.js';
import type { BlockRule, Layouts } from './layout.js';

/** The taps of one axis that reach the outputs of one phase, and the padding with which they do. */
interface Phase {
  readonly taps: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** One spatial axis: the number of inputs, outputs and taps, the padding before and the stride. */
type Axis = Readonly<Record<'inputs' | 'outputs' | 'kernel' | 'pad' | 'stride', number>>;

/**
 * Output i of a transposed convolution with stride s gets tap t of input o where i = s o + t - p.
 * All i of one remainder modulo s, a phase, are an ordinary convolution with every s-th tap, in reverse.
 */
function phasesOf({ inputs, outputs, kernel, pad, stride }: Axis): Phase[] {
  return Array.from({ length: stride }, (_, remainder) => {
    const taps = Array.from({ length: kernel }, (_, i) => kernel - 1 - i).filter(
      (tap) => (remainder + pad - tap) % stride === 0,
    );
    const first = (remainder + pad - (taps[0] ?? 0)) / stride;
    const count = Math.ceil((outputs - remainder) / stride);
    return { taps, begin: -first, end: count - inputs + first + taps.length - 1 };
  });
}

const isPossible = ({ taps, begin, end }: Phase) => taps.length > 0 && begin >= 0 && end >= 0;

export const convTranspose: BlockRule<'x' | 'weight', ConvTransposeAttributes> = (
  layouts,
  node,
  { inputs: { x, weight }, attributes: geometry },
) => {
  const { strides, padsBegin, dilations } = geometry;
  if (!isDense(node, geometry) || !layouts.fits(node) || !layouts.fits(x)) return undefined;
  if (!layouts.inBlocks(x) || dilations.some((d) => d !== 1)) return undefined;
  const doubled =
    strides.every((s) => s === 2) && node.dim(2) === 2 * x.dim(2) && node.dim(3) === 2 * x.dim(3);
  if (!doubled && strides.some((s) => s !== 1)) return undefined;

  const phases = (axis: 0 | 1) =>
    phasesOf({
      inputs: x.dim(2 + axis),
      outputs: node.dim(2 + axis),
      kernel: weight.dim(2 + axis),
      pad: at(padsBegin, axis),
      stride: at(strides, axis),
    });
  const [rows, columns] = [phases(0), phases(1)];
  const [[row], [column]] = [rows, columns];
  if (row === undefined || column === undefined) return undefined;

  const convolve = phaseConvolution(layouts, x, weight);
  const memory = layouts.memory(x, node.dim(1));
  const pointwise = weight.dim(2) === 1 && weight.dim(3) === 1 && padsBegin.every((p) => p === 0);
  if (doubled && pointwise) {
    // Such a kernel reaches every other row and column only.
    const spread = spreadByTwo(layouts, convolve(row, column), memory);
    return { value: layouts.view(spread, node.shape), layout: 'blocked' };
  }
  if (![...rows, ...columns].every(isPossible)) return undefined;
  if (!doubled) return { value: convolve(row, column), layout: 'blocked' };
  const woven = weave(
    layouts,
    rows,
    columns,
    (r, c) => layouts.view(convolve(r, c), memory),
    memory,
  );
  return { value: layouts.view(woven, node.shape), layout: 'blocked' };
};

/** Makes the convolutions of x [B, O, H, W] with the taps of two phases of a weight [O, C, kh, kw]. */
function phaseConvolution(layouts: Layouts, x: Tensor, weight: Tensor) {
  const K = layouts.block;
  const [O, C, kh, kw] = [weight.dim(0), weight.dim(1), weight.dim(2), weight.dim(3)];
  // [Ob, Cb, k, Kc, Ko] -> [Cb, Ob, k, Ko, Kc]: the weight of a convolution from O to C channels.
  const exchanged = layouts.transpose(
    layouts.view(layouts.kernel(weight), [O / K, C / K, kh * kw, K, K]),
    [1, 0, 2, 4, 3],
  );
  return (rows: Phase, columns: Phase): Value => {
    const taps = rows.taps.flatMap((row) => columns.taps.map((column) => row * kw + column));
    const all = taps.length === kh * kw && taps.every((tap, i) => tap === i);
    const chosen = all
      ? exchanged
      : layouts.emit.node('Gather', [exchanged, layouts.int64(taps)], { axis: 2 });
    const kernel = [rows.taps.length, columns.taps.length];
    return layouts.conv([layouts.blocked(x), layouts.view(chosen, [C, O, ...kernel])], {
      kernel_shape: kernel,
      pads: [rows.begin, columns.begin, rows.end, columns.end],
    });
  };
}

/** Puts a zero after every column and a row of zeros after every row: [n, h, w, K] -> [n, 2h, 2w, K]. */
function spreadByTwo(
  layouts: Layouts,
  value: Value,
  [maps, height, width, K]: readonly [number, number, number, number],
): Value {
  const memory = [maps, height, width, K];
  const wide = lowerUnslice(layouts.emit, layouts.view(value, memory), memory, {
    axis: 2,
    start: 0,
    step: 2,
    size: 2 * width,
  });
  return lowerUnslice(layouts.emit, wide, [maps, height, 2 * width * K], {
    axis: 1,
    start: 0,
    step: 2,
    size: 2 * height,
  });
}

/** Weaves the maps of four phases together, two columns side by side and then two rows: [n, 2h, 2w, K]. */
function weave(
  layouts: Layouts,
  rows: readonly Phase[],
  columns: readonly Phase[],
  mapOf: (row: Phase, column: Phase) => Value,
  [maps, height, width, K]: readonly [number, number, number, number],
): Value {
  const wide = rows.map((row) => {
    const pair = columns.map((column) => mapOf(row, column));
    const joined = layouts.emit.node('Concat', pair, { axis: 3 });
    return layouts.view(joined, [maps, height, 2 * width * K]);
  });
  return layouts.emit.node('Concat', wide, { axis: 2 });
}
