import { makeBatch } from '../data/batch.js';
import type { ImageDataset } from '../data/dataset.js';
import type { Layer } from '../nn/module.js';
import type { Optimizer } from '../optim/index.js';
import { RandomStream } from '../random/index.js';
import type { Executable, Runtime, State } from '../runtime/runtime.js';
import type { TensorData } from '../tensor/op.js';
import { floatOutput, trainingStep, type TrainingStep } from './step.js';

export interface StepperOptions {
  readonly optimizer: Optimizer;
  /** Keys the augmentation and the noise. */
  readonly seed: number;
  /** Crop with padding 4 and flip; false: only normalise. Default true. */
  readonly augment?: boolean;
  /** Default 0. */
  readonly labelSmoothing?: number;
  /** Start of the name of a file for a profile of the steps by op. */
  readonly profile?: string;
}

/** One step that is wanted. */
export interface Step {
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
export class Stepper {
  private readonly compiled = new Map<number, Promise<{ step: TrainingStep; run: Executable }>>();
  private prepared: Batch | undefined;
  /** Time that the steps so far spent inside ONNX Runtime. */
  milliseconds = 0;

  constructor(
    private readonly runtime: Runtime,
    private readonly model: Layer,
    private readonly dataset: ImageDataset,
    private readonly options: StepperOptions,
  ) {}

  /**
   * Moves the state on by one batch.
   * @returns the loss, the logits [B, K] from before the update, and the labels [B]
   */
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
      loss: floatOutput(outputs, 'loss')[0] ?? NaN,
      logits: floatOutput(outputs, 'logits'),
      labels: batch.labels,
    };
  }

  async dispose(): Promise<void> {
    for (const compiled of this.compiled.values()) {
      // One that never came to be has told its reason to the step that wanted it.
      const made = await compiled.catch(() => undefined);
      await made?.run.dispose();
    }
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
