/** Data sets from the disk (or from nothing, for the one that the program makes). */
import { FileError } from '../../errors.js';
import { DATASETS, datasetInfo } from '../catalog.js';
import { parseCifarPython, parsePythonClassNames } from '../cifar-python.js';
import {
  CIFAR10,
  CIFAR100,
  cifarDataset,
  cifarFileBytes,
  cifarLabels,
  parseCifarBinary,
  parseClassNames,
  type CifarSpec,
  type LabelKind,
} from '../cifar.js';
import { subset, type ImageDataset, type Split } from '../dataset.js';
import { makeShapes } from '../shapes.js';
import { openCifar } from './cifar-files.js';

/** Where a data set is and how much of it is wanted. */
export interface LoadOptions {
  /**
   * CIFAR: its folder in either layout, a folder that holds it, or the official .tar.gz.
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
  const names = { binary: namesFile, python: spec.meta };
  const files = await openCifar(spec, data, split, names);

  const records = spec.recordsPerFile[split];
  const images = spec.layouts[files.layout][split];
  if (files.layout === 'binary') {
    const text = new TextDecoder().decode(await files.read(namesFile));
    const classNames = parseClassNames(text, classes, files.path(namesFile));
    const expected = cifarFileBytes(spec, records);
    const parts = [];
    for (const name of images) {
      const bytes = await files.read(name, expected);
      parts.push(parseCifarBinary(bytes, spec, files.path(name), labels));
    }
    return cifarDataset(spec, split, parts, classNames);
  }

  const meta = await files.read(spec.meta);
  const classNames = parsePythonClassNames(meta, spec, files.path(spec.meta), labels);
  const parts = [];
  for (const name of images) {
    const part = parseCifarPython(await files.read(name), spec, files.path(name), labels);
    if (part.labels.length !== records) {
      throw new FileError(
        `${files.path(name)}: expected ${records} images, found ${part.labels.length}.`,
      );
    }
    parts.push(part);
  }
  return cifarDataset(spec, split, parts, classNames);
}
