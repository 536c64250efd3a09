/** A trained model as an ONNX file that any runtime can run. */
import type { Normalization } from '../data/dataset.js';
import { RequestError } from '../errors.js';
import { selectNames } from '../globs.js';
import { record } from '../nn/context.js';
import type { Module } from '../nn/module.js';
import { forwardOf } from '../nn/outputs.js';
import { lowerToParts } from '../onnx/parts.js';
import { writeModel, type ModelParts } from '../onnx/model.js';
import { withSymbolicBatch } from '../onnx/symbolic-batch.js';
import { constant, input } from '../ops/index.js';
import type { Provider, TensorData } from '../tensor/op.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';

/** Sizes of inputs without their batch axis, by name, in the order of the arguments of forward. */
export type InputShapes = Readonly<Record<string, Shape>>;

export interface ExportOptions {
  /** Size of one image, [C, H, W], for a model that takes images alone: its input is called `images`. */
  readonly image?: Shape;
  /**
   * Instead of `image`: all inputs of the model by name, in the order of its arguments, each with
   * the size of one example: `{ left: [64, 8, 8], right: [64, 8, 8] }`.
   */
  readonly inputs?: InputShapes;
  /**
   * What the outputs are called, in the order in which forward returns them. Default: `logits` for
   * the one output of a model of images, `output` for that of any other; `output.0`, `output.1`, ..
   * for a list; the keys of an object. As an object, the names in the file by these own names: what is
   * not in it is left out, `{ output: 'logits' }`.
   */
  readonly outputs?: readonly string[] | Readonly<Record<string, string>>;
  /**
   * Inner maps and gates that become outputs under their own names (`layer3.2.attention.spatial`);
   * `*` stands for any text. Default none.
   */
  readonly expose?: readonly string[];
  /**
   * Makes normalisation part of the graph, which then takes pixels from 0 to 1. Default: the graph
   * takes images that are normalised already, as the model itself does. For `image` only.
   */
  readonly normalization?: Normalization;
  /** A fixed number of examples. Default: any, in the symbolic axis `batch`. */
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
 * or, for a module that takes or returns several tensors, whatever `inputs` and `outputs` name; the
 * first axis of every input is the batch.
 *
 * Weights have their state_dict names in the file, nodes the path of their module.
 * @throws RequestError for maps or outputs that the model has not, for names that stand for two
 *   things, or if a graph depends on the batch in a way that a symbolic axis cannot say (then give
 *   a batch)
 */
export function exportOnnx(model: Module, options: ExportOptions): Uint8Array {
  const { batch } = options;
  const shapes = inputShapes(options);
  if (batch !== undefined) {
    if (!Number.isInteger(batch) || batch < 1) {
      throw new RequestError(`The batch must be a positive integer, not ${batch}.`);
    }
    return writeModel(lowered(model, batch, shapes, options));
  }
  const at = (size: number) => ({ batch: size, parts: lowered(model, size, shapes, options) });
  const [first = ''] = Object.keys(shapes);
  return writeModel(withSymbolicBatch(at(TRIALS[0]), at(TRIALS[1]), first));
}

/**
 * The names of the inner maps and gates that a model can show, in the order of its forward pass.
 * @param image size of one image, or of all inputs as {@link ExportOptions} has them
 */
export function exposedNames(model: Module, image: Shape | InputShapes): string[] {
  const shapes = isShape(image) ? { images: image } : image;
  return [...trace(model, Object.values(inputsOf(shapes, 1))).exposed.keys()];
}

/**
 * What the forward of a model returns, by its own names: `output` for one tensor, see {@link ExportOptions.outputs}.
 * @param image size of one image, or of all inputs as {@link ExportOptions} has them
 */
export function returnedNames(model: Module, image: Shape | InputShapes): string[] {
  const shapes = isShape(image) ? { images: image } : image;
  return [...trace(model, Object.values(inputsOf(shapes, 1))).outputs.keys()];
}

function isShape(given: Shape | InputShapes): given is Shape {
  return Array.isArray(given);
}

function inputShapes({ image, inputs, normalization }: ExportOptions): InputShapes {
  if ((image === undefined) === (inputs === undefined)) {
    throw new RequestError(
      'Say what the model takes: either image, the size of one image [C, H, W], or inputs, all sizes by name.',
    );
  }
  if (inputs !== undefined && normalization !== undefined) {
    throw new RequestError('Normalisation is of images: give it with image, not with inputs.');
  }
  const shapes = inputs ?? { images: image ?? [] };
  if (Object.keys(shapes).length === 0) throw new RequestError('The model needs an input.');
  for (const [name, shape] of Object.entries(shapes)) {
    if (!Array.isArray(shape) || !shape.every((size) => Number.isInteger(size) && size > 0)) {
      throw new RequestError(
        `The size of the input '${name}' must be a list of positive integers without the batch, not ${JSON.stringify(shape)}.`,
      );
    }
  }
  return shapes;
}

function inputsOf(shapes: InputShapes, batch: number): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, input(name, [batch, ...shape])]),
  );
}

