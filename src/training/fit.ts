/**
 * The training loop: epochs of steps, an evaluation after each, and nothing about files or terminals.
 * Everything random is keyed by (seed, purpose, epoch, index), so a run can go on from any step.
 */
import { FoveaError } from '../errors.js';
import type { Augmentation } from '../data/augmentation.js';
import { batchCount, BatchSource, epochOrder } from '../data/batches.js';
import type { Dataset } from '../data/dataset.js';
import type { Module } from '../nn/module.js';
import type { Schedule } from '../optim/index.js';
import type { HostTensors } from '../runtime/engine.js';
import type { Runtime, State } from '../runtime/runtime.js';
import { checkTraining } from './check.js';
import { Evaluator, Prober } from './evaluate.js';
import {
  emptyTally,
  figuresOf,
  isBetter,
  valFigure,
  type EpochMetrics,
  type Tally,
} from './metrics.js';
import { initialState, notFinite, weightsOf } from './step.js';
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

/** What a training is to do, wherever it runs. */
export interface FitSettings extends StepperOptions {
  readonly epochs: number;
  /** Images per step. */
  readonly batchSize: number;
  /** The learning rate of every step. */
  readonly schedule: Schedule;
  /** What happens to training images, in this order. Default: they are only normalised. */
  readonly augment?: readonly Augmentation[];
  /** Whether the last batch of an epoch is left out if it is smaller than the others. Default false. */
  readonly dropLast?: boolean;
  /** Ends the training when the task's figure has not become better for so many epochs. Default: never. */
  readonly patience?: number;
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
  /** Told after every epoch, when its checkpoint was taken; `'stop'` ends the training. */
  readonly onEpoch?: (metrics: EpochMetrics) => unknown;
}

/** What a training is to do, and where. */
export interface FitOptions extends FitSettings {
  readonly runtime: Runtime;
}

export interface StepProgress {
  readonly epoch: number;
  readonly phase: 'train' | 'val';
  /** Steps done, from 1. */
  readonly iteration: number;
  readonly iterations: number;
  /** The loss and the task's figures so far. */
  readonly figures: Readonly<Record<string, number>>;
  /** Of this phase of this epoch so far. */
  readonly imagesPerSecond: number;
}

export interface FitResult {
  readonly metrics: readonly EpochMetrics[];
  /** Share of the training loop's time that was not spent inside ONNX Runtime; NaN if no step was left to do. */
  readonly overhead: number;
  /** Share of it that was spent waiting for data, likewise. */
  readonly waiting: number;
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
 * Trains a model at a task and leaves the trained values in it: the averages, where `ema` keeps them.
 * @throws Diverged at the first loss that is not finite, in training or in the evaluation of an
 *   epoch, on WebGPU also at the end of an epoch that left such values; the last checkpoint is from
 *   before
 * @throws Interrupted when the signal asked for it
 * @throws RequestError before the first step, if model, task and data do not fit each other, see {@link checkTraining}
 */
export async function fit(
  model: Module,
  data: { readonly train: Dataset; readonly val: Dataset },
  options: FitOptions,
): Promise<FitResult> {
  checkTraining(model, data, options);
  const training = new Training(model, data, options);
  try {
    return await training.run();
  } finally {
    await training.dispose();
  }
}

/** One training under way. */
class Training {
  private readonly source: BatchSource;
  private readonly stepper: Stepper;
  private readonly evaluator: Evaluator;
  private readonly prober: Prober;
  private readonly iterations: number;
  private readonly metrics: EpochMetrics[];
  private state: State | undefined;
  private iteration = 0;
  private tally = emptyTally();
  private seconds = 0;
  private loopMilliseconds = 0;
  private waitingMilliseconds = 0;
  private lastCheckpoint = performance.now();

  constructor(
    private readonly model: Module,
    private readonly data: { readonly train: Dataset; readonly val: Dataset },
    private readonly options: FitOptions,
  ) {
    const { runtime, task, augment = [], seed, batchSize, dropLast, resume, ema } = options;
    this.source = new BatchSource(data.train, { fields: task.inputs, augment, seed });
    this.stepper = new Stepper(runtime, model, data.train, options);
    const averaged = ema !== undefined;
    this.evaluator = new Evaluator(runtime, task, model, data.val, { averaged });
    this.prober = new Prober(runtime, task, model, data, averaged);
    this.iterations = batchCount(data.train.size, Math.min(batchSize, data.train.size), dropLast);
    this.metrics = [...(resume?.position.metrics ?? [])];
    if (resume) {
      const { iteration, tally, seconds } = resume.position;
      Object.assign(this, { iteration, tally, seconds });
    }
  }

  async run(): Promise<FitResult> {
    const { model, options, metrics } = this;
    const { epochs, resume } = options;
    const state = await options.runtime.createState(
      resume?.state ?? initialState(model, options.optimizer, options),
    );
    this.state = state;
    this.lastCheckpoint = performance.now();
    for (let epoch = resume?.position.epoch ?? 0; epoch < epochs && !this.isStale(); epoch++) {
      await this.train(epoch, state);
      metrics.push(await this.validate(epoch, state));
      [this.iteration, this.tally, this.seconds] = [0, emptyTally(), 0];
      await this.checkpoint(epoch + 1, state);
      const finished = metrics.at(-1);
      if (finished && (await options.onEpoch?.(finished)) === 'stop') break;
    }
    model.takeStateValues(weightsOf(await state.read()));
    const share = (milliseconds: number): number => milliseconds / this.loopMilliseconds;
    return {
      metrics,
      overhead: 1 - share(this.stepper.milliseconds),
      waiting: share(this.waitingMilliseconds),
    };
  }

