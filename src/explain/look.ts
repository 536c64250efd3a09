/** Running a network on images of a data set to see what it says and where it looks. */
import { makeBatch } from '../data/batch.js';
import type { ImageDataset } from '../data/dataset.js';
import { views, type GateView, type View, type ViewOptions } from './views.js';
import type { Layer } from '../nn/module.js';
import type { Runtime } from '../runtime/runtime.js';
import { checkTargets } from '../training/check.js';
import { floatOutput, modelState, modelValues } from '../training/step.js';

/** Images at a time: attention in an early layer takes megabytes for each. */
const BATCH = 16;

/** What was seen in some images. */
export interface Looked {
  readonly maps: readonly View[];
  readonly gates: readonly GateView[];
  /** An output of the graph, `logits` or a view's, for each image in the order of the indices. */
  readonly rows: (output: string) => readonly Float32Array[];
}

/**
 * Looks at images of a data set.
 *
 * @param indices places in the data set
 * @param about 'label': Grad-CAM asks about each image's own class, else about the predicted one
 * @throws RequestError if it is to ask about a label that is no class of the model's
 */
export async function look(
  runtime: Runtime,
  model: Layer,
  dataset: ImageDataset,
  indices: readonly number[],
  options: Omit<ViewOptions, 'batchSize' | 'imageShape'>,
): Promise<Looked> {
  const { channels, height, width } = dataset;
  const batchSize = Math.min(BATCH, indices.length);
  const { graph, maps, gates } = views(model, {
    ...options,
    batchSize,
    imageShape: [channels, height, width],
  });
  if ('labels' in graph.inputs) checkTargets(dataset, graph.outputs['logits']?.shape[1] ?? 0);
  const run = await runtime.compile(
    { ...graph, state: modelState(model) },
    { name: 'explanation' },
  );
  const state = await runtime.createState(modelValues(model));
  const rows = new Map<string, Float32Array[]>();
  try {
    const images = new Float32Array(batchSize * channels * height * width);
    const labels = new Int32Array(batchSize);
    for (let first = 0; first < indices.length; first += batchSize) {
      // The last batch is filled up with its last image, and the filling is not kept.
      const chosen = Array.from(
        { length: batchSize },
        (_, i) => indices[Math.min(first + i, indices.length - 1)] ?? 0,
      );
      makeBatch(dataset, chosen, { images, labels });
      const feeds = 'labels' in graph.inputs ? { images, labels } : { images };
      const outputs = await run.run(feeds, state);
      for (const name of Object.keys(graph.outputs)) {
        const values = floatOutput(outputs, name);
        const length = values.length / batchSize;
        const kept = rows.get(name) ?? [];
        for (let i = 0; i < Math.min(batchSize, indices.length - first); i++) {
          kept.push(values.slice(i * length, (i + 1) * length));
        }
        rows.set(name, kept);
      }
    }
  } finally {
    await state.dispose();
    await run.dispose();
  }
  return { maps, gates, rows: (output) => rows.get(output) ?? [] };
}
