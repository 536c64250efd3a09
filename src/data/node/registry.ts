/** Data sets by the names that a command line has for them. Anyone can add to it. */
import { RequestError } from '../../errors.js';
import { Registry } from '../../registry.js';
import { DATASETS } from '../catalog.js';
import { CIFAR10, CIFAR100, type CifarSpec, type LabelKind } from '../cifar.js';
import type { Dataset, Split, Splits } from '../dataset.js';
import { makeShapes } from '../shapes.js';
import { subset } from '../subset.js';
import type { FileOptions } from './file-options.js';
import { imageFolder } from './image-folder.js';
import { imageList } from './image-list.js';
import { loadCifar } from './load-cifar.js';
import { segmentationFolder } from './segmentation-folder.js';

/** What a data set may be told when it is loaded by name. Each takes what it has a use for. */
export interface DataOptions extends Partial<Omit<FileOptions, 'name'>> {
  /** Where its files are: a folder, an archive or a table, whatever it is made of. */
  readonly data?: string;
  /** So many training images, with the classes as equal in number as can be. Default: all. */
  readonly limitTrain?: number;
  /** So many validation images, likewise. */
  readonly limitVal?: number;
  /** CIFAR-100: its 100 fine classes (default) or its 20 coarse ones. */
  readonly labels?: LabelKind;
}

/** A data set that has a name. */
export interface DatasetDefinition {
  readonly id: string;
  readonly title: string;
  /** Where it comes from: a paper, how it is made, or what files it is read from. */
  readonly source: string;
  /** What `--data` is, for lists: 'a table (CSV) of paths and classes'. Default: it is not read from files. */
  readonly data?: string;
  /**
   * @throws RequestError for options that are missing or cannot be; FileError for files that are missing or broken
   */
  load(options: DataOptions): Promise<Splits>;
  /** One of the splits alone, where that is less work. Default: both are loaded. */
  loadSplit?(split: Split, options: DataOptions): Promise<Dataset>;
}

/** Makes a data set that can be asked for by name; `datasets.add` adds it. */
export function defineDataset(definition: DatasetDefinition): DatasetDefinition {
  return definition;
}

const shapes = inSplits({
  ...described('shapes'),
  loadSplit: (split, { limitTrain, limitVal, seed = 0 }) => {
    const limit = split === 'train' ? limitTrain : limitVal;
    // Made to order: a smaller set is the beginning of a larger one.
    return Promise.resolve(makeShapes({ size: limit ?? DATASETS.shapes[split], seed, split }));
  },
});

const folder = defineDataset({
  id: 'folder',
  title: 'A folder of pictures for every class',
  source: 'your own files, --size 64',
  data: 'a folder, with a folder for every class',
  load: async (options) => limited(await imageFolder(...filesOf('folder', options)), options),
});

const list = defineDataset({
  id: 'list',
  title: 'Pictures and their classes in a table (CSV)',
  source: 'your own files, --size 64',
  data: 'a table of paths and classes',
  load: async (options) => limited(await imageList(...filesOf('list', options)), options),
});

const masks = defineDataset({
  id: 'masks',
  title: 'Pictures and masks of their pixels',
  source: 'your own files, --size 64',
  data: 'a folder, with images/ and masks/ in it',
  load: async (options) => limited(await segmentationFolder(...filesOf('masks', options)), options),
});

/** All data sets by their ids. */
export const datasets = new Registry<DatasetDefinition>('data set', [
  shapes,
  cifar(CIFAR10),
  cifar(CIFAR100),
  folder,
  list,
  masks,
]);

/**
 * Loads a data set by name.
 *
 * @param request its id, and what it is told: see {@link DataOptions}
 * @throws RequestError for an unknown id (naming the nearest), options that are missing or cannot be, or a
 *   limit out of range; FileError for files that are missing or broken
 *
 * @example
 * const { train, val } = await loadData({ id: 'folder', data: 'flowers', size: 64 });
 */
export async function loadData({
  id,
  ...options
}: DataOptions & { readonly id: string }): Promise<Splits> {
  return datasets.get(id).load(options);
}

function cifar(spec: CifarSpec): DatasetDefinition {
  return inSplits({
    ...described(spec.id),
    data: 'the archive, or a folder with it',
    async loadSplit(split, options) {
      const limit = split === 'train' ? options.limitTrain : options.limitVal;
      const dataset = await loadCifar(spec, { ...options, split });
      return limit === undefined ? dataset : subset(dataset, limit);
    },
  });
}

/** A data set whose splits are loaded apart. */
function inSplits(
  definition: Omit<DatasetDefinition, 'load'> & Required<Pick<DatasetDefinition, 'loadSplit'>>,
): DatasetDefinition {
  return defineDataset({
    ...definition,
    load: async (options) => ({
      train: await definition.loadSplit('train', options),
      val: await definition.loadSplit('val', options),
      notes: [],
    }),
  });
}

function described(id: keyof typeof DATASETS): Pick<DatasetDefinition, 'id' | 'title' | 'source'> {
  const { title, source } = DATASETS[id];
  return { id, title, source };
}

function limited({ train, val, notes }: Splits, { limitTrain, limitVal }: DataOptions): Splits {
  const part = (dataset: Dataset, limit: number | undefined): Dataset =>
    limit === undefined ? dataset : subset(dataset, limit);
  return { train: part(train, limitTrain), val: part(val, limitVal), notes };
}

/** @throws RequestError without a path or a size, which there is no default for */
function filesOf(id: string, { data, size, ...options }: DataOptions): [string, FileOptions] {
  if (data === undefined) {
    throw new RequestError(
      `The data set ${id} is read from your files: say where they are with --data.`,
    );
  }
  if (size === undefined) {
    throw new RequestError(
      `The data set ${id} has pictures of any size: say with --size what size they get, as --size 64.`,
    );
  }
  return [data, { ...options, size }];
}
