/** Data sets from the disk (or from nothing, for the one that the program makes). */
import { FileError } from '../../errors.js';
import { DATASETS, datasetInfo } from '../catalog.js';
import { parseCifarPython, parsePythonClassNames } from '../cifar-python.js';
import {
  CIFAR10,
  CIFAR100,
  cifarDataset,
  cifarLabels,
  parseCifarBinary,
  parseClassNames,
  type CifarSpec,
  type LabelKind,
} from '../cifar.js';
import { size, subset, type ImageDataset, type Split } from '../dataset.js';
import { makeShapes } from '../shapes.js';
import { openCifar } from './cifar-files.js';

/** Where a data set is and how much of it is wanted. */
export interface LoadOptions {
  /**
   * CIFAR: its folder in either layout, a folder that holds it, or its archive (.tar.gz, .tar.xz, .tar).
   * A file may have any number of images: a part of the data set will do.
   * Not used by 'shapes'.
   */
  readonly data?: string;
  readonly split: Split;
  /**
   * So many images, stratified over the classes (see `subset`). Default: all. For 'shapes', whose
   * images are made to order, the number to make.
   */
  readonly limit?: number;
  /** Which set of shapes to make. Default 0. Not used by CIFAR. */
  readonly seed?: number;
  /** CIFAR-100: its 100 fine classes (default) or its 20 coarse ones. */
  readonly labels?: LabelKind;
}

/**
 * Loads a data set by name.
 *
 * @param id 'cifar10', 'cifar100' or 'shapes'
 * @throws RequestError for an unknown id (naming the nearest), a missing path or a limit out of range;
 *   FileError for files that are missing, truncated or corrupt
 */
export async function loadDataset(id: string, options: LoadOptions): Promise<ImageDataset> {
  const info = datasetInfo(id);
  const { split, limit } = options;
  if (info.id === 'shapes') {
    return makeShapes({ size: limit ?? DATASETS.shapes[split], seed: options.seed ?? 0, split });
  }
  const dataset = await loadCifar(info.id === 'cifar10' ? CIFAR10 : CIFAR100, options);
  return limit === undefined ? dataset : subset(dataset, limit);
}

/** Loads a split of a CIFAR data set, whole. See {@link loadDataset}. */
export async function loadCifar(
  spec: CifarSpec,
  { data, split, labels = 'fine' }: Pick<LoadOptions, 'data' | 'split' | 'labels'>,
): Promise<ImageDataset> {
  const { classes, namesFile } = cifarLabels(spec, labels);
  const namesFiles = { binary: namesFile, python: spec.meta };
  const files = await openCifar(spec, data, split, namesFiles);

  const images = spec.layouts[files.layout][split];
  const names = await files.read(namesFiles[files.layout]);
  const source = files.path(namesFiles[files.layout]);
  const classNames =
    files.layout === 'binary'
      ? parseClassNames(new TextDecoder().decode(names), classes, source)
      : parsePythonClassNames(names, spec, source, labels);
  const parse = files.layout === 'binary' ? parseCifarBinary : parseCifarPython;
  const parts = [];
  for (const name of images) {
    parts.push(parse(await files.read(name), spec, files.path(name), labels));
  }
  const dataset = cifarDataset(spec, split, parts, classNames);
  if (size(dataset) === 0) throw new FileError(`${files.path(images[0] ?? '')}: it has no images.`);
  return dataset;
}