function trace(
  model: Module,
  inputs: readonly Tensor[],
): { outputs: ReadonlyMap<string, Tensor>; exposed: ReadonlyMap<string, Tensor> } {
  model.assignPaths();
  const { output, record: left } = record(false, () => forwardOf(model, inputs));
  return { outputs: output, exposed: left.exposed };
}

function lowered(
  model: Module,
  batch: number,
  shapes: InputShapes,
  options: ExportOptions,
): ModelParts {
  const { expose = [], normalization, metadata, provider = 'cpu' } = options;
  const inputs = inputsOf(shapes, batch);
  const seen = Object.values(inputs).map((x) => (normalization ? normalized(x, normalization) : x));
  const { outputs: returned, exposed } = trace(model, seen);
  const outputs = namedOutputs(returned, options);
  for (const name of selectNames([...exposed.keys()], expose, 'inner map or gate')) {
    const tensor = exposed.get(name);
    if (tensor === undefined || outputs[name] === tensor) continue;
    requireNew(name, outputs);
    outputs[name] = tensor;
  }
  for (const name of Object.keys(outputs)) requireNew(name, inputs);
  const { constants, names } = weightsOf(model, Object.values(outputs));
  const ends = [...Object.keys(inputs), ...Object.keys(outputs)];
  return lowerToParts(
    { inputs, outputs, constants },
    {
      provider,
      keepNaN: false,
      constantNames: new Map([...names].filter(([, name]) => !ends.includes(name))),
      ...(metadata && { metadata }),
    },
  );
}

/** What forward returned, by the names that it has in the file. */
function namedOutputs(
  returned: ReadonlyMap<string, Tensor>,
  { image, outputs: names }: ExportOptions,
): Record<string, Tensor> {
  const outputs: Record<string, Tensor> = {};
  for (const [own, name] of nameOutputs([...returned.keys()], image !== undefined, names)) {
    const tensor = returned.get(own);
    if (tensor === undefined) {
      throw new RequestError(
        `The model returns no '${own}' that could be an output of the file. It returns ${[...returned.keys()].join(', ')}.`,
      );
    }
    requireNew(name, outputs);
    outputs[name] = tensor;
  }
  return outputs;
}

/** Pairs of a name that forward gives and the one in the file. */
function nameOutputs(
  own: readonly string[],
  ofImages: boolean,
  names: ExportOptions['outputs'],
): (readonly [own: string, name: string])[] {
  if (names === undefined) {
    return own.map((name) => [name, ofImages && name === 'output' ? 'logits' : name]);
  }
  if (!isList(names)) return Object.entries(names);
  if (names.length !== own.length) {
    throw new RequestError(
      `${names.length} outputs are named, but the model returns ${own.length}: ${own.join(', ')}.`,
    );
  }
  return own.map((name, i) => [name, names[i] ?? name]);
}

function isList(names: NonNullable<ExportOptions['outputs']>): names is readonly string[] {
  return Array.isArray(names);
}

function requireNew(name: string, others: Readonly<Record<string, Tensor>>): void {
  if (name !== '' && !Object.hasOwn(others, name)) return;
  throw new RequestError(
    `'${name}' cannot be the name of an input or output of the file: every one needs a name of its own. Choose others with inputs and outputs.`,
  );
}

function normalized(images: Tensor, { mean, std }: Normalization): Tensor {
  const perChannel = (values: readonly number[]) => constant(values, [1, values.length, 1, 1]);
  return images.sub(perChannel(mean)).div(perChannel(std));
}

/** The parameters and buffers that the outputs depend on: their values and state_dict names. */
function weightsOf(model: Module, outputs: readonly Tensor[]) {
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
