/**
 * Convolution and the gradient of its weight in the blocked layout. Letters: B batch, C input
 * channels, O output channels, K block, a trailing b for a number of blocks (Cb = C/K).
 */
import type { ConvGeometry } from '../../ops/conv.js';
import { at } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { BlockRule } from './layout.js';

/** Two spatial axes, no groups. */
export function isDense(node: Tensor, { groups }: ConvGeometry): boolean {
  return groups === 1 && node.rank === 4;
}

export const conv: BlockRule<'x' | 'weight' | 'bias?', ConvGeometry> = (
  layouts,
  node,
  { inputs: { x, weight: w, bias }, attributes: geometry },
) => {
  if (!isDense(node, geometry) || !layouts.fits(node)) return undefined;
  // Gates of one place per channel are not worth the conversion.
  if (node.dim(2) * node.dim(3) === 1) return undefined;
  const [O, C, kh, kw] = [w.dim(0), w.dim(1), w.dim(2), w.dim(3)];
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

/**
 * As in the plain lowering, one convolution with the batch in the place of the channels: here of
 * the blocked input, each of whose blocks is a sample, with the channels of a block as pixels.
 */
export const convWeightGradient: BlockRule<'x' | 'upstream', ConvGeometry> = (
  layouts,
  node,
  { inputs: { x, upstream: g }, attributes: geometry },
) => {
  if (!isDense(node, geometry) || !layouts.fits(x) || !layouts.fits(g)) return undefined;
  if (!layouts.inBlocks(g) || geometry.dilations.some((d) => d !== 1)) return undefined;
  const [B, O, Ho, Wo] = [g.dim(0), g.dim(1), g.dim(2), g.dim(3)];
  const [C, kh, kw] = [node.dim(1), node.dim(2), node.dim(3)];
  const K = layouts.block;
  if (B % K !== 0) return undefined;
  const [Cb, Ob] = [C / K, O / K];
  const pointwise = kh === 1 && kw === 1 && geometry.padsBegin.every((p) => p === 0);
  const [top, left] = [at(geometry.padsBegin, 0), at(geometry.padsBegin, 1)];
  let [sh, sw] = [at(geometry.strides, 0), at(geometry.strides, 1)];
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
