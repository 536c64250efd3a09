/** CIFAR-10 and CIFAR-100 from the disk. */
import { FileError } from '../../errors.js';
import { parseCifarPython, parsePythonClassNames } from '../cifar-python.js';
import {
  cifarDataset,
  cifarLabels,
  parseCifarBinary,
  parseClassNames,
  type CifarSpec,
  type LabelKind,
} from '../cifar.js';
import type { ImageDataset, Split } from '../dataset.js';
import { openCifar } from './cifar-files.js';

/** Where a CIFAR data set is, and which part of it is wanted. */
export interface CifarOptions {
  /**
   * Its folder in either layout, a folder that holds it, or its archive (.tar.gz, .tar.xz, .tar). A file
   * may have any number of images: a part of the data set will do.
   */
  readonly data?: string;
  readonly split: Split;
  /** CIFAR-100: its 100 fine classes (default) or its 20 coarse ones. */
  readonly labels?: LabelKind;
}

/**
 * Loads a split of a CIFAR data set, whole.
 * @throws RequestError without a path, or for labels that it has not; FileError for files that are missing,
 *   truncated or corrupt
 */
export async function loadCifar(
  spec: CifarSpec,
  { data, split, labels = 'fine' }: CifarOptions,
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
  if (dataset.size === 0) throw new FileError(`${files.path(images[0] ?? '')}: it has no images.`);
  return dataset;
}
