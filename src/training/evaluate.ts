/** How good a model is at a task, and what it says of images. */
import { FoveaError, RequestError } from '../errors.js';
import type { Dataset } from '../data/dataset.js';
import type { Module } from '../nn/module.js';
import type { HostTensor } from '../runtime/engine.js';
import type { Runtime, State } from '../runtime/runtime.js';
import type { Features, Task } from '../tasks/task.js';
import { checkEvaluation } from './check.js';
import { addBatch, classFigures, emptyTally, figuresOf, type Tally } from './metrics.js';
import { evaluationBatch, Pass, predictionsOf } from './pass.js';
import { evaluationStep, floatOutput } from './step.js';

/** What an evaluation came to. */
export interface Evaluation {
  /** `loss` and the task's figures by name. */
  readonly figures: Readonly<Record<string, number>>;
  /** The task's figures of each class, by name. */
  readonly perClass: Readonly<Record<string, readonly number[]>>;
  /** How often each true class (a row) was taken for each class; undefined where the task counts no such thing. */
  readonly confusion: readonly (readonly number[])[] | undefined;
  /** Examples that they are of. */
  readonly examples: number;
}

export interface EvaluateOptions {
  readonly task: Task;
  readonly runtime: Runtime;
  /** Examples at a time; figures do not depend on it but for the last digits of the loss. Default 250, fewer of large images. */
  readonly batchSize?: number;
  /** Ends the evaluation after the batch that is under way, with an error. */
  readonly signal?: AbortSignal;
  /** Told after every batch. */
  readonly onBatch?: (done: number, total: number) => void;
}

/**
 * Evaluates a model on a data set.
 * @throws RequestError if the model, the task and the data do not fit each other
 */
export async function evaluate(
  model: Module,
  dataset: Dataset,
  { task, runtime, batchSize, signal, onBatch }: EvaluateOptions,
): Promise<Evaluation> {
  const evaluator = new Evaluator(runtime, task, model, dataset, {
    final: true,
    ...(batchSize && { batchSize }),
  });
  try {
    const state = await runtime.createState(model.stateValues());
    const evaluation = await evaluator.evaluate(state, {
      ...(signal && { signal }),
      ...(onBatch && { onBatch: (done, total) => onBatch(done, total) }),
    });
    await state.dispose();
    if (evaluation === undefined) throw new FoveaError('The evaluation was stopped.');
    return evaluation;
  } finally {
    await evaluator.dispose();
  }
}

/** Evaluates a model again and again on the same data, as a training does after each epoch. */
export class Evaluator {
  private readonly pass: Pass;
  private readonly bins: Readonly<Record<string, number>>;

  /** @param options `averaged`: whether the states hold averages, which are evaluated then; `final`: whether figures are asked for that a training does without */
  constructor(
    runtime: Runtime,
    private readonly task: Task,
    model: Module,
    dataset: Dataset,
    {
      batchSize = evaluationBatch(dataset),
      averaged = false,
      final = false,
    }: {
      readonly batchSize?: number;
      readonly averaged?: boolean;
      readonly final?: boolean;
    } = {},
  ) {
    const checked = checkEvaluation(task, model, dataset, { batchSize, averaged, final });
    this.bins = checked.bins;
    const graphOf = (size: number) =>
      size === batchSize
        ? checked.graph
        : evaluationStep(task, model, dataset, { batchSize: size, averaged, final }).graph;
    const most = Math.min(batchSize, dataset.size);
    this.pass = new Pass(runtime, dataset, graphOf, task.inputs, most, 'evaluation');
  }

  /**
   * Figures over the whole data set; undefined if the signal ended it.
   * @param state the model's, as `trainingStep` and `stateValues` name it
   */
  async evaluate(
    state: State,
    {
      signal,
      onBatch,
    }: {
      readonly signal?: AbortSignal;
      readonly onBatch?: (done: number, total: number, tally: Tally) => void;
    } = {},
  ): Promise<Evaluation | undefined> {
    const { task } = this;
    const tally = emptyTally();
    let done = 0;
    if (signal?.aborted) return undefined;
    for await (const { batch, outputs } of this.pass.run(state)) {
      addBatch(tally, task, outputs, batch.indices.length, this.bins);
      onBatch?.(++done, this.pass.batches, tally);
      if (signal?.aborted && done < this.pass.batches) return undefined;
    }
    return {
      figures: figuresOf(tally, task),
      ...classFigures(tally, task),
      examples: tally.examples,
    };
  }

  async dispose(): Promise<void> {
    await this.pass.dispose();
  }
}

/** What a model says of one example. */
export interface Prediction {
  /** Its place in the data set. */
  readonly index: number;
  /** By the task's names, without the batch's axis: `probabilities` [K]. */
  readonly values: Readonly<Record<string, HostTensor>>;
}

