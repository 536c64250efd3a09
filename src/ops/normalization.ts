/** Normalisation by given statistics, and by those of each image: layer and group. */
import { formatShape, sameShape, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { allButChannels, channelRule, normalizeReference, perChannel } from './channel-affine.js';
import { defineOp, shapeError } from './define.js';

/** The op of {@link normalizeBy}. */
export const normalizeByOp = defineOp('normalizeBy', {
  inputs: ['x', 'weight', 'bias', 'mean', 'variance'],
  shape: ({ x, ...perChannel }, _: { readonly epsilon: number }) =>
    channelRule(x, ...Object.values(perChannel)),
  gradient: ({ x, weight, mean, variance }, { attributes: { epsilon }, upstream: g }) => {
    const axes = allButChannels(x);
    const inverse = variance.add(epsilon).sqrt().reciprocal();
    const scale = weight.mul(inverse);
    const sumG = g.sum(axes);
    const gWeight = g
      .mul(x.sub(perChannel(mean, x)))
      .sum(axes)
      .mul(inverse);
    return {
      x: g.mul(perChannel(scale, x)),
      weight: gWeight,
      bias: sumG,
      mean: scale.mul(sumG).neg(),
      variance: gWeight.mul(weight).mul(-0.5).div(variance.add(epsilon)),
    };
  },
  // Kept whole, because ONNX Runtime folds it into a convolution before it when all is constant.
  lower: ({ x, weight, bias, mean, variance }, { emit, attributes: { epsilon } }) =>
    emit.node('BatchNormalization', [x, weight, bias, mean, variance], {
      epsilon: { float: epsilon },
    }),
  reference: (inputs, { attributes: { epsilon } }) => normalizeReference(inputs, epsilon),
});

/**
 * Normalisation by given statistics, as BatchNorm in eval: (x - mean) / sqrt(variance + epsilon) * weight + bias.
 * x [B, C, ..S], everything else [C].
 */
export function normalizeBy(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  statistics: { mean: Tensor; variance: Tensor },
  epsilon = 1e-5,
): Tensor {
  return normalizeByOp({ x, weight, bias, ...statistics }, { epsilon });
}

/**
 * (x - mean) / sqrt(var + epsilon) over the given axes, with the biased variance. The mean is subtracted
 * twice: in float32 the first one is off by its own last bit, which is a lot of a deviation where the
 * mean is thousands of them. As what is subtracted first may be any number, it is a constant to gradients.
 */
export function standardize(x: Tensor, axes: readonly number[], epsilon: number): Tensor {
  const near = x.sub(x.mean(axes, { keepDims: true }).detach());
  const centred = near.sub(near.mean(axes, { keepDims: true }));
  const variance = centred.mul(centred).mean(axes, { keepDims: true });
  return centred.div(variance.add(epsilon).sqrt());
}

/** Layer normalisation over the trailing axes that `weight` covers, as torch.nn.functional.layer_norm. */
export function layerNorm(
  x: Tensor,
  normalizedShape: readonly number[],
  weight?: Tensor,
  bias?: Tensor,
  epsilon = 1e-5,
): Tensor {
  const first = x.rank - normalizedShape.length;
  const covers = (shape: Shape) => sameShape(shape, normalizedShape);
  if (!covers(x.shape.slice(first)) || ![weight, bias].every((p) => !p || covers(p.shape))) {
    const wanted = formatShape(normalizedShape);
    throw shapeError('layerNorm', [x], `Its last axes, the weight and the bias must be ${wanted}.`);
  }
  const normalized = standardize(
    x,
    normalizedShape.map((_, i) => first + i),
    epsilon,
  );
  const scaled = weight ? normalized.mul(weight) : normalized;
  return bias ? scaled.add(bias) : scaled;
}

/** Group normalisation: channels in `groups` equal groups, each normalised over its channels and space. */
export function groupNorm(
  x: Tensor,
  groups: number,
  weight?: Tensor,
  bias?: Tensor,
  epsilon = 1e-5,
): Tensor {
  if (x.rank < 2 || x.dim(1) % groups !== 0) {
    throw shapeError('groupNorm', [x], `Its channels do not fall into ${groups} equal groups.`);
  }
  const problem = channelRule(x, ...[weight, bias].filter((p) => p !== undefined));
  if (typeof problem === 'string') throw shapeError('groupNorm', [x], problem);
  // [B, C, ..S] -> [B, G, C/G * S]
  const normalized = standardize(x.reshape([x.dim(0), groups, -1]), [2], epsilon).reshape(x.shape);
  const scaled = weight ? normalized.mul(perChannel(weight, x)) : normalized;
  return bias ? scaled.add(perChannel(bias, x)) : scaled;
}
