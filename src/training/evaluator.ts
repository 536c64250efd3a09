import { makeBatch } from '../data/batch.js';
import { size, type ImageDataset } from '../data/dataset.js';
import type { Layer } from '../nn/module.js';
import type { Executable, Runtime, State } from '../runtime/runtime.js';
import { checkEvaluation, EVALUATION_BATCH } from './check.js';
import { addBatch, emptyTally, means, type Means, type Tally } from './metrics.js';
import { floatOutput } from './step.js';

export interface EvaluateOptions {
  /** Ends the evaluation after the batch that is under way, without a result. */
  readonly signal?: AbortSignal;
  /** Told after every batch. */
  readonly onBatch?: (done: number, total: number, tally: Tally) => void;
}

/** Evaluates a classifier on a data set, in batches of one size; the last is filled up and the filling not counted. */
export class Evaluator {
  private readonly compiled: Promise<Executable>;

  /**
   * @param batchSize images at a time, default 250 or all if there are fewer; a larger number needs
   *   more memory, and the figures do not depend on it but for the last digits of the loss
   */
  constructor(
    runtime: Runtime,
    model: Layer,
    private readonly dataset: ImageDataset,
    private readonly batchSize = Math.min(EVALUATION_BATCH, size(dataset)),
  ) {
    const graph = checkEvaluation(model, dataset, this.batchSize);
    this.compiled = runtime.compile(graph, { name: 'evaluation' });
    // Compiling goes on in the background; what fails there is told by the first evaluation.
    this.compiled.catch(() => undefined);
  }

  /**
   * Mean loss and accuracies in percent over the whole data set; undefined if the signal ended it.
   * @param state the model's, as `trainingStep` and `modelValues` name it
   */
  async evaluate(
    state: State,
    { signal, onBatch }: EvaluateOptions = {},
  ): Promise<Means | undefined> {
    const { dataset, batchSize } = this;
    const run = await this.compiled;
    const images = new Float32Array(batchSize * dataset.channels * dataset.height * dataset.width);
    const labels = new Int32Array(batchSize);
    const total = Math.ceil(size(dataset) / batchSize);
    const tally = emptyTally();
    for (let batch = 0; batch < total; batch++) {
      if (signal?.aborted) return undefined;
      const first = batch * batchSize;
      const count = Math.min(batchSize, size(dataset) - first);
      const indices = Uint32Array.from({ length: count }, (_, i) => first + i);
      makeBatch(dataset, indices, {
        images: images.subarray(0, count * (images.length / batchSize)),
        labels: labels.subarray(0, count),
      });
      const outputs = await run.run({ images, labels }, state);
      const losses = floatOutput(outputs, 'losses').subarray(0, count);
      const lossSum = losses.reduce((a, b) => a + b, 0);
      addBatch(tally, floatOutput(outputs, 'logits'), labels, count, lossSum);
      onBatch?.(batch + 1, total, tally);
    }
    return means(tally);
  }

  async dispose(): Promise<void> {
    const run = await this.compiled.catch(() => undefined);
    await run?.dispose();
  }
}