/**
 * What a model says of the images of a data set, one after the other. Labels are not needed.
 * @throws RequestError for a task that predicts nothing
 */
export async function* predict(
  model: Module,
  dataset: Dataset,
  {
    task,
    runtime,
    batchSize = evaluationBatch(dataset),
  }: Omit<EvaluateOptions, 'signal' | 'onBatch'>,
): AsyncGenerator<Prediction, void, undefined> {
  const graphOf = (size: number) =>
    evaluationStep(task, model, dataset, { batchSize: size, metrics: false, predictions: true })
      .graph;
  if (Object.keys(graphOf(1).outputs).length === 0) {
    throw new RequestError(
      `The task '${task.id}' does not say what a model predicts: give it a predict().`,
    );
  }
  const size = Math.min(batchSize, dataset.size);
  const pass = new Pass(runtime, dataset, graphOf, task.inputs, size, 'prediction');
  const state = await runtime.createState(model.stateValues());
  try {
    for await (const { batch, outputs } of pass.run(state)) {
      const count = batch.indices.length;
      for (const [i, index] of batch.indices.entries()) {
        yield { index, values: predictionsOf(outputs, i, count) };
      }
    }
  } finally {
    await state.dispose();
    await pass.dispose();
  }
}

/**
 * Measures what a task's probe asks for, such as the accuracy of nearest neighbours; nothing if the task
 * has none.
 * @param state the model's values, with averages if `averaged`. Default: those that the model has
 * @throws RequestError if a split has no labels to measure by
 */
export async function probe(
  model: Module,
  data: { readonly train: Dataset; readonly val: Dataset },
  options: Pick<EvaluateOptions, 'task' | 'runtime'> & {
    readonly state?: State;
    readonly averaged?: boolean;
  },
): Promise<Readonly<Record<string, number>>> {
  const { task, runtime, averaged } = options;
  const prober = new Prober(runtime, task, model, data, averaged);
  const state = options.state ?? (await runtime.createState(model.stateValues()));
  try {
    return await prober.measure(state);
  } finally {
    if (options.state === undefined) await state.dispose();
    await prober.dispose();
  }
}

/** Probes a model again and again on the same data, as a training does after each epoch. */
export class Prober {
  /** What is compiled for each data set, from the first measurement on. */
  private readonly passes = new Map<Dataset, Pass>();

  /** @param averaged whether the states hold averages, which are measured then */
  constructor(
    private readonly runtime: Runtime,
    private readonly task: Task,
    private readonly model: Module,
    private readonly data: { readonly train: Dataset; readonly val: Dataset },
    private readonly averaged = false,
  ) {}

  /**
   * Figures by name; none if the task has no probe.
   * @param state the model's, as `trainingStep` and `stateValues` name it
   * @throws RequestError if a split has no labels to measure by
   */
  async measure(state: State): Promise<Readonly<Record<string, number>>> {
    const { data, task } = this;
    if (task.probe === undefined) return {};
    const train = await this.featuresOf(data.train, state);
    return task.probe.measure({ train, val: await this.featuresOf(data.val, state) });
  }

  async dispose(): Promise<void> {
    for (const pass of this.passes.values()) await pass.dispose();
  }

  private async featuresOf(dataset: Dataset, state: State): Promise<Features> {
    const { labels, name, split, size } = dataset;
    if (labels === undefined) {
      throw new RequestError(`${name} (${split}) has no labels to measure features by.`);
    }
    const rows: Float32Array[] = [];
    const order = evenly(size, this.task.probe?.most?.[split]);
    for await (const { batch, outputs } of this.passOf(dataset).run(state, order)) {
      const features = floatOutput(outputs, 'features');
      const length = features.length / batch.indices.length;
      for (let at = 0; at < features.length; at += length) {
        rows.push(features.slice(at, at + length));
      }
    }
    return { rows, labels: Int32Array.from(order, (index) => labels[index] ?? NaN) };
  }

  private passOf(dataset: Dataset): Pass {
    const known = this.passes.get(dataset);
    if (known) return known;
    const { runtime, task, model, averaged } = this;
    const graphOf = (batchSize: number) =>
      evaluationStep(task, model, dataset, { batchSize, metrics: false, features: true, averaged })
        .graph;
    const batch = evaluationBatch(dataset);
    const pass = new Pass(runtime, dataset, graphOf, task.inputs, batch, 'features');
    this.passes.set(dataset, pass);
    return pass;
  }
}

/** At most so many places of n, evenly spread. */
function evenly(n: number, most = n): Uint32Array {
  const count = Math.min(n, most);
  return Uint32Array.from({ length: count }, (_, i) => Math.floor((i * n) / count));
}
