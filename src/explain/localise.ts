/** Whether a network's maps find the object: the localisation scores of a run. */
import { size, type ImageDataset } from '../data/dataset.js';
import { RequestError } from '../errors.js';
import { localise } from './localisation.js';
import type { Layer } from '../nn/module.js';
import type { Runtime } from '../runtime/runtime.js';
import type { LocalisationScore } from './explanation.js';
import { look } from './look.js';

export interface LocaliseOptions {
  /** So many images, the first of the data set. Default 200, or all if there are fewer. */
  readonly images?: number;
  /** Maps by name, as for pictures. Default all. */
  readonly layers?: readonly string[];
}

/**
 * Scores Grad-CAM (asked about each image's own class), every spatial map and every attention over places
 * (the mean of its rows: how much each place is looked at) against the masks of a data set, and averages
 * over its images.
 *
 * @throws RequestError if the data set has no masks
 */
export async function localiseRun(
  runtime: Runtime,
  model: Layer,
  dataset: ImageDataset,
  { images = 200, layers }: LocaliseOptions = {},
): Promise<LocalisationScore[]> {
  const { masks, height, width, name } = dataset;
  if (masks === undefined) {
    throw new RequestError(
      `${name} does not say where its objects are, so nothing can be scored. The data set 'shapes' does.`,
    );
  }
  const indices = Array.from({ length: Math.min(images, size(dataset)) }, (_, i) => i);
  const { maps, rows } = await look(runtime, model, dataset, indices, {
    queries: 'mean',
    about: 'label',
    ...(layers && { layers }),
  });
  const area = height * width;
  return maps.map(({ module, name, kind, size: sides, output }) => {
    const scores = rows(output).map((data, i) => {
      const mask = masks.subarray(i * area, (i + 1) * area);
      return localise({ ...sides, data }, { height, width, data: mask });
    });
    const mean = (of: 'pointing' | 'energy' | 'share'): number =>
      scores.reduce((total, score) => total + score[of], 0) / scores.length;
    return {
      module,
      name,
      kind,
      images: scores.length,
      pointing: mean('pointing'),
      energy: mean('energy'),
      share: mean('share'),
    };
  });
}
