/**
 * Batches of a data set, as an async iterator: `for await (const batch of batches(data, { .. }))`.
 * What an image becomes depends on (seed, epoch, its place), never on the thread that made it or on
 * what was made before. The next batch is made while the one that was handed out is in use.
 */
import { RequestError } from '../errors.js';
import { RandomStream } from '../random/index.js';
import { checkAugmentations, type Augmentation } from './augmentation.js';
import { exampleName, infoOf, type Dataset } from './dataset.js';
import type { Fields } from './fields.js';
import { emptyFields, placeExample, type BatchFields } from './place-example.js';

/** What all batches of a data set have in common. */
export interface BatchPlan {
  readonly fields: Fields;
  /** What happens to training images. */
  readonly augment: readonly Augmentation[];
  readonly seed: number;
}

/** One batch that is wanted. */
export interface BatchRequest {
  /** Places of the examples; they key the random choices. */
  readonly indices: Uint32Array;
  /** Where the examples lie in the data set, if not there. */
  readonly sources?: Uint32Array;
  /** Counted from 0; undefined for batches that are not augmented. */
  readonly epoch?: number;
}

/** Something that makes batches. Several may be asked for at once; each is answered when it is made. */
export interface BatchLoader {
  load(request: BatchRequest): Promise<BatchFields>;
  close(): Promise<void>;
}

/** One batch. */
export interface Batch {
  readonly fields: BatchFields;
  /** Places of its examples in the data set. */
  readonly indices: Uint32Array;
  /** Which of its epoch, from 0. */
  readonly iteration: number;
}

/** Which batches are wanted of an epoch. */
export interface EpochRequest {
  readonly batchSize: number;
  /** Places in the order of their use. Default all, in the order of the data set. */
  readonly order?: Uint32Array;
  /** Counted from 0, keys the augmentation; undefined: not augmented, as for validation. */
  readonly epoch?: number;
  /** Batches to pass over, as when a run goes on. Default 0. */
  readonly from?: number;
  /** Whether a last batch that is smaller than the others is left out. Default false. */
  readonly dropLast?: boolean;
}

/** Batches made ahead of the one in use where threads make them, so that an image that is slow to decode does not stop a step. */
const AHEAD = 3;

/** Makes the batches of a data set, epoch by epoch. */
export class BatchSource {
  private readonly loader: BatchLoader;
  private readonly ahead: number;

  constructor(
    private readonly dataset: Dataset,
    private readonly plan: BatchPlan,
  ) {
    checkAugmentations(plan.augment, plan.fields);
    checkFields(dataset, plan.fields);
    const threads = dataset.openLoader?.(plan, infoOf(dataset));
    this.loader = threads ?? new InThisThread(dataset, plan);
    this.ahead = threads ? AHEAD : 1;
  }

  /** The batches of one epoch. */
  async *epoch({
    batchSize,
    order = places(this.dataset.size),
    epoch,
    from = 0,
    dropLast = false,
  }: EpochRequest): AsyncGenerator<Batch, void, undefined> {
    const total = batchCount(order.length, batchSize, dropLast);
    const request = async (iteration: number): Promise<Batch> => {
      const indices = order.slice(iteration * batchSize, (iteration + 1) * batchSize);
      const fields = await this.loader.load({ indices, ...(epoch !== undefined && { epoch }) });
      if (epoch !== undefined) this.mix(fields, indices.length, epoch, iteration);
      return { fields, indices, iteration };
    };
    const pending: Promise<Batch>[] = [];
    const ask = (iteration: number): void => {
      const asked = request(iteration);
      // What fails is told when its turn comes.
      asked.catch(() => undefined);
      pending.push(asked);
    };
    let asked = from;
    let end = total;
    const askUntil = (last: number): void => {
      while (asked < end && asked <= last) ask(asked++);
    };
    try {
      for (let iteration = from; iteration < total; iteration++) {
        askUntil(iteration);
        const batch = await pending.shift();
        if (batch === undefined) return;
        // When this batch has been put to use: whoever takes it hands it to the engine's thread first.
        setTimeout(() => askUntil(iteration + this.ahead));
        yield batch;
      }
    } finally {
      // Whoever leaves early wants no more.
      end = 0;
    }
  }

