/**
 * The training loop: epochs of steps, an evaluation after each, and nothing about files or terminals.
 * Everything random is keyed by (seed, purpose, epoch, index), so a run can go on from any step.
 */
import { FoveaError } from '../errors.js';
import { epochOrder, makeBatch } from '../data/batch.js';
import { size, type ImageDataset } from '../data/dataset.js';
import type { Layer } from '../nn/module.js';
import type { Optimizer, Schedule } from '../optim/index.js';
import { RandomStream } from '../random/index.js';
import type { HostTensors } from '../runtime/engine.js';
import type { Executable, Runtime, State } from '../runtime/runtime.js';
import type { TensorData } from '../tensor/op.js';
import { addBatch, emptyTally, means, type EpochMetrics, type Tally } from './metrics.js';
import { evaluationStep, initialState, trainingStep, type TrainingStep } from './step.js';

/** Where a run stands: enough, with the state's tensors, to go on as if nothing had happened. */
export interface Position {
  /** Epochs that are complete. */
  readonly epoch: number;
  /** Steps done in the epoch after those. */
  readonly iteration: number;
  /** Figures of that unfinished epoch. */
  readonly tally: Tally;
  /** Training time of that unfinished epoch. */
  readonly seconds: number;
  readonly metrics: readonly EpochMetrics[];
}

export interface TrainOptions {
  readonly epochs: number;
  readonly batchSize: number;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly seed: number;
  /** Crop with padding 4 and flip; false: only normalise. Default true. */
  readonly augment?: boolean;
  readonly labelSmoothing?: number;
  /** Go on from here instead of from the model's own values. */
  readonly resume?: { readonly position: Position; readonly state: HostTensors };
  /** Ends the run after the step that is under way, with an {@link Interrupted} error. */
  readonly signal?: AbortSignal;
  /** Start of the name of a file for a profile of the steps by op. */
  readonly profile?: string;
  /** Told after every step. */
  readonly onStep?: (progress: StepProgress) => void;
  /** Told after every epoch, and before an interrupted run ends; it may read the state to save it. */
  readonly onCheckpoint?: (position: Position, state: State) => Promise<void>;
}

export interface StepProgress {
  readonly epoch: number;
  readonly phase: 'train' | 'val';
  readonly iteration: number;
  readonly iterations: number;
  readonly loss: number;
  readonly top1: number;
  /** Of this phase of this epoch so far. */
  readonly imagesPerSecond: number;
}

export interface TrainResult {
  readonly metrics: readonly EpochMetrics[];
  /** Share of the training loop's time that was not spent inside ONNX Runtime. */
  readonly overhead: number;
}

/** The run was asked to stop; what it had was handed to `onCheckpoint` first. */
export class Interrupted extends FoveaError {}

/** The loss became infinite or not a number. */
export class Diverged extends FoveaError {}

/**
 * Trains a classifier and leaves the trained values in the model.
 * @throws Diverged at the first loss that is not finite; the last checkpoint is from before
 * @throws Interrupted when the signal asked for it
 */
