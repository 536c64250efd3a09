/**
 * One training step of a task as one graph: forward, loss, metrics, backward, optimiser. Parameters,
 * buffers, their averages and the optimiser's slots are its state; a run of it moves them on.
 */
import { FoveaError, RequestError } from '../errors.js';
import { gradients } from '../autodiff/gradients.js';
import type { DataInfo } from '../data/dataset.js';
import { record, type Noise } from '../nn/context.js';
import type { Module } from '../nn/module.js';
import { input } from '../ops/index.js';
import { clippedByNorm, clippedByValue, emaUpdate, type Optimizer } from '../optim/index.js';
import type { HostTensor, HostTensors } from '../runtime/engine.js';
import type { StatefulGraph } from '../runtime/runtime.js';
import { fieldInputs, lossOf, metricBins, metricRows, type Task } from '../tasks/task.js';
import type { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';

/** Prefix of the optimiser's slots among the state: `optimizer.momentum.layer1.0.conv1.weight`. */
export const OPTIMIZER = 'optimizer.';

/** Prefix of the averaged weights among the state: `ema.layer1.0.conv1.weight`. */
export const AVERAGE = 'ema.';

/** Prefixes of a step's outputs besides `loss`: the loss's terms, the metrics' rows, the predictions. */
export const TERM = 'loss.';
export const METRIC = 'metric.';
export const PREDICTION = 'prediction.';

/** What is done to the gradients, and to the weights after the step. */
export interface StepOptions {
  /** Scales all gradients so that their common norm is at most this. Default: they stay as they are. */
  readonly clipNorm?: number;
  /** Brings every element of the gradients to at most this magnitude. Default: they stay as they are. */
  readonly clipValue?: number;
  /**
   * Keeps an exponential moving average of weights and running statistics, which is what is evaluated and kept:
   * average = ema * average + (1 - ema) * value after every step. Default: none is kept.
   */
  readonly ema?: number;
}

export interface TrainingStep {
  /**
   * Inputs: the task's fields, the optimiser's scalars and the noise. Outputs: `loss` [], its terms
   * `loss.NAME` [] where it has several, and for each metric `metric.NAME` [B, n].
   */
  readonly graph: StatefulGraph;
  /** Random masks to draw for every run, by input name. */
  readonly noise: Readonly<Record<string, Noise>>;
  /** What the model makes of a batch, for a task's checks. */
  readonly output: unknown;
  /** How many bins each metric counts in that does so. */
  readonly bins: Readonly<Record<string, number>>;
}

/**
 * Builds the training step of a task for one batch size.
 * @throws RequestError, ShapeError for what the model or the task cannot take
 */
export function trainingStep(
  task: Task,
  model: Module,
  optimizer: Optimizer,
  data: DataInfo,
  { batchSize, clipNorm, clipValue, ema }: StepOptions & { readonly batchSize: number },
): TrainingStep {
  model.assignPaths();
  const fields = fieldInputs(task, data, batchSize);
  const { output: made, record: forward } = record(true, () => {
    const output = task.forward(model, fields);
    return { output, loss: lossOf(task, output, fields, data) };
  });
  const { output, loss } = made;
  const scalars = scalarInputs(optimizer, fields);
  const { state, next } = update(model, optimizer, scalars, loss.total, { clipNorm, clipValue });
  for (const [name, buffer] of model.namedBuffers()) {
    const updated = forward.updates.get(buffer);
    if (updated === undefined) continue;
    state[name] = buffer.tensor;
    next[name] = updated;
  }
  if (ema !== undefined) average(model, state, next, ema);

  const noise = Object.fromEntries(forward.noise.map((one) => [`noise.${one.purpose}`, one]));
  const inputs = {
    ...fields,
    ...scalars,
    ...Object.fromEntries(Object.entries(noise).map(([name, { tensor }]) => [name, tensor])),
  };
  const outputs = {
    loss: loss.total,
    ...prefixed(TERM, loss.terms),
    ...prefixed(METRIC, metricRows(task, output, fields, data, batchSize, false)),
  };
  return {
    graph: { inputs, outputs, state, next },
    noise,
    output,
    bins: metricBins(task, output, data),
  };
}

/** @throws RequestError if a field of the task has the name of one of them */
function scalarInputs(
  optimizer: Optimizer,
  fields: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  const names = Object.keys(optimizer.scalars(1, 0));
  const taken = names.find((name) => Object.hasOwn(fields, name));
  if (taken !== undefined) {
    throw new RequestError(
      `A field of the task is called '${taken}', as a number of the optimiser is. Rename it.`,
    );
  }
  return Object.fromEntries(names.map((name) => [name, input(name, [])]));
}

/** State and its next values, of the parameters and the optimiser's slots. */
function update(
  model: Module,
  optimizer: Optimizer,
  scalars: Readonly<Record<string, Tensor>>,
  loss: Tensor,
  { clipNorm, clipValue }: { clipNorm: number | undefined; clipValue: number | undefined },
): { state: Record<string, Tensor>; next: Record<string, Tensor> } {
  const parameters = [...model.namedParameters()];
  const trainable = parameters.filter(([, parameter]) => parameter.trainable);
  const raw = gradients(
    loss,
    trainable.map(([, parameter]) => parameter.tensor),
  );
  const bounded = clipValue === undefined ? raw : clippedByValue(raw, clipValue);
  const clipped = clipNorm === undefined ? bounded : clippedByNorm(bounded, clipNorm).gradients;
  const state: Record<string, Tensor> = {};
  const next: Record<string, Tensor> = {};
  for (const [name, parameter] of parameters) state[name] = parameter.tensor;
  for (const [i, [name, parameter]] of trainable.entries()) {
    const gradient = clipped[i];
    if (gradient === undefined) continue;
    const slots = optimizer.slots.map((slot) => {
      const tensor = input(`${slot} of ${name}`, parameter.shape);
      state[`${OPTIMIZER}${slot}.${name}`] = tensor;
      return tensor;
    });
    const updated = optimizer.update(parameter.tensor, gradient, slots, scalars);
    next[name] = updated.parameter;
    for (const [j, slot] of optimizer.slots.entries()) {
      const value = updated.slots[j];
      if (value) next[`${OPTIMIZER}${slot}.${name}`] = value;
    }
  }
  return { state, next };
}

/** Adds the moving averages. */
function average(
  model: Module,
  state: Record<string, Tensor>,
  next: Record<string, Tensor>,
  decay: number,
): void {
  for (const name of averagedNames(model)) {
    const value = next[name];
    if (value === undefined) continue;
    const before = input(`average of ${name}`, value.shape);
    state[AVERAGE + name] = before;
    next[AVERAGE + name] = emaUpdate(before, value, decay);
  }
}

/** What there are averages of: everything that a step changes and that is no count. */
function averagedNames(model: Module): string[] {
  return [
    ...[...model.namedParameters()].flatMap(([name, { trainable }]) => (trainable ? [name] : [])),
    ...[...model.namedBuffers()].flatMap(([name, { dtype }]) =>
      dtype === 'float32' ? [name] : [],
    ),
  ];
}

/** Which outputs an evaluation has. */
export interface EvaluationOptions {
  readonly batchSize: number;
  /** Loss and metrics. Default true. */
  readonly metrics?: boolean;
  /** What the task predicts. Default false. */
  readonly predictions?: boolean;
  /** What the task's probe looks at, as `features`. Default false. */
  readonly features?: boolean;
  /** Whether the state is that of a training that keeps averages, which are evaluated then. Default false. */
  readonly averaged?: boolean;
  /** Whether metrics that are not asked for in a training are among them. Default false. */
  readonly final?: boolean;
}

/**
 * Builds the evaluation of a task for one batch size, on the same state as the training step. Its
 * outputs are `loss`, its terms and the metrics' rows as there, `prediction.NAME` [B, ..] and `features` [B, D];
 * its inputs those of the task's fields that these need.
 */
export function evaluationStep(
  task: Task,
  model: Module,
  data: DataInfo,
  {
    batchSize,
    metrics = true,
    predictions = false,
    features = false,
    averaged = false,
    final = false,
  }: EvaluationOptions,
): Omit<TrainingStep, 'noise'> {
  model.assignPaths();
  const fields = fieldInputs(task, data, batchSize);
  const { output: made } = record(false, () => {
    const output = metrics ? task.forward(model, fields) : task.infer(model, fields);
    const loss = metrics ? lossOf(task, output, fields, data) : undefined;
    const outputs: Record<string, Tensor> = {
      ...(loss && {
        loss: loss.total,
        ...prefixed(TERM, loss.terms),
        ...prefixed(METRIC, metricRows(task, output, fields, data, batchSize, final)),
      }),
      ...(predictions && prefixed(PREDICTION, task.predict(output))),
      ...(features && task.probe && { features: task.probe.features(output) }),
    };
    return { output, outputs };
  });
  const { output, outputs } = made;
  const needed = new Set(topologicalOrder(Object.values(outputs)));
  const inputs = Object.fromEntries(Object.entries(fields).filter(([, one]) => needed.has(one)));
  const averages = new Set(averaged ? averagedNames(model) : []);
  const state = Object.fromEntries(
    Object.entries(model.stateInputs()).map(([name, tensor]) => [
      averages.has(name) ? AVERAGE + name : name,
      tensor,
    ]),
  );
  return {
    graph: { inputs, outputs, state },
    output,
    bins: metrics ? metricBins(task, output, data) : {},
  };
}

/** The values that training starts from: the model's own, zeros for the optimiser, and where averages are kept, the same values. */
export function initialState(
  model: Module,
  optimizer: Optimizer,
  { ema }: Pick<StepOptions, 'ema'> = {},
): Record<string, HostTensor> {
  const entries = model.stateValues();
  const averages = ema === undefined ? [] : averagedNames(model);
  for (const name of averages) {
    const value = entries[name];
    if (value) entries[AVERAGE + name] = value;
  }
  for (const [name, { shape, data, trainable }] of model.namedParameters()) {
    if (!trainable) continue;
    for (const slot of optimizer.slots) {
      const zeros = new Float32Array(data.length);
      entries[`${OPTIMIZER}${slot}.${name}`] = { dtype: 'float32', shape, data: zeros };
    }
  }
  return entries;
}

/**
 * The weights among a state that are evaluated and kept: the averages where there are any, and without
 * the optimiser's slots.
 */
export function weightsOf(state: HostTensors): Record<string, HostTensor> {
  const weights: Record<string, HostTensor> = {};
  for (const [name, value] of Object.entries(state)) {
    if (name.startsWith(OPTIMIZER) || name.startsWith(AVERAGE)) continue;
    const averaged = Object.hasOwn(state, AVERAGE + name) ? state[AVERAGE + name] : undefined;
    weights[name] = averaged ?? value;
  }
  return weights;
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

function prefixed(
  prefix: string,
  tensors: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, one]) => [prefix + name, one]));
}