  /** Ends what makes the batches. */
  async close(): Promise<void> {
    await this.loader.close();
  }

  private mix(fields: BatchFields, count: number, epoch: number, iteration: number): void {
    const mixing = this.plan.augment.filter((one) => one.mix !== undefined);
    const entries = Object.entries(this.plan.fields);
    const image = entries.find(([, one]) => one.from === 'image')?.[0];
    const images = image === undefined ? undefined : fields[image];
    if (mixing.length === 0 || !(images instanceof Float32Array)) return;
    const random = new RandomStream(this.plan.seed, 'mix', epoch, iteration);
    const chosen = mixing[mixing.length > 1 ? random.integer(mixing.length) : 0];
    const partners = Int32Array.from({ length: count }, (_, i) => i);
    const shares = new Float32Array(count).fill(1);
    const { channels, height, width } = this.dataset;
    chosen?.mix?.({ images, count, channels, height, width, partners, shares }, random);
    for (const [name, { from }] of entries) {
      const values = fields[name];
      if (from === 'share') values?.set(shares);
      if (from === 'partner') values?.set(partners.map((one) => values[one] ?? NaN));
    }
  }
}

/** How many batches an epoch has. */
export function batchCount(images: number, batchSize: number, dropLast = false): number {
  return dropLast ? Math.floor(images / batchSize) : Math.ceil(images / batchSize);
}

/**
 * The batches of one epoch, or one pass over a data set.
 * @param options which fields, how many at a time; with `epoch` the images are augmented by `augment`
 */
export async function* batches(
  dataset: Dataset,
  {
    fields,
    augment = [],
    seed = 0,
    ...request
  }: Partial<BatchPlan> & { readonly fields: Fields } & EpochRequest,
): AsyncGenerator<Batch, void, undefined> {
  const source = new BatchSource(dataset, { fields, augment, seed });
  try {
    yield* source.epoch(request);
  } finally {
    await source.close();
  }
}

/**
 * The order in which an epoch visits n images, from the stream (seed, 'order', epoch).
 *
 * @param epoch counted from 0
 * @returns 0 .. n - 1, each once
 */
export function epochOrder(seed: number, epoch: number, n: number): Uint32Array {
  return new RandomStream(seed, 'order', epoch).permutation(n);
}

/** Makes batches in the thread that asks for them. */
class InThisThread implements BatchLoader {
  constructor(
    private readonly dataset: Dataset,
    private readonly plan: BatchPlan,
  ) {}

  async load({ indices, sources = indices, epoch }: BatchRequest): Promise<BatchFields> {
    const { dataset, plan } = this;
    const batch = emptyFields(plan.fields, dataset, indices.length);
    for (let place = 0; place < indices.length; place++) {
      const [index = 0, source = 0] = [indices[place], sources[place]];
      if (source >= dataset.size) {
        throw new RequestError(
          `There is no image ${source} in ${dataset.name} (${dataset.split}): expected 0 to ${dataset.size - 1}.`,
        );
      }
      const given = dataset.example(source);
      const example = given instanceof Promise ? await given : given;
      placeExample(plan, dataset, example, batch, place, {
        index,
        name: exampleName(dataset, source),
        ...(epoch !== undefined && { epoch }),
      });
    }
    return batch;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function places(n: number): Uint32Array {
  return Uint32Array.from({ length: n }, (_, i) => i);
}

/** @throws RequestError if it is known already that a data set has not what the fields ask for */
function checkFields({ name, split, pixelClasses }: Dataset, fields: Fields): void {
  const wantsMasks = Object.values(fields).some(({ from }) => from === 'mask');
  if (wantsMasks && pixelClasses === undefined) {
    throw new RequestError(
      `${name} (${split}) has no masks, which the task asks for. Use a data set that has them, as shapes or a folder of images and masks.`,
    );
  }
}
