import type { Batch } from '../data/batches.js';
import type { DataInfo } from '../data/dataset.js';
import type { Module } from '../nn/module.js';
import type { Optimizer } from '../optim/index.js';
import { RandomStream } from '../random/index.js';
import type { Executable, Runtime, State } from '../runtime/runtime.js';
import type { Task } from '../tasks/task.js';
import type { TensorData } from '../tensor/op.js';
import { addBatch, type Tally } from './metrics.js';
import { floatOutput, trainingStep, type StepOptions, type TrainingStep } from './step.js';

export interface StepperOptions extends StepOptions {
  readonly task: Task;
  readonly optimizer: Optimizer;
  /** Keys the noise. */
  readonly seed: number;
  /** Start of the name of a file for a profile of the steps by op. */
  readonly profile?: string;
}

/** Runs training steps, for each batch size that occurs (the last batch of an epoch may be smaller). */
export class Stepper {
  private readonly compiled = new Map<number, Promise<{ step: TrainingStep; run: Executable }>>();
  /** Time that the steps so far spent inside ONNX Runtime. */
  milliseconds = 0;

  constructor(
    private readonly runtime: Runtime,
    private readonly model: Module,
    private readonly data: DataInfo,
    private readonly options: StepperOptions,
  ) {}

  /**
   * Moves the state on by one batch.
   * @param step steps since the beginning of the run, from 0
   * @param tally gets what the batch adds to the figures of its epoch
   * @returns the loss, from before the update
   */
  async step(
    state: State,
    { fields, indices }: Batch,
    { step, lr }: { readonly step: number; readonly lr: number },
    tally: Tally,
  ): Promise<number> {
    const { step: built, run } = await this.compile(indices.length);
    const feeds: Record<string, TensorData> = { ...fields };
    for (const [name, value] of Object.entries(this.options.optimizer.scalars(step + 1, lr))) {
      feeds[name] = Float32Array.of(value);
    }
    for (const [name, { tensor, purpose, keepProbability, scale }] of Object.entries(built.noise)) {
      const random = new RandomStream(this.options.seed, purpose, step);
      feeds[name] = random.fillBernoulli(new Float32Array(tensor.size), keepProbability, scale);
    }
    const before = run.statistics.milliseconds;
    const outputs = await run.run(feeds, state);
    this.milliseconds += run.statistics.milliseconds - before;
    addBatch(tally, this.options.task, outputs, indices.length, built.bins);
    return floatOutput(outputs, 'loss')[0] ?? NaN;
  }

  async dispose(): Promise<void> {
    for (const compiled of this.compiled.values()) {
      // One that never came to be has told its reason to the step that wanted it.
      const made = await compiled.catch(() => undefined);
      await made?.run.dispose();
    }
  }

  private compile(batchSize: number): Promise<{ step: TrainingStep; run: Executable }> {
    const known = this.compiled.get(batchSize);
    if (known) return known;
    const { task, optimizer, profile, ...options } = this.options;
    const step = trainingStep(task, this.model, optimizer, this.data, { ...options, batchSize });
    const compiled = this.runtime
      .compile(step.graph, { name: 'training step', ...(profile !== undefined && { profile }) })
      .then((run) => ({ step, run }));
    this.compiled.set(batchSize, compiled);
    return compiled;
  }
}
