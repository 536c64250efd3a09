/**
 * Convolution, its gradient with respect to the input, and with respect to the weight, in the
 * blocked layout. Letters: B batch, C input channels, O output channels, K block, a trailing b for a
 * number of blocks (Cb = C/K).
 */
import type { ConvGeometry } from '../../ops/conv.js';
import type { Value } from '../../tensor/op.js';
import type { Tensor } from '../../tensor/tensor.js';
import { lowerUnslice } from '../../ops/indexing.js';
import type { BlockRule, Layouts } from './layout.js';

/** Two spatial axes, no groups. */
function dense(node: Tensor): boolean {
  const { groups } = node.attributes as ConvGeometry;
  return groups === 1 && node.rank === 4;
}

export const conv: BlockRule = (layouts, node) => {
  const [x, w, bias] = node.inputs;
  const geometry = node.attributes as ConvGeometry;
  if (!x || !w || !dense(node) || !layouts.fits(node)) return undefined;
  // Gates of one place per channel are not worth the conversion.
  if (node.dim(2) * node.dim(3) === 1) return undefined;
  const [O = 1, C = 1, kh = 1, kw = 1] = w.shape;
  const K = layouts.block;
  const few = C < K;
  if (!few && !layouts.fits(x)) return undefined;
  // A map of few channels, such as an image, is read as it is: [O, C, k] -> [Ob, C, k, K]
  const weight = few
    ? layouts.view(
        layouts.transpose(layouts.view(layouts.plain(w), [O / K, K, C, kh * kw]), [0, 2, 3, 1]),
        w.shape,
      )
    : layouts.kernel(w);
  const value = layouts.conv(
    [few ? layouts.plain(x) : layouts.blocked(x), weight, ...(bias ? [layouts.plain(bias)] : [])],
    {
      kernel_shape: [kh, kw],
      strides: geometry.strides,
      dilations: geometry.dilations,
      pads: [...geometry.padsBegin, ...geometry.padsEnd],
    },
  );
  return { value, layout: 'blocked' };
};

