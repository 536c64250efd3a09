/** Whether a network's maps find the object: the localisation scores of a run. */
import { IGNORED, type Dataset } from '../data/dataset.js';
import { fitted } from '../data/fitted.js';
import { RequestError } from '../errors.js';
import { localise } from './localisation.js';
import type { Module } from '../nn/module.js';
import type { Runtime } from '../runtime/runtime.js';
import type { Task } from '../tasks/task.js';
import type { LocalisationScore } from './explanation.js';
import { look } from './look.js';

export interface LocaliseOptions {
  /** What the model does. */
  readonly task: Task;
  /** So many images, the first of the data set. Default 200, or all if there are fewer. */
  readonly images?: number;
  /** Maps by name, as for pictures. Default all. */
  readonly layers?: readonly string[];
}

/**
 * Scores Grad-CAM (where it is defined, asked about each image's own class), every spatial map and every attention over places
 * (the mean of its rows: how much each place is looked at) against the masks of a data set, and averages
 * over its images.
 *
 * @throws RequestError if the data set has no masks
 */
export async function localiseRun(
  runtime: Runtime,
  model: Module,
  dataset: Dataset,
  { task, images = 200, layers }: LocaliseOptions,
): Promise<LocalisationScore[]> {
  const { pixelClasses, height, width, name } = dataset;
  if (pixelClasses === undefined) {
    throw new RequestError(
      `${name} does not say where its objects are, so nothing can be scored. The data set 'shapes' does, and folders with masks do.`,
    );
  }
  const indices = Array.from({ length: Math.min(images, dataset.size) }, (_, i) => i);
  const hasLabels = Object.values(task.inputs).some(({ from }) => from === 'label');
  const { maps, images: looks } = look(runtime, model, dataset, indices, {
    task,
    queries: 'mean',
    about: hasLabels ? 'label' : 'prediction',
    ...(layers && { layers }),
  });
  const sums = maps.map(() => ({ pointing: 0, energy: 0, share: 0 }));
  for await (const { index, valuesOf } of looks) {
    const { mask } = fitted(await dataset.example(index), dataset);
    const object = { height, width, data: objectOf(mask) };
    for (const [i, map] of maps.entries()) {
      const score = localise({ ...map.size, data: valuesOf(map) }, object);
      const sum = sums[i];
      if (sum === undefined) continue;
      sum.pointing += score.pointing;
      sum.energy += score.energy;
      sum.share += score.share;
    }
  }
  const count = indices.length;
  return maps.map(({ module, name: own, kind }, i) => ({
    module,
    name: own,
    kind,
    images: count,
    pointing: (sums[i]?.pointing ?? NaN) / count,
    energy: (sums[i]?.energy ?? NaN) / count,
    share: (sums[i]?.share ?? NaN) / count,
  }));
}

/** 1 where a mask has an object of any class. */
function objectOf(mask: Uint8Array | undefined): Uint8Array {
  return Uint8Array.from(mask ?? [], (value) => (value > 0 && value !== IGNORED ? 1 : 0));
}
