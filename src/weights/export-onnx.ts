/** A trained model as an ONNX file that any runtime can run. */
import type { Normalization } from '../data/dataset.js';
import { RequestError } from '../errors.js';
import { selectNames } from '../globs.js';
import { record } from '../nn/context.js';
import type { Layer } from '../nn/module.js';
import { lowerToParts } from '../onnx/lower.js';
import { writeModel, type ModelParts } from '../onnx/model.js';
import { withSymbolicBatch } from '../onnx/symbolic-batch.js';
import { constant, input } from '../ops/index.js';
import type { Provider, TensorData } from '../tensor/op.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';

export interface ExportOptions {
  /** Size of one image, [C, H, W]. */
  readonly image: Shape;
  /**
   * Inner maps and gates that become outputs under their own names (`layer3.2.attention.spatial`);
   * `*` stands for any text. Default none.
   */
  readonly expose?: readonly string[];
  /**
   * Makes normalisation part of the graph, which then takes pixels from 0 to 1. Default: the graph
   * takes images that are normalised already, as the model itself does.
   */
  readonly normalization?: Normalization;
  /** A fixed number of images. Default: any, in the symbolic axis `batch`. */
  readonly batch?: number;
  /** Key-value pairs stored in the file. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** For which kind of device ops are written, where that makes a difference. Default 'cpu'. */
  readonly provider?: Provider;
}

/** Batch sizes at which a graph is lowered to get a symbolic one: large primes, see {@link withSymbolicBatch}. */
const TRIALS = [9973, 10_007] as const;

/**
 * Writes a model as it is in evaluation, with its weights, as the bytes of an ONNX file (opset 17,
 * standard ops only).
 *
 *   images [batch, C, H, W], float32  ->  logits [batch, classes], and the maps asked for
 *
 * Weights have their state_dict names in the file, nodes the path of their module.
 * @throws RequestError for maps that the model has not, or if a graph depends on the batch in a way
 *   that a symbolic axis cannot say (then give a batch)
 */
export function exportOnnx(model: Layer, options: ExportOptions): Uint8Array {
  const { batch } = options;
  if (batch !== undefined) {
    if (!Number.isInteger(batch) || batch < 1) {
      throw new RequestError(`The batch must be a positive integer, not ${batch}.`);
    }
    return writeModel(lowered(model, batch, options));
  }
  const at = (size: number) => ({ batch: size, parts: lowered(model, size, options) });
  return writeModel(withSymbolicBatch(at(TRIALS[0]), at(TRIALS[1]), 'images'));
}

/** The names of the inner maps and gates that a model can show, in the order of its forward pass. */
export function exposedNames(model: Layer, image: Shape): string[] {
  return [...trace(model, input('images', [1, ...image])).exposed.keys()];
}

function trace(
  model: Layer,
  images: Tensor,
): { logits: Tensor; exposed: ReadonlyMap<string, Tensor> } {
  model.assignPaths();
  const { output, record: left } = record(false, () => model.forward(images));
  return { logits: output, exposed: left.exposed };
}

function lowered(
  model: Layer,
  batch: number,
  { image, expose = [], normalization, metadata, provider = 'cpu' }: ExportOptions,
): ModelParts {
  const images = input('images', [batch, ...image]);
  const { logits, exposed } = trace(
    model,
    normalization ? normalized(images, normalization) : images,
  );
  const outputs: Record<string, Tensor> = { logits };
  for (const name of selectNames([...exposed.keys()], expose, 'inner map or gate')) {
    const tensor = exposed.get(name);
    if (tensor) outputs[name] = tensor;
  }
  const { constants, names } = weightsOf(model, Object.values(outputs));
  const ends = ['images', ...Object.keys(outputs)];
  return lowerToParts(
    { inputs: { images }, outputs, constants },
    {
      provider,
      constantNames: new Map([...names].filter(([, name]) => !ends.includes(name))),
      ...(metadata && { metadata }),
    },
  );
}

function normalized(images: Tensor, { mean, std }: Normalization): Tensor {
  const perChannel = (values: readonly number[]) => constant(values, [1, values.length, 1, 1]);
  return images.sub(perChannel(mean)).div(perChannel(std));
}

/** The parameters and buffers that the outputs depend on: their values and state_dict names. */
function weightsOf(model: Layer, outputs: readonly Tensor[]) {
  model.ensureInitialized();
  const used = new Set(topologicalOrder(outputs));
  const constants = new Map<Tensor, TensorData>();
  const names = new Map<Tensor, string>();
  for (const [name, { tensor, data }] of [...model.namedParameters(), ...model.namedBuffers()]) {
    if (!used.has(tensor)) continue;
    constants.set(tensor, data);
    names.set(tensor, name);
  }
  return { constants, names };
}
