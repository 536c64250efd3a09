/** Running a model on images of a data set to see what it says and where it looks. */
import type { Dataset } from '../data/dataset.js';
import type { Module } from '../nn/module.js';
import type { HostTensor } from '../runtime/engine.js';
import type { Runtime } from '../runtime/runtime.js';
import { batchWithin, Pass, predictionsOf } from '../training/pass.js';
import { floatOutput } from '../training/step.js';
import { views, type GateView, type View, type ViewOptions } from './views.js';

/** Images at a time: attention in an early layer takes megabytes for each. */
const BATCH = 16;
/** The most values of one batch's images: {@link BATCH} of 3 x 64 x 64. */
const MOST_VALUES = BATCH * 3 * 64 * 64;

/** What a model said of one image, and where it looked. */
export interface Look {
  /** Its place in the data set. */
  readonly index: number;
  /** What the task predicts, by name, without the batch's axis. */
  readonly predictions: Readonly<Record<string, HostTensor>>;
  /** What a view's output holds of this image: [H W] of a map, [C] of a gate. */
  readonly valuesOf: (view: View | GateView) => Float32Array;
}

/** What a model shows, and of which images. */
export interface Looking {
  readonly maps: readonly View[];
  readonly gates: readonly GateView[];
  /** One image after the other, in the order of the indices; to be gone through once. */
  readonly images: AsyncIterable<Look>;
}

/**
 * Looks at images of a data set.
 *
 * @param indices places in the data set
 * @param options `about`: 'label': Grad-CAM asks about each image's own class, else about the predicted one
 * @throws RequestError for layers or queries that there are not, and if it is to ask about a label that is
 *   no class of the model's
 */
export function look(
  runtime: Runtime,
  model: Module,
  dataset: Dataset,
  indices: readonly number[],
  options: Omit<ViewOptions, 'batchSize' | 'data'>,
): Looking {
  const batchSize = Math.min(indices.length, batchWithin(dataset, BATCH, MOST_VALUES));
  const viewsOf = (size: number) => views(model, { ...options, data: dataset, batchSize: size });
  const { maps, gates, output } = viewsOf(batchSize);
  const { task } = options;
  if (options.about === 'label') task.check(dataset, output);
  async function* images(): AsyncGenerator<Look, void, undefined> {
    const pass = new Pass(
      runtime,
      dataset,
      (size) => ({ ...viewsOf(size).graph, state: model.stateInputs() }),
      task.inputs,
      batchSize,
      'explanation',
    );
    const state = await runtime.createState(model.stateValues());
    try {
      for await (const { batch, outputs } of pass.run(state, Uint32Array.from(indices))) {
        const count = batch.indices.length;
        for (const [i, index] of batch.indices.entries()) {
          yield {
            index,
            predictions: predictionsOf(outputs, i, count),
            valuesOf: ({ output }) => {
              const whole = floatOutput(outputs, output);
              const length = whole.length / count;
              return whole.slice(i * length, (i + 1) * length);
            },
          };
        }
      }
    } finally {
      await state.dispose();
      await pass.dispose();
    }
  }
  return { maps, gates, images: images() };
}
