/** A graph run over a data set, batch by batch: what evaluating, predicting and looking have in common. */
import { BatchSource, type Batch } from '../data/batches.js';
import type { Dataset } from '../data/dataset.js';
import type { Fields } from '../data/fields.js';
import type { HostTensors } from '../runtime/engine.js';
import type { Executable, Runtime, State, StatefulGraph } from '../runtime/runtime.js';

/** Images at a time of an evaluation, if there are so many. */
export const EVALUATION_BATCH = 250;

/** The most values of one batch's images, so that large images go through in smaller batches: 250 of 3 x 32 x 32. */
const MOST_VALUES = EVALUATION_BATCH * 3 * 32 * 32;

/** How many images of a data set go through a network at once if nobody says: at most {@link EVALUATION_BATCH}. */
export function evaluationBatch({ size, channels, height, width }: Dataset): number {
  const room = Math.floor(MOST_VALUES / (channels * height * width));
  return Math.max(1, Math.min(EVALUATION_BATCH, size, room));
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
    const wanted = graphOf(this.batchSize).inputs;
    this.source = new BatchSource(dataset, {
      fields: Object.fromEntries(
        Object.entries(fields).filter(([field]): boolean => Object.hasOwn(wanted, field)),
      ),
      augment: [],
      seed: 0,
    });
    // Compiling goes on in the background; what fails there is told by the first run.
    this.compile(this.batchSize).catch(() => undefined);
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

  private compile(batchSize: number): Promise<Executable> {
    const known = this.compiled.get(batchSize);
    if (known) return known;
    const compiled = this.runtime.compile(this.graphOf(batchSize), { name: this.name });
    this.compiled.set(batchSize, compiled);
    return compiled;
  }
}

/**
 * The rows of an output of a batch of so many examples.
 * @param data [B, ...], row-major
 */
export function rowsOf<Values extends Float32Array | Int32Array>(
  data: Values,
  count: number,
): Values[] {
  const length = data.length / count;
  return Array.from(
    { length: count },
    (_, i) => data.slice(i * length, (i + 1) * length) as Values,
  );
}