export async function train(
  runtime: Runtime,
  model: Layer,
  data: { readonly train: ImageDataset; readonly val: ImageDataset },
  options: TrainOptions,
): Promise<TrainResult> {
  const { epochs, batchSize, schedule, seed, resume, signal } = options;
  const images = size(data.train);
  const iterations = Math.ceil(images / batchSize);
  const stepper = new Stepper(runtime, model, data.train, options);
  const evaluator = new Evaluator(runtime, model, data.val, Math.min(250, size(data.val)));
  const state = await runtime.createState(resume?.state ?? initialState(model, options.optimizer));
  const metrics: EpochMetrics[] = [...(resume?.position.metrics ?? [])];
  let { iteration, tally, seconds } = resume?.position ?? fresh();
  let loopMilliseconds = 0;

  try {
    for (let epoch = resume?.position.epoch ?? 0; epoch < epochs; epoch++) {
      const order = epochOrder(seed, epoch, images);
      let lr = 0;
      let lastStep = performance.now();
      for (; iteration < iterations; iteration++) {
        if (signal?.aborted) {
          await options.onCheckpoint?.({ epoch, iteration, tally, seconds, metrics }, state);
          throw new Interrupted(
            `Stopped in epoch ${epoch + 1} after ${iteration} of ${iterations} steps.`,
          );
        }
        lr = schedule.lr(epoch, iteration, iterations);
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
          throw new Diverged(
            `The loss became ${loss} in epoch ${epoch + 1}, step ${iteration + 1}. ` +
              `Try a smaller learning rate than ${lr.toPrecision(3)}, or a longer warm-up.`,
          );
        }
        addBatch(tally, logits, labels, indices.length, loss * indices.length);
        const now = performance.now();
        seconds += (now - lastStep) / 1000;
        loopMilliseconds += now - lastStep;
        lastStep = now;
        options.onStep?.(progress('train', epoch, iteration, iterations, tally, seconds));
      }

      const start = performance.now();
      const validation = await evaluator.evaluate(state, (done, total, sofar) => {
        const elapsed = (performance.now() - start) / 1000;
        options.onStep?.(progress('val', epoch, done, total, sofar, elapsed));
      });
      const trained = means(tally);
      metrics.push({
        epoch: epoch + 1,
        lr,
        train_loss: trained.loss,
        train_top1: trained.top1,
        val_loss: validation.loss,
        val_top1: validation.top1,
        val_top5: validation.top5,
        seconds: seconds + (performance.now() - start) / 1000,
        images_per_second: tally.images / seconds,
      });
      ({ iteration, tally, seconds } = fresh());
      await options.onCheckpoint?.({ epoch: epoch + 1, iteration, tally, seconds, metrics }, state);
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
  return {
    phase,
    epoch: epoch + 1,
    iteration: iteration + 1,
    iterations,
    loss,
    top1,
    imagesPerSecond,
  };
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

interface Step {
  readonly epoch: number;
  /** Steps since the beginning of the run, from 0. */
  readonly step: number;
  readonly lr: number;
  readonly indices: Uint32Array;
  /** The images of the following step, prepared while the engine is busy with this one. */
  readonly upcoming: Uint32Array;
}

interface Batch {
  readonly indices: Uint32Array;
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

/** Runs training steps, for each batch size that occurs (the last batch of an epoch may be smaller). */
class Stepper {
  private readonly compiled = new Map<number, Promise<{ step: TrainingStep; run: Executable }>>();
  private prepared: Batch | undefined;
  milliseconds = 0;

  constructor(
    private readonly runtime: Runtime,
    private readonly model: Layer,
    private readonly dataset: ImageDataset,
    private readonly options: TrainOptions,
  ) {}

  async step(
    state: State,
    { epoch, step, lr, indices, upcoming }: Step,
  ): Promise<{ loss: number; logits: Float32Array; labels: Int32Array }> {
    const { step: built, run } = await this.compile(indices.length);
    const batch =
      this.prepared && sameIndices(this.prepared.indices, indices)
        ? this.prepared
        : this.prepare(indices, epoch);
    const feeds: Record<string, TensorData> = { images: batch.images, labels: batch.labels };
    for (const [name, value] of Object.entries(this.options.optimizer.scalars(step + 1, lr))) {
      feeds[name] = Float32Array.of(value);
    }
    for (const [name, { tensor, purpose, keepProbability, scale }] of Object.entries(built.noise)) {
      const random = new RandomStream(this.options.seed, purpose, step);
      feeds[name] = random.fillBernoulli(new Float32Array(tensor.size), keepProbability, scale);
    }
    const before = run.statistics.milliseconds;
    const running = run.run(feeds, state);
    this.prepared = upcoming.length > 0 ? this.prepare(upcoming, epoch) : undefined;
    const outputs = await running;
    this.milliseconds += run.statistics.milliseconds - before;
    return {
      loss: float(outputs, 'loss')[0] ?? NaN,
      logits: float(outputs, 'logits'),
      labels: batch.labels,
    };
  }

  async dispose(): Promise<void> {
    for (const compiled of this.compiled.values()) await (await compiled).run.dispose();
  }

  private prepare(indices: Uint32Array, epoch: number): Batch {
    const { channels, height, width } = this.dataset;
    const images = new Float32Array(indices.length * channels * height * width);
    const labels = new Int32Array(indices.length);
    const { augment = true, seed } = this.options;
    makeBatch(this.dataset, indices, {
      images,
      labels,
      ...(augment && { augment: { seed, epoch, padding: 4, flip: true } }),
    });
    return { indices, images, labels };
  }

  private compile(batchSize: number): Promise<{ step: TrainingStep; run: Executable }> {
    const known = this.compiled.get(batchSize);
    if (known) return known;
    const { channels, height, width } = this.dataset;
    const { optimizer, labelSmoothing, profile } = this.options;
    const step = trainingStep(this.model, optimizer, {
      batchSize,
      imageShape: [channels, height, width],
      ...(labelSmoothing !== undefined && { labelSmoothing }),
    });
    const compiled = this.runtime
      .compile(step.graph, { name: 'training step', ...(profile !== undefined && { profile }) })
      .then((run) => ({ step, run }));
    this.compiled.set(batchSize, compiled);
    return compiled;
  }
}

function sameIndices(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((index, i) => index === b[i]);
}

function float(outputs: HostTensors, name: string): Float32Array {
  const data = outputs[name]?.data;
  if (!(data instanceof Float32Array)) throw new FoveaError(`The step gave no '${name}'.`);
  return data;
}

/** Evaluates a classifier on a data set, in batches of one size; the last is filled up and the filling not counted. */
export class Evaluator {
  private readonly compiled: Promise<Executable>;

  constructor(
    runtime: Runtime,
    model: Layer,
    private readonly dataset: ImageDataset,
    private readonly batchSize: number,
  ) {
    const { channels, height, width } = dataset;
    const graph = evaluationStep(model, { batchSize, imageShape: [channels, height, width] });
    this.compiled = runtime.compile(graph, { name: 'evaluation' });
  }

  /** Mean loss and accuracies in percent over the whole data set. */
  async evaluate(
    state: State,
    onBatch: (done: number, total: number, tally: Tally) => void = () => undefined,
  ): Promise<{ loss: number; top1: number; top5: number }> {
    const { dataset, batchSize } = this;
    const run = await this.compiled;
    const images = new Float32Array(batchSize * dataset.channels * dataset.height * dataset.width);
    const labels = new Int32Array(batchSize);
    const total = Math.ceil(size(dataset) / batchSize);
    const tally = emptyTally();
    for (let batch = 0; batch < total; batch++) {
      const first = batch * batchSize;
      const count = Math.min(batchSize, size(dataset) - first);
      const indices = Uint32Array.from({ length: count }, (_, i) => first + i);
      makeBatch(dataset, indices, { images, labels });
      const outputs = await run.run({ images, labels }, state);
      const losses = float(outputs, 'losses').subarray(0, count);
      addBatch(
        tally,
        float(outputs, 'logits'),
        labels,
        count,
        losses.reduce((a, b) => a + b, 0),
      );
      onBatch(batch, total, tally);
    }
    return means(tally);
  }

  async dispose(): Promise<void> {
    await (await this.compiled).dispose();
  }
}