/** The taps of one axis that reach the outputs of one phase of a strided transposed convolution. */
interface Phase {
  readonly taps: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Output i of a transposed convolution with stride s gets tap t of input o where i = s o + t - p.
 * All i of one remainder modulo s are an ordinary convolution with every s-th tap, in reverse.
 */
function phaseOf(
  remainder: number,
  {
    size,
    output,
    kernel,
    pad,
    stride,
  }: Record<'size' | 'output' | 'kernel' | 'pad' | 'stride', number>,
): Phase {
  const taps: number[] = [];
  for (let t = kernel - 1; t >= 0; t--) {
    if ((remainder + pad - t) % stride === 0) taps.push(t);
  }
  const first = (remainder + pad - (taps[0] ?? 0)) / stride;
  const length = Math.ceil((output - remainder) / stride);
  return { taps, begin: -first, end: length - size + first + taps.length - 1 };
}

/** The memory of a map with the places of another and C channels: [B C/K, H, W, K]. */
function memory({ block }: Layouts, places: Tensor, channels: number): number[] {
  return [(places.dim(0) * channels) / block, places.dim(2), places.dim(3), block];
}

export const convTranspose: BlockRule = (layouts, node) => {
  const [g, w] = node.inputs;
  const geometry = node.attributes as ConvGeometry;
  if (!g || !w || !dense(node) || !layouts.fits(node) || !layouts.fits(g)) return undefined;
  if (!layouts.inBlocks(g) || geometry.dilations.some((d) => d !== 1)) return undefined;
  const [O = 1, C = 1, kh = 1, kw = 1] = w.shape;
  const K = layouts.block;
  const [sh = 1, sw = 1] = geometry.strides;
  const axis = (a: 0 | 1, stride: number) => ({
    size: g.dim(2 + a),
    output: node.dim(2 + a),
    kernel: a === 0 ? kh : kw,
    pad: geometry.padsBegin[a] ?? 0,
    stride,
  });
  // [Ob, Cb, k, Kc, Ko] -> [Cb, Ob, k, Ko, Kc]: the weight of a convolution from O to C channels.
  const exchanged = layouts.transpose(
    layouts.view(layouts.kernel(w), [O / K, C / K, kh * kw, K, K]),
    [1, 0, 2, 4, 3],
  );
  const convolve = (rows: Phase, columns: Phase): Value => {
    const taps = rows.taps.flatMap((r) => columns.taps.map((c) => r * kw + c));
    const all = taps.length === kh * kw && taps.every((tap, i) => tap === i);
    const weight = all
      ? exchanged
      : layouts.emit.node('Gather', [exchanged, layouts.int64(taps)], { axis: 2 });
    const shape = [C, O, rows.taps.length, columns.taps.length];
    return layouts.conv([layouts.blocked(g), layouts.view(weight, shape)], {
      kernel_shape: [rows.taps.length, columns.taps.length],
      pads: [rows.begin, columns.begin, rows.end, columns.end],
    });
  };
  const possible = (phase: Phase) => phase.begin >= 0 && phase.end >= 0;

  if (sh === 1 && sw === 1) {
    const [rows, columns] = [phaseOf(0, axis(0, 1)), phaseOf(0, axis(1, 1))];
    if (!possible(rows) || !possible(columns)) return undefined;
    return { value: convolve(rows, columns), layout: 'blocked' };
  }
  const evenly = node.dim(2) === 2 * g.dim(2) && node.dim(3) === 2 * g.dim(3);
  if (sh !== 2 || sw !== 2 || !evenly) return undefined;
  const rows = [0, 1].map((r) => phaseOf(r, axis(0, 2)));
  const columns = [0, 1].map((r) => phaseOf(r, axis(1, 2)));
  const phases = [...rows, ...columns];
  const first = rows[0];
  if (
    first &&
    kh === 1 &&
    kw === 1 &&
    possible(first) &&
    geometry.padsBegin.every((p) => p === 0)
  ) {
    // A pointwise kernel reaches every other row and column only.
    const reached = layouts.view(convolve(first, first), memory(layouts, g, C));
    const [, h = 1, w2 = 1] = memory(layouts, g, C);
    const wide = { start: 0, step: 2 };
    const columnsSpread = lowerUnslice(layouts.emit, reached, memory(layouts, g, C), {
      ...wide,
      axis: 2,
      size: 2 * w2,
    });
    const all = lowerUnslice(layouts.emit, columnsSpread, [(node.dim(0) * C) / K, h, 2 * w2 * K], {
      ...wide,
      axis: 1,
      size: 2 * h,
    });
    return { value: layouts.view(all, node.shape), layout: 'blocked' };
  }
  if (phases.some((phase) => phase.taps.length === 0) || !phases.every(possible)) return undefined;
  // The four phases are woven together: two columns side by side, then two rows.
  const [height, width] = [g.dim(2), g.dim(3)];
  const maps = node.dim(0) * (C / K);
  const woven = rows.map((row) => {
    const pair = columns.map((column) =>
      layouts.view(convolve(row, column), [maps, height, width, K]),
    );
    const joined = layouts.emit.node('Concat', pair, { axis: 3 });
    return layouts.view(joined, [maps, height, 2 * width * K]);
  });
  const whole = layouts.emit.node('Concat', woven, { axis: 2 });
  return { value: layouts.view(whole, node.shape), layout: 'blocked' };
};

/**
 * As in the plain lowering, one convolution with the batch in the place of the channels: here of
 * the blocked input, each of whose blocks is a sample, with the channels of a block as pixels.
 */
export const convWeightGradient: BlockRule = (layouts, node) => {
  const [x, g] = node.inputs;
  const geometry = node.attributes as ConvGeometry;
  if (!x || !g || !dense(node) || !layouts.fits(x) || !layouts.fits(g)) return undefined;
  if (!layouts.inBlocks(g) || geometry.dilations.some((d) => d !== 1)) return undefined;
  const [B = 1, O = 1, Ho = 1, Wo = 1] = g.shape;
  const [, C = 1, kh = 1, kw = 1] = node.shape;
  const K = layouts.block;
  if (B % K !== 0) return undefined;
  const [Cb, Ob] = [C / K, O / K];
  const pointwise = kh === 1 && kw === 1 && geometry.padsBegin.every((p) => p === 0);
  const [top = 0, left = 0] = geometry.padsBegin;
  let [sh = 1, sw = 1] = geometry.strides;
  let [height, width] = [x.dim(2), x.dim(3)];
  let source = layouts.blocked(x);
  if (pointwise && (sh > 1 || sw > 1)) {
    // Only every s-th pixel was looked at.
    source = layouts.node('MaxPool', [source], {
      kernel_shape: [1, 1],
      strides: [sh, sw],
      pads: [0, 0, 0, 0],
      dilations: [1, 1],
    });
    [height, width, sh, sw] = [Ho, Wo, 1, 1];
  }
  const bottom = kh + sh * (Ho - 1) - height - top;
  const padded = kw + sw * (Wo - 1);
  const right = padded - width - left;
  if (bottom < 0 || right < 0) return undefined;
  if (left > 0 || right > 0) {
    const ones = layouts.emit.constant(new Float64Array(C).fill(1), [C, 1, 1, 1], 'float32');
    source = layouts.conv([source, ones], {
      kernel_shape: [1, 1],
      pads: [0, left, 0, right],
      group: C,
    });
  }
  // [B, Cb, H, W, K] -> the batch as channels: [Cb, B, H, W K], in blocks of B
  const batchLast = layouts.node(
    'ReorderInput',
    [layouts.view(source, [1, B, Cb * height, padded * K])],
    { channels_last: 0 },
  );
  const byBlock =
    Cb === 1
      ? batchLast
      : layouts.transpose(layouts.view(batchLast, [B / K, Cb, height * padded * K * K]), [1, 0, 2]);
  const samples = layouts.view(byBlock, [Cb, B, height, padded * K]);
  // [B, Ob, H'W', Ko] -> a weight from B to O channels: [Ob, Bb, H'W', Kb, Ko]
  const kernel = layouts.transpose(
    layouts.view(layouts.blocked(g), [B / K, K, Ob, Ho * Wo, K]),
    [2, 0, 3, 1, 4],
  );
  const taps = layouts.conv([samples, layouts.view(kernel, [O, B, Ho, Wo])], {
    kernel_shape: [Ho, Wo],
    dilations: [sh, sw * K],
    pads: [top, 0, bottom, 0],
  });
  // [Cb, Ob, k Kc Ko] -> [Ob, Cb, k Kc Ko], which is the kernel layout.
  const ordered =
    Cb === 1 || Ob === 1
      ? taps
      : layouts.transpose(layouts.view(taps, [Cb, Ob, kh * kw * K * K]), [1, 0, 2]);
  return { value: layouts.view(ordered, node.shape), layout: 'kernel' };
};