  async dispose(): Promise<void> {
    await this.source.close();
    await this.stepper.dispose();
    await this.evaluator.dispose();
    await this.prober.dispose();
    await this.state?.dispose();
  }

  /** The steps of an epoch that are left. */
  private async train(epoch: number, state: State): Promise<void> {
    const { iterations, options } = this;
    const { batchSize, dropLast = false, schedule, seed, checkpointMinutes = 10 } = options;
    const batches = this.source.epoch({
      batchSize: Math.min(batchSize, this.data.train.size),
      order: epochOrder(seed, epoch, this.data.train.size),
      epoch,
      from: this.iteration,
      dropLast,
    });
    let lastStep = performance.now();
    for await (const batch of batches) {
      this.waitingMilliseconds += performance.now() - lastStep;
      if (options.signal?.aborted) return await this.stop(epoch, state);
      const lr = schedule.lr(epoch, this.iteration, iterations);
      const step = epoch * iterations + this.iteration;
      const loss = await this.stepper.step(state, batch, { step, lr }, this.tally);
      if (!Number.isFinite(loss)) {
        const where = `in epoch ${epoch + 1}, step ${this.iteration + 1}`;
        throw diverged(`The loss became ${loss} ${where}`, lr);
      }
      this.iteration++;
      const now = performance.now();
      this.seconds += (now - lastStep) / 1000;
      this.loopMilliseconds += now - lastStep;
      lastStep = now;
      this.tell('train', epoch, this.iteration, iterations, this.tally, this.seconds);
      if (now - this.lastCheckpoint >= checkpointMinutes * 60_000) {
        await this.checkpoint(epoch, state);
        lastStep = performance.now();
      }
    }
  }

  /** Evaluates the epoch that is at its end. */
  private async validate(epoch: number, state: State): Promise<EpochMetrics> {
    const { options, tally, seconds } = this;
    const { runtime, task, schedule, signal } = options;
    const start = performance.now();
    const elapsed = (): number => (performance.now() - start) / 1000;
    const validation = await this.evaluator.evaluate(state, {
      ...(signal && { signal }),
      onBatch: (done, total, sofar) => this.tell('val', epoch, done, total, sofar, elapsed()),
    });
    if (validation === undefined) return await this.stop(epoch, state);
    const lr = schedule.lr(epoch, this.iterations - 1, this.iterations);
    const { loss = NaN } = validation.figures;
    if (!Number.isFinite(loss)) {
      throw diverged(`The validation loss became ${loss} in epoch ${epoch + 1}`, lr);
    }
    // On WebGPU a NaN does not reach the loss (ReLU makes 0 of it), so the values are looked at.
    const broken = runtime.device === 'webgpu' ? notFinite(await state.read()) : undefined;
    if (broken !== undefined) {
      throw diverged(`The values of '${broken}' were no longer finite in epoch ${epoch + 1}`, lr);
    }
    const probed = await this.prober.measure(state);
    return {
      epoch: epoch + 1,
      lr,
      ...behind('train_', figuresOf(tally, task)),
      ...behind('val_', { ...validation.figures, ...probed }),
      seconds: seconds + elapsed(),
      images_per_second: tally.examples / seconds,
    };
  }

  private async checkpoint(epoch: number, state: State): Promise<void> {
    const { iteration, tally, seconds, metrics } = this;
    await this.options.onCheckpoint?.({ epoch, iteration, tally, seconds, metrics }, state);
    this.lastCheckpoint = performance.now();
  }

  private async stop(epoch: number, state: State): Promise<never> {
    await this.checkpoint(epoch, state);
    throw new Interrupted(
      `Stopped in epoch ${epoch + 1} of ${this.options.epochs}, after ${this.iteration} of ${this.iterations} steps.`,
    );
  }

  /** Whether the task's figure has not become better for as long as `patience` allows. */
  private isStale(): boolean {
    const { metrics, options } = this;
    const { patience, task } = options;
    if (patience === undefined) return false;
    const values = metrics.map((one) => valFigure(one, task.primary.name));
    const best = values.reduce(
      (at, value, i) => (isBetter(task.primary, value, values[at] ?? NaN) ? i : at),
      0,
    );
    return metrics.length - 1 - best >= patience && metrics.length > 0;
  }

  private tell(
    phase: StepProgress['phase'],
    epoch: number,
    iteration: number,
    iterations: number,
    tally: Tally,
    seconds: number,
  ): void {
    this.options.onStep?.({
      phase,
      epoch: epoch + 1,
      iteration,
      iterations,
      figures: figuresOf(tally, this.options.task),
      imagesPerSecond: tally.examples / seconds,
    });
  }
}

function behind(prefix: string, figures: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [prefix + name, value]));
}

function diverged(what: string, lr: number): Diverged {
  return new Diverged(
    `${what}. Try a smaller learning rate than ${Number(lr.toPrecision(3))}, or a longer warm-up.`,
  );
}
