/** What the parts of a comparison are called, as far as Fovea or the runs themselves know it. */
import { attention } from '../../attention/registry.js';
import { DATASETS } from '../../data/catalog.js';
import type { RunResults } from '../results.js';
import { variantId, type CompareSettings, type Variant } from '../settings.js';
import type { MechanismReport } from './data.js';

/** What was trained on. */
export interface DatasetReport {
  readonly title: string;
  /** Images to train on and to validate on; null where no run has written them down. */
  readonly train: number | null;
  readonly val: number | null;
  /** Where it comes from; null of a data set of one's own. */
  readonly source: string | null;
}

/**
 * The mechanisms of Fovea itself, as they were when this was loaded: a report must not depend on which modules
 * of a person's own happen to be imported when it is written.
 */
const OWN = new Map(attention.list().map((entry) => [entry.id, entry]));

/** What is in a part of the network that has no mechanism. */
const PLAIN = new Map([
  ['none', 'no attention'],
  ['add', 'the sum of the maps'],
  ['concat', 'a 1x1 convolution of all channels'],
  ['plain', 'two convolutions'],
]);

/** A variant's name in full, and its paper. */
export function describeVariant(
  variant: Variant,
): Pick<MechanismReport, 'title' | 'paper' | 'arxiv'> {
  const id = variantId(variant);
  const entry = OWN.get(id);
  return {
    title: entry?.title ?? PLAIN.get(id) ?? null,
    paper: entry?.paper ?? null,
    arxiv: entry?.arxiv ?? null,
  };
}

/** The data set of a comparison; of one that is not in the catalogue what its runs have written down. */
export function datasetOf(
  { dataset, limitTrain, limitVal }: CompareSettings['recipe'],
  runs: readonly RunResults[],
): DatasetReport {
  const known = Object.values(DATASETS).find(({ id }) => id === dataset);
  if (known) {
    const { title, train, val, source } = known;
    return { title, train: limitTrain ?? train, val: limitVal ?? val, source };
  }
  return {
    title: runs.flatMap(({ info }) => info?.name ?? [])[0] ?? dataset,
    train: runs.flatMap(({ summary }) => summary?.train_examples ?? [])[0] ?? null,
    val: runs.flatMap(({ evaluation }) => evaluation?.examples ?? [])[0] ?? null,
    source: null,
  };
}
