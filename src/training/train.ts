/**
 * The training loop: epochs of steps, an evaluation after each, and nothing about files or terminals.
 * Everything random is keyed by (seed, purpose, epoch, index), so a run can go on from any step.
 */
import { FoveaError } from '../errors.js';
import { epochOrder } from '../data/batch.js';
import { size, type ImageDataset } from '../data/dataset.js';
import type { Layer } from '../nn/module.js';
import type { Schedule } from '../optim/index.js';
import type { HostTensors } from '../runtime/engine.js';
import type { Runtime, State } from '../runtime/runtime.js';
import { checkTraining } from './check.js';
import { Evaluator } from './evaluator.js';
import { addBatch, emptyTally, means, type EpochMetrics, type Tally } from './metrics.js';
import { initialState, notFinite } from './step.js';
import { Stepper, type StepperOptions } from './stepper.js';

/** Where a run stands: enough, with the state's tensors, to go on as if nothing had happened. */
export interface Position {
  /** Epochs that are complete. */
  readonly epoch: number;
  /** Steps done in the epoch after those; all of them, if it was left during its evaluation. */
  readonly iteration: number;
  /** Figures of that unfinished epoch. */
  readonly tally: Tally;
  /** Training time of that unfinished epoch. */
  readonly seconds: number;
  readonly metrics: readonly EpochMetrics[];
}

export interface TrainOptions extends StepperOptions {
  readonly epochs: number;
  readonly batchSize: number;
  readonly schedule: Schedule;
  /** Go on from here instead of from the model's own values. */
  readonly resume?: { readonly position: Position; readonly state: HostTensors };
  /** Ends the run after the step that is under way, with an {@link Interrupted} error. */
  readonly signal?: AbortSignal;
  /** Told after every step. */
  readonly onStep?: (progress: StepProgress) => void;
  /**
   * Minutes after which a checkpoint is taken within an epoch too, counted from the last one or the
   * beginning; 0: after every step. Default 10.
   */
  readonly checkpointMinutes?: number;
  /**
   * Told after every epoch, within one when `checkpointMinutes` have passed, and before an
   * interrupted run ends; it may read the state to save it.
   */
  readonly onCheckpoint?: (position: Position, state: State) => Promise<void>;
  /** Told after every epoch, when its checkpoint was taken. */
  readonly onEpoch?: (metrics: EpochMetrics) => Promise<void>;
}

export interface StepProgress {
  readonly epoch: number;
  readonly phase: 'train' | 'val';
  /** Steps done, from 1. */
  readonly iteration: number;
  readonly iterations: number;
  readonly loss: number;
  readonly top1: number;
  /** Of this phase of this epoch so far. */
  readonly imagesPerSecond: number;
}

export interface TrainResult {
  readonly metrics: readonly EpochMetrics[];
  /** Share of the training loop's time that was not spent inside ONNX Runtime; NaN if no step was left to do. */
  readonly overhead: number;
}

/** The run was asked to stop; what it had was handed to `onCheckpoint` first. */
export class Interrupted extends FoveaError {
  override name = 'Interrupted';
}

/** The loss, or the values themselves, became infinite or not a number. */
export class Diverged extends FoveaError {
  override name = 'Diverged';
}

/**
 * Trains a classifier and leaves the trained values in the model.
 * @throws Diverged at the first loss that is not finite, in training or in the evaluation of an
 *   epoch, on WebGPU also at the end of an epoch that left such values; the last checkpoint is from
 *   before
 * @throws Interrupted when the signal asked for it
 * @throws RequestError before the first step, if a label is no class of the model's or the model
 *   cannot be trained in batches of this size, see {@link checkTraining}
 */
