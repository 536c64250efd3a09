/** The task of telling which class every pixel belongs to. */
import { RequestError } from '../errors.js';
import { IGNORED, type Dataset } from '../data/dataset.js';
import { field, type Field } from '../data/fields.js';
import { describeValue } from '../describe-value.js';
import { diceLoss, pixelCrossEntropy } from '../losses/index.js';
import type { Module } from '../nn/module.js';
import { nameOf } from '../nn/outputs.js';
import { Tensor } from '../tensor/tensor.js';
import { confusionRows, iouOf, meanIou, pixelAccuracy } from './segmentation-metrics.js';
import { squareOf, task, type Metric, type Task } from './task.js';

export interface SegmentationTaskOptions {
  /** How much each class counts in the cross-entropy. Default: all alike. */
  readonly classWeights?: readonly number[];
  /** The value of a mask whose pixels neither teach nor count. Default 255. */
  readonly ignoreIndex?: number;
  /** Weight of the soft Dice loss beside the cross-entropy. Default 0: there is none. */
  readonly dice?: number;
  /** Weight of the cross-entropy of each auxiliary output. Default 0.4. */
  readonly auxiliary?: number;
  /** Share of the target that is spread evenly over all classes, 0 to 1. Default 0. */
  readonly labelSmoothing?: number;
}

/** Logits, each [B, K, H, W]: the network's, and those of its auxiliary heads. */
interface Logits {
  readonly logits: Tensor;
  readonly auxiliary: readonly Tensor[];
}

/**
 * Segmentation: the model makes logits [B, K, H, W] of images, or an object whose `output` they are and
 * whose other entries are auxiliary logits. The loss is their cross-entropy per pixel, with the soft Dice
 * loss and the auxiliary outputs' cross-entropy as further terms. Figures, in percent: `miou`, the mean over
 * the classes that occur of the intersection over the union, and `pixel_accuracy`; `iou` of each class.
 * Predictions: `classes` int32 [B, H, W].
 */
export function segmentation({
  classWeights,
  ignoreIndex = IGNORED,
  dice = 0,
  auxiliary = 0.4,
  labelSmoothing = 0,
}: SegmentationTaskOptions = {}): Task {
  const options = { ignoreIndex, labelSmoothing, ...(classWeights && { classWeights }) };
  return task({
    id: 'segmentation',
    network: 'segmentation',
    inputs: { images: field.image(), masks: field.mask() },
    outputs: ({ pixelClasses = [] }) => pixelClasses.length,
    classes: ({ pixelClasses = [] }) => pixelClasses,
    forward: (model, { images }) => logitsOf(model, images),
    loss: (output: Logits, { masks }) => {
      const [first, ...more] = output.auxiliary.map((one) =>
        pixelCrossEntropy(one, masks, options).mul(auxiliary),
      );
      const pixels = pixelCrossEntropy(output.logits, masks, options);
      if (first === undefined && dice === 0) return pixels;
      return {
        pixels,
        ...(dice > 0 && { dice: diceLoss(output.logits, masks, { ignoreIndex }).mul(dice) }),
        ...(first && { auxiliary: more.reduce((sum, one) => sum.add(one), first) }),
      };
    },
    metrics: { confusion: confusion(ignoreIndex) },
    primary: { name: 'miou', title: 'mean IoU', unit: '%', better: 'higher' },
    predict: ({ logits }: Logits) => ({ classes: logits.argmax(1) }),
    check: ({ name, split, pixelClasses = [] }: Dataset, { logits }: Logits) => {
      if (logits.dim(1) >= pixelClasses.length) return;
      throw new RequestError(
        `The model tells ${logits.dim(1)} classes apart, and the masks of ${name} (${split}) have ${pixelClasses.length}: ${pixelClasses.join(', ')}. Make it with as many.`,
      );
    },
  });
}

/** Which class was taken for which, pixel by pixel. */
function confusion(ignoreIndex: number): Metric<Logits, { readonly masks: Field }> {
  const classesOf = (sums: readonly number[]): number => squareOf(sums).length;
  return {
    rows: ({ logits }, { masks }) => confusionRows(logits, masks, logits.dim(1), ignoreIndex),
    figures: (sums) => ({
      miou: 100 * meanIou(sums, classesOf(sums)),
      pixel_accuracy: 100 * pixelAccuracy(sums, classesOf(sums)),
    }),
    perClass: (sums) => ({ iou: iouOf(sums, classesOf(sums)).map((share) => 100 * share) }),
    confusion: squareOf,
  };
}

/** What a network for segmentation returned, by what it is. */
function logitsOf(model: Module, images: Tensor): Logits {
  const { forward } = model as unknown as { readonly forward: (x: Tensor) => unknown };
  const returned = forward.call(model, images);
  const outputs =
    returned instanceof Tensor
      ? [returned]
      : typeof returned === 'object' && returned !== null
        ? Object.values(returned)
        : [];
  const [height, width] = images.shape.slice(2);
  const maps = outputs.filter(
    (one): one is Tensor =>
      one instanceof Tensor && one.rank === 4 && one.dim(2) === height && one.dim(3) === width,
  );
  const [logits, ...auxiliary] = maps;
  if (logits !== undefined && maps.length === outputs.length) return { logits, auxiliary };
  const shapes = outputs.map((one) =>
    one instanceof Tensor ? `[${one.shape.join(', ')}]` : describeValue(one),
  );
  throw new RequestError(
    `${nameOf(model)}.forward returned ${shapes.join(', ') || describeValue(returned)}. Segmentation needs logits [B, classes, ${height}, ${width}], of the size of the images, or an object of such.`,
  );
}
