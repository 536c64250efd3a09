/** An exported model at work: predictions of an ONNX file, by the file and its metadata alone. */
import { BatchSource } from '../data/batches.js';
import type { DataInfo, Dataset, Normalization } from '../data/dataset.js';
import { field } from '../data/fields.js';
import { checkNormalization } from '../data/normalization.js';
import { FileError, RequestError } from '../errors.js';
import type { ModelEnd } from '../onnx/read-model.js';
import type { HostTensor, HostTensors } from '../runtime/engine.js';
import type { LoadedModel } from '../runtime/loaded-model.js';
import type { Runtime } from '../runtime/runtime.js';
import type { Prediction } from '../training/evaluate.js';
import { evaluationBatch, rowOf } from '../training/pass.js';
import type { Predictions } from './predicted.js';

/** What a file does not say, or says otherwise. */
export interface ExportedModelOptions {
  /** By which images are normalised, for a file that takes normalised ones. Default: what its metadata say. */
  readonly normalization?: Normalization;
  /** Names of the classes. Default: what its metadata say. */
  readonly classes?: readonly string[];
  /** What messages call the file. Default 'The model'. */
  readonly source?: string;
}

/** A model from an ONNX file: of `exportOnnx`, `fovea export`, or any other with one input of images [B, C, H, W]. */
export class ExportedModel {
  private constructor(
    private readonly model: LoadedModel,
    private readonly input: ModelEnd,
    /** What its images are like. The normalisation makes of them what the file takes. */
    readonly info: DataInfo,
    /** Which task it was trained at, as its metadata say. */
    readonly task: string | undefined,
  ) {}

  /**
   * @param bytes of the file
   * @throws FileError for bytes that are no ONNX model, or one of other inputs
   * @throws RequestError if nobody says how its images are normalised
   */
  static async load(
    runtime: Runtime,
    bytes: Uint8Array,
    { normalization, classes, source = 'The model' }: ExportedModelOptions = {},
  ): Promise<ExportedModel> {
    const model = await runtime.load(bytes, source);
    try {
      const { inputs, metadata } = model.head;
      const { input, channels, height, width } = imageInput(inputs, source);
      const takesPixels = metadata['fovea.input']?.startsWith('pixels') ?? false;
      if (takesPixels && normalization) {
        throw new RequestError(
          `${source} takes pixels and normalises them itself: leave out the mean and deviation.`,
        );
      }
      const info: DataInfo = {
        name: metadata['fovea.dataset'] ?? 'images',
        classes: classes ?? namesIn(metadata['fovea.class_names'], source),
        channels,
        height,
        width,
        normalization: takesPixels
          ? unnormalised(channels)
          : checkNormalization(
              normalization ?? statisticsIn(metadata['fovea.normalization'], source),
              channels,
            ),
      };
      return new ExportedModel(model, input, info, metadata['fovea.task']);
    } catch (error) {
      await model.dispose();
      throw error;
    }
  }

  /**
   * What the model says of the images of a data set, one after the other, as `predict` does it:
   * `probabilities` [K] of a classifier, `classes` [H, W] of a segmentation network, `features` [F] of one
   * for contrastive learning, and of any other what the file puts out.
   * @param dataset with the sizes of `info`, whose normalisation is used
   */
  async *predict(
    dataset: Dataset,
    { batchSize = evaluationBatch(dataset) }: { readonly batchSize?: number } = {},
  ): AsyncGenerator<Prediction, void, undefined> {
    const { normalization, channels, height, width } = this.info;
    const seen = { ...dataset, normalization, channels, height, width };
    const fields = { images: field.image() };
    const source = new BatchSource(seen, { fields, augment: [], seed: 0 });
    const [fixed] = this.input.shape;
    const size = typeof fixed === 'number' && fixed > 0 ? fixed : batchSize;
    try {
      for await (const { fields: batch, indices } of source.epoch({ batchSize: size })) {
        const images = batch['images'] ?? new Float32Array();
        // A file for so many images takes no fewer: the last ones are black, and what it says of them is dropped.
        const count = typeof fixed === 'number' && fixed > 0 ? fixed : indices.length;
        const data = new Float32Array(count * channels * height * width);
        data.set(images);
        const shape = [count, channels, height, width];
        const outputs = await this.model.run({
          [this.input.name]: { dtype: 'float32', shape, data },
        });
        for (const [i, index] of indices.entries()) {
          yield { index, values: this.meaning(rowsAt(outputs, i, count)) };
        }
      }
    } finally {
      await source.close();
    }
  }

