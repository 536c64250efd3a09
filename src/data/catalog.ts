import { RequestError } from '../errors.js';
import { suggestion } from '../suggest.js';
import { CIFAR_NORMALIZATION } from './cifar.js';
import type { Normalization } from './dataset.js';
import { SHAPES_NORMALIZATION } from './shapes.js';

/** What a data set that Fovea knows by name consists of. */
export interface DatasetInfo {
  readonly id: DatasetId;
  readonly title: string;
  readonly classes: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Images to train on. For 'shapes', which are made to order, the default. */
  readonly train: number;
  /** Images to validate on, likewise. */
  readonly val: number;
  /** By which its images are normalised. */
  readonly normalization: Normalization;
  /** Where it comes from: a paper, or how it is made. */
  readonly source: string;
}

/** The names by which data sets are asked for. */
export type DatasetId = 'cifar10' | 'cifar100' | 'shapes';

const KRIZHEVSKY = 'Krizhevsky, "Learning multiple layers of features from tiny images", 2009';
const RGB_32 = { channels: 3, height: 32, width: 32 };

/** Every data set, by id. */
export const DATASETS: Readonly<Record<DatasetId, DatasetInfo>> = {
  cifar10: {
    id: 'cifar10',
    title: 'CIFAR-10',
    classes: 10,
    ...RGB_32,
    train: 50_000,
    val: 10_000,
    normalization: CIFAR_NORMALIZATION,
    source: KRIZHEVSKY,
  },
  cifar100: {
    id: 'cifar100',
    title: 'CIFAR-100',
    classes: 100,
    ...RGB_32,
    train: 50_000,
    val: 10_000,
    normalization: CIFAR_NORMALIZATION,
    source: KRIZHEVSKY,
  },
  shapes: {
    id: 'shapes',
    title: 'Coloured shapes in clutter',
    classes: 10,
    ...RGB_32,
    train: 4_000,
    val: 1_000,
    normalization: SHAPES_NORMALIZATION,
    source: 'made by the program (makeShapes), the same everywhere',
  },
};

/**
 * The data set of a name.
 *
 * @throws RequestError for an unknown name, suggesting the nearest
 */
export function datasetInfo(id: string): DatasetInfo {
  const info = Object.values(DATASETS).find((known) => known.id === id);
  if (info === undefined) {
    throw new RequestError(`Unknown data set '${id}'. ${suggestion(id, Object.keys(DATASETS))}`);
  }
  return info;
}
