/**
 * One training step as one graph: forward, loss, backward, optimiser. Parameters, buffers and the
 * optimiser's slots are its state; a run of it moves them on.
 */
import { FoveaError } from '../errors.js';
import { gradients } from '../autodiff/gradients.js';
import { crossEntropy } from '../losses/index.js';
import { record, type Noise } from '../nn/context.js';
import type { Layer } from '../nn/module.js';
import { singleOutput } from '../nn/outputs.js';
import { input } from '../ops/index.js';
import type { Optimizer } from '../optim/index.js';
import type { StatefulGraph } from '../runtime/runtime.js';
import type { HostTensor, HostTensors } from '../runtime/engine.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/** Prefix of the optimiser's slots among the state: `optimizer.momentum.layer1.0.conv1.weight`. */
export const OPTIMIZER = 'optimizer.';

export interface StepOptions {
  readonly batchSize: number;
  /** Of one image, [C, H, W]. */
  readonly imageShape: Shape;
  readonly labelSmoothing?: number;
}

export interface TrainingStep {
  /**
   * Inputs `images` [B, C, H, W], `labels` [B] (int32), the optimiser's scalars and the noise;
   * outputs `loss` [] and `logits` [B, K].
   */
  readonly graph: StatefulGraph;
  /** Random masks to draw for every run, by input name. */
  readonly noise: Readonly<Record<string, Noise>>;
}

/** Builds the training step of a classifier for one batch size. */
export function trainingStep(
  model: Layer,
  optimizer: Optimizer,
  { batchSize, imageShape, labelSmoothing = 0 }: StepOptions,
): TrainingStep {
  model.assignPaths();
  const images = input('images', [batchSize, ...imageShape]);
  const labels = input('labels', [batchSize], 'int32');
  const { output, record: forward } = record(true, () => {
    const logits = singleOutput(model, model.forward(images));
    return { logits, loss: crossEntropy(logits, labels, { labelSmoothing }) };
  });
  const { logits, loss } = output;

  const parameters = [...model.namedParameters()];
  const trainable = parameters.filter(([, parameter]) => parameter.trainable);
  const scalars = scalarInputs(optimizer);
  const slopes = gradients(
    loss,
    trainable.map(([, parameter]) => parameter.tensor),
  );

  const state: Record<string, Tensor> = {};
  const next: Record<string, Tensor> = {};
  for (const [name, parameter] of parameters) state[name] = parameter.tensor;
  for (const [i, [name, parameter]] of trainable.entries()) {
    const slope = slopes[i];
    if (slope === undefined) continue;
    const slots = optimizer.slots.map((slot) => {
      const tensor = input(`${slot} of ${name}`, parameter.shape);
      state[`${OPTIMIZER}${slot}.${name}`] = tensor;
      return tensor;
    });
    const updated = optimizer.update(parameter.tensor, slope, slots, scalars);
    next[name] = updated.parameter;
    for (const [j, slot] of optimizer.slots.entries()) {
      const value = updated.slots[j];
      if (value) next[`${OPTIMIZER}${slot}.${name}`] = value;
    }
  }
  for (const [name, buffer] of model.namedBuffers()) {
    const update = forward.updates.get(buffer);
    if (update === undefined) continue;
    state[name] = buffer.tensor;
    next[name] = update;
  }

  const noise = Object.fromEntries(forward.noise.map((one) => [`noise.${one.purpose}`, one]));
  const noiseInputs = Object.fromEntries(
    Object.entries(noise).map(([name, { tensor }]) => [name, tensor]),
  );
  return {
    graph: {
      inputs: { images, labels, ...scalars, ...noiseInputs },
      outputs: { loss, logits },
      state,
      next,
    },
    noise,
  };
}

function scalarInputs(optimizer: Optimizer): Record<string, Tensor> {
  return Object.fromEntries(
    Object.keys(optimizer.scalars(1, 0)).map((name) => [name, input(name, [])]),
  );
}

/**
 * Builds the evaluation of a classifier for one batch size, on the same state as the training step:
 * inputs `images` and `labels`; outputs `losses` [B] (of each image) and `logits` [B, K].
 */
export function evaluationStep(
  model: Layer,
  { batchSize, imageShape }: Omit<StepOptions, 'labelSmoothing'>,
): StatefulGraph {
  model.assignPaths();
  const images = input('images', [batchSize, ...imageShape]);
  const labels = input('labels', [batchSize], 'int32');
  const { output } = record(false, () => {
    const logits = singleOutput(model, model.forward(images));
    return { logits, losses: crossEntropy(logits, labels, { reduction: 'none' }) };
  });
  return { inputs: { images, labels }, outputs: output, state: modelState(model) };
}

/** The inputs of a model's graph that are its parameters and buffers, by state_dict name. */
export function modelState(model: Layer): Record<string, Tensor> {
  return Object.fromEntries(
    [...model.namedParameters(), ...model.namedBuffers()].map(([name, own]) => [name, own.tensor]),
  );
}

/** The values of a model's parameters and buffers, by state_dict name. */
export function modelValues(model: Layer): Record<string, HostTensor> {
  model.ensureInitialized();
  const entries: Record<string, HostTensor> = {};
  for (const [name, { shape, data }] of model.namedParameters()) {
    entries[name] = { dtype: 'float32', shape, data };
  }
  for (const [name, { shape, dtype, data }] of model.namedBuffers()) {
    entries[name] = { dtype, shape, data };
  }
  return entries;
}

/** The values that training starts from: the model's own, and zeros for the optimiser. */
export function initialState(model: Layer, optimizer: Optimizer): Record<string, HostTensor> {
  const entries = modelValues(model);
  for (const [name, { shape, data, trainable }] of model.namedParameters()) {
    if (!trainable) continue;
    for (const slot of optimizer.slots) {
      const zeros = new Float32Array(data.length);
      entries[`${OPTIMIZER}${slot}.${name}`] = { dtype: 'float32', shape, data: zeros };
    }
  }
  return entries;
}

/** An output of a step that is a float tensor. */
export function floatOutput(outputs: HostTensors, name: string): Float32Array {
  const data = outputs[name]?.data;
  if (!(data instanceof Float32Array)) throw new FoveaError(`The step gave no '${name}'.`);
  return data;
}

/** The first tensor that holds a NaN or an infinity, if any does. */
export function notFinite(state: HostTensors): string | undefined {
  return Object.keys(state).find((name) => {
    const data = state[name]?.data;
    return data instanceof Float32Array && !data.every((value) => Number.isFinite(value));
  });
}