export async function train(
  runtime: Runtime,
  model: Layer,
  data: { readonly train: ImageDataset; readonly val: ImageDataset },
  options: TrainOptions,
): Promise<TrainResult> {
  const { epochs, batchSize, schedule, seed, resume, signal, onStep } = options;
  const { checkpointMinutes = 10 } = options;
  checkTraining(model, data, options);
  const images = size(data.train);
  const iterations = Math.ceil(images / batchSize);
  const stepper = new Stepper(runtime, model, data.train, options);
  const evaluator = new Evaluator(runtime, model, data.val);
  const state = await runtime.createState(resume?.state ?? initialState(model, options.optimizer));
  const metrics: EpochMetrics[] = [...(resume?.position.metrics ?? [])];
  let { iteration, tally, seconds } = resume?.position ?? fresh();
  let loopMilliseconds = 0;

  let lastCheckpoint = performance.now();
  const checkpoint = async (epoch: number): Promise<void> => {
    await options.onCheckpoint?.({ epoch, iteration, tally, seconds, metrics }, state);
    lastCheckpoint = performance.now();
  };
  const stop = async (epoch: number): Promise<never> => {
    await checkpoint(epoch);
    throw new Interrupted(
      `Stopped in epoch ${epoch + 1} of ${epochs}, after ${iteration} of ${iterations} steps.`,
    );
  };

  try {
    for (let epoch = resume?.position.epoch ?? 0; epoch < epochs; epoch++) {
      const order = epochOrder(seed, epoch, images);
      let lastStep = performance.now();
      while (iteration < iterations) {
        if (signal?.aborted) return await stop(epoch);
        const lr = schedule.lr(epoch, iteration, iterations);
        const indices = order.subarray(iteration * batchSize, (iteration + 1) * batchSize);
        const upcoming = order.subarray((iteration + 1) * batchSize, (iteration + 2) * batchSize);
        const step = epoch * iterations + iteration;
        const { loss, logits, labels } = await stepper.step(state, {
          epoch,
          step,
          lr,
          indices,
          upcoming,
        });
        if (!Number.isFinite(loss)) {
          throw diverged(
            `The loss became ${loss} in epoch ${epoch + 1}, step ${iteration + 1}`,
            lr,
          );
        }
        addBatch(tally, logits, labels, indices.length, loss * indices.length);
        iteration++;
        const now = performance.now();
        seconds += (now - lastStep) / 1000;
        loopMilliseconds += now - lastStep;
        lastStep = now;
        onStep?.(progress('train', epoch, iteration, iterations, tally, seconds));
        if (now - lastCheckpoint >= checkpointMinutes * 60_000) {
          await checkpoint(epoch);
          lastStep = performance.now();
        }
      }

      const start = performance.now();
      const validation = await evaluator.evaluate(state, {
        ...(signal && { signal }),
        onBatch: (done, total, sofar) => {
          const elapsed = (performance.now() - start) / 1000;
          onStep?.(progress('val', epoch, done, total, sofar, elapsed));
        },
      });
      if (validation === undefined) return await stop(epoch);
      const lr = schedule.lr(epoch, iterations - 1, iterations);
      if (!Number.isFinite(validation.loss)) {
        throw diverged(`The validation loss became ${validation.loss} in epoch ${epoch + 1}`, lr);
      }
      // On WebGPU a NaN does not reach the loss (ReLU makes 0 of it), so the values are looked at.
      const broken = runtime.device === 'webgpu' ? notFinite(await state.read()) : undefined;
      if (broken !== undefined) {
        throw diverged(`The values of '${broken}' were no longer finite in epoch ${epoch + 1}`, lr);
      }
      const trained = means(tally);
      const finished: EpochMetrics = {
        epoch: epoch + 1,
        lr,
        train_loss: trained.loss,
        train_top1: trained.top1,
        val_loss: validation.loss,
        val_top1: validation.top1,
        val_top5: validation.top5,
        seconds: seconds + (performance.now() - start) / 1000,
        images_per_second: tally.images / seconds,
      };
      metrics.push(finished);
      ({ iteration, tally, seconds } = fresh());
      await checkpoint(epoch + 1);
      await options.onEpoch?.(finished);
    }
    takeOver(model, await state.read());
    return { metrics, overhead: 1 - stepper.milliseconds / loopMilliseconds };
  } finally {
    await stepper.dispose();
    await evaluator.dispose();
    await state.dispose();
  }
}

function fresh(): { iteration: number; tally: Tally; seconds: number } {
  return { iteration: 0, tally: emptyTally(), seconds: 0 };
}

function diverged(what: string, lr: number): Diverged {
  return new Diverged(
    `${what}. Try a smaller learning rate than ${Number(lr.toPrecision(3))}, or a longer warm-up.`,
  );
}

function progress(
  phase: 'train' | 'val',
  epoch: number,
  iteration: number,
  iterations: number,
  tally: Tally,
  seconds: number,
): StepProgress {
  const { loss, top1 } = means(tally);
  const imagesPerSecond = tally.images / seconds;
  return { phase, epoch: epoch + 1, iteration, iterations, loss, top1, imagesPerSecond };
}

/** Puts the values of a state back into the model's parameters and buffers. */
export function takeOver(model: Layer, state: HostTensors): void {
  for (const [name, parameter] of model.namedParameters()) {
    const data = state[name]?.data;
    if (data instanceof Float32Array) parameter.data = data;
  }
  for (const [name, buffer] of model.namedBuffers()) {
    const data = state[name]?.data;
    if (data instanceof Float32Array || data instanceof Int32Array) buffer.data = data;
  }
}
