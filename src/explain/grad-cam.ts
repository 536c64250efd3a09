import { gradients } from '../autodiff/gradients.js';
import { RequestError } from '../errors.js';
import { constant, shapeError } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';

/**
 * Grad-CAM: where a class is seen. Selvaraju et al., ICCV 2017, arXiv 1610.02391.
 *
 *   a_k = mean over places of d logit / d A_k      [B, C]
 *   L   = relu(sum over k of a_k A_k)              [B, H, W]
 *
 * The yardstick beside a network's own maps: it needs no attention, so every network has it.
 *
 * @param logits [B, K], before any softmax; image b's may depend on image b alone
 * @param features A, [B, C, H, W], which the logits depend on: see {@link lastFeatureMap}
 * @param classes int32 [B], the class whose logit is asked about, of each image
 * @throws ShapeError for other shapes or types
 */
export function gradCam(logits: Tensor, features: Tensor, classes: Tensor): Tensor {
  const [batch = 1, count = 1] = logits.shape;
  const fits = features.dim(0) === batch && classes.rank === 1 && classes.dim(0) === batch;
  if (logits.rank !== 2 || features.rank !== 4 || !fits || classes.dtype !== 'int32') {
    throw shapeError(
      'gradCam',
      [logits, features, classes],
      'Expected logits [B, K], features [B, C, H, W] and int32 classes [B].',
    );
  }
  const numbers = Int32Array.from({ length: count }, (_, k) => k);
  const chosen = classes
    .reshape([batch, 1])
    .equal(constant(numbers, [1, count], 'int32'))
    .cast('float32');
  const [slope = features] = gradients([logits], [features], [chosen]);
  return slope.mean([2, 3], { keepDims: true }).mul(features).sum(1).relu();
}

/** Ops that may put anything at a place: behind them four axes need not be images, channels, rows and columns. */
const REARRANGING: ReadonlySet<string> = new Set(['reshape', 'transpose', 'matmul']);

/**
 * The last feature map [B, C, H, W] with more than one place that the logits depend on: what Grad-CAM
 * looks at, since there the features are the most telling and places are still kept apart. Four axes alone make
 * no map: the heads of a transformer's attention have as many.
 *
 * @throws RequestError if there is none
 */
export function lastFeatureMap(logits: Tensor): Tensor {
  const last = findFeatureMap(logits);
  if (last !== undefined) return last;
  throw new RequestError(
    'The network has no feature map of more than one place, so there is nothing that Grad-CAM could show.',
  );
}

/** The same; undefined if there is none. */
export function findFeatureMap(logits: Tensor): Tensor | undefined {
  const maps = new Set<Tensor>();
  let last: Tensor | undefined;
  for (const tensor of topologicalOrder([logits])) {
    const { op, rank, inputs, shape } = tensor;
    const given = op.name === 'input';
    if (rank !== 4 || REARRANGING.has(op.name)) continue;
    if (!given && !inputs.some((one) => maps.has(one))) continue;
    maps.add(tensor);
    if (!given && (shape[2] ?? 1) * (shape[3] ?? 1) > 1) last = tensor;
  }
  return last;
}
