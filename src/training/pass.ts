/** A graph run over a data set, batch by batch: what evaluating, predicting and looking have in common. */
import { BatchSource, type Batch } from '../data/batches.js';
import type { DataInfo, Dataset } from '../data/dataset.js';
import type { Fields } from '../data/fields.js';
import type { HostTensor, HostTensors } from '../runtime/engine.js';
import type { Executable, Runtime, State, StatefulGraph } from '../runtime/runtime.js';
import { PREDICTION } from './step.js';

/** Images at a time of an evaluation, if there are so many. */
export const EVALUATION_BATCH = 250;

/** The most values of one batch's images, so that large images go through in smaller batches: 250 of 3 x 32 x 32. */
const MOST_VALUES = EVALUATION_BATCH * 3 * 32 * 32;

/** How many images of a data set go through a network at once if nobody says: at most {@link EVALUATION_BATCH}. */
export function evaluationBatch(dataset: Dataset): number {
  return batchWithin(dataset, Math.min(EVALUATION_BATCH, dataset.size), MOST_VALUES);
}

/**
 * Images at a time, at least one.
 * @param most of them
 * @param values that all of them may have together
 */
export function batchWithin(
  { channels, height, width }: DataInfo,
  most: number,
  values: number,
): number {
  return Math.max(1, Math.min(most, Math.floor(values / (channels * height * width))));
}

/** Graphs of one kind over one data set; the last batch of a pass may be smaller than the others. */
export class Pass {
  private readonly source: BatchSource;
  private readonly compiled = new Map<number, Promise<Executable>>();

  /**
   * @param graphOf builds the graph for a batch size
   * @param fields that its inputs are called after; of the others none is made
   */
  constructor(
    private readonly runtime: Runtime,
    private readonly dataset: Dataset,
    private readonly graphOf: (batchSize: number) => StatefulGraph,
    fields: Fields,
    private readonly batchSize: number,
    private readonly name: string,
  ) {
    const graph = graphOf(this.batchSize);
    this.source = new BatchSource(dataset, {
      fields: Object.fromEntries(
        Object.entries(fields).filter(([field]): boolean => Object.hasOwn(graph.inputs, field)),
      ),
      augment: [],
      seed: 0,
    });
    // Compiling goes on in the background; what fails there is told by the first run.
    this.compile(this.batchSize, graph).catch(() => undefined);
  }

  /**
   * One pass, in the order of the data set.
   * @param order places of some examples only
   */
  async *run(
    state: State,
    order?: Uint32Array,
  ): AsyncGenerator<{ readonly batch: Batch; readonly outputs: HostTensors }, void, undefined> {
    const { batchSize } = this;
    for await (const batch of this.source.epoch({ batchSize, ...(order && { order }) })) {
      const run = await this.compile(batch.indices.length);
      yield { batch, outputs: await run.run(batch.fields, state) };
    }
  }

  /** Batches of a pass over the whole data set. */
  get batches(): number {
    return Math.ceil(this.dataset.size / this.batchSize);
  }

  async dispose(): Promise<void> {
    await this.source.close();
    for (const compiled of this.compiled.values()) {
      const run = await compiled.catch(() => undefined);
      await run?.dispose();
    }
  }

  private compile(batchSize: number, graph?: StatefulGraph): Promise<Executable> {
    const known = this.compiled.get(batchSize);
    if (known) return known;
    const built = graph ?? this.graphOf(batchSize);
    const compiled = this.runtime.compile(built, { name: this.name });
    this.compiled.set(batchSize, compiled);
    return compiled;
  }
}

/**
 * An output of a batch for one of its examples: [B, ..] -> [..].
 * @param count of the batch's examples
 */
export function rowOf(
  { dtype, shape, data }: HostTensor,
  place: number,
  count: number,
): HostTensor {
  const length = data.length / count;
  const own = data.slice(place * length, (place + 1) * length);
  return { dtype, shape: shape.slice(1), data: own };
}

/** What a graph with predictions says of one example of a batch, by the task's names. */
export function predictionsOf(
  outputs: HostTensors,
  place: number,
  count: number,
): Record<string, HostTensor> {
  return Object.fromEntries(
    Object.entries(outputs).flatMap(([name, output]) =>
      name.startsWith(PREDICTION)
        ? [[name.slice(PREDICTION.length), rowOf(output, place, count)]]
        : [],
    ),
  );
}