  /** Lets go of the model. */
  dispose(): Promise<void> {
    return this.model.dispose();
  }

  /** What the outputs for one image predict. A file of another program is told by the shape of its output. */
  private meaning(outputs: Predictions): Predictions {
    const { task } = this;
    const [first] = Object.values(outputs);
    const logits = outputs['logits'] ?? (task === undefined ? first : undefined);
    if (logits?.shape.length === 1 && (task === undefined || task === 'classification')) {
      return { probabilities: softmax(logits) };
    }
    if (logits?.shape.length === 3 && (task === undefined || task === 'segmentation')) {
      return { classes: largestOf(logits) };
    }
    const { features } = outputs;
    return task === 'contrastive' && features ? { features } : outputs;
  }
}

/** @throws FileError for a model that takes anything but images of one size */
function imageInput(inputs: readonly ModelEnd[], source: string) {
  const [input] = inputs;
  const [, channels, height, width] = input?.shape ?? [];
  if (
    inputs.length === 1 &&
    input?.dtype === 'float32' &&
    input.shape.length === 4 &&
    typeof channels === 'number' &&
    typeof height === 'number' &&
    typeof width === 'number'
  ) {
    return { input, channels, height, width };
  }
  const given = inputs.map(
    ({ name, shape, dtype }) => `${name} ${dtype ?? 'of another type'} [${shape.join(', ')}]`,
  );
  throw new FileError(
    `${source} takes ${given.join(' and ') || 'nothing'}: expected one input of images, float32 [batch, C, H, W], with C, H and W as numbers.`,
  );
}

/** The output's values for one image of a batch; those without a row for every image are left out. */
function rowsAt(outputs: HostTensors, place: number, count: number): Record<string, HostTensor> {
  return Object.fromEntries(
    Object.entries(outputs).flatMap(([name, output]) =>
      output.shape[0] === count ? [[name, rowOf(output, place, count)] as const] : [],
    ),
  );
}

/** Probabilities [K] of logits [K]. */
function softmax({ data, shape }: HostTensor): HostTensor {
  const logits = Array.from(data, Number);
  const peak = Math.max(...logits);
  const powers = logits.map((value) => Math.exp(value - peak));
  const total = powers.reduce((sum, value) => sum + value, 0);
  return { dtype: 'float32', shape, data: Float32Array.from(powers, (value) => value / total) };
}

/** [H, W] of logits [K, H, W]: the class of the largest logit, the first of equals. */
function largestOf({ data, shape }: HostTensor): HostTensor {
  const [classes = 0, ...size] = shape;
  const area = data.length / classes;
  const best = new Int32Array(area);
  for (let at = 0; at < area; at++) {
    for (let k = 1; k < classes; k++) {
      if (Number(data[k * area + at]) > Number(data[(best[at] ?? 0) * area + at])) best[at] = k;
    }
  }
  return { dtype: 'int32', shape: size, data: best };
}

function unnormalised(channels: number): Normalization {
  return { mean: new Array<number>(channels).fill(0), std: new Array<number>(channels).fill(1) };
}

/** The class names in a file's metadata; none if there are none. */
function namesIn(text: string | undefined, source: string): readonly string[] {
  if (text === undefined) return [];
  const names = parsed(text);
  if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
  throw new FileError(`${source} has class names in its metadata that cannot be read: ${text}`);
}

/** @throws RequestError if there are none, FileError if they cannot be read */
function statisticsIn(text: string | undefined, source: string): Normalization {
  if (text === undefined) {
    throw new RequestError(
      `${source} does not say how its images are normalised: say so with --mean and --std (in code normalization), ` +
        'or export it with --pixels.',
    );
  }
  const { mean, std } = (parsed(text) ?? {}) as { readonly mean?: unknown; readonly std?: unknown };
  if (isNumbers(mean) && isNumbers(std)) return { mean, std };
  throw new FileError(`${source} has a normalisation in its metadata that cannot be read: ${text}`);
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'number');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
