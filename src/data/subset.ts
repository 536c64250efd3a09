import { RequestError } from '../errors.js';
import { infoOf, type Dataset } from './dataset.js';

/**
 * `n` examples with the classes as equal in number as can be, in the order of the data set. Of each class
 * the first are taken; what does not divide evenly goes to the lower class numbers. The same `n`
 * always gives the same examples. Without labels the first n are taken.
 *
 * @returns the data set itself when n is its size, otherwise a view of the chosen examples
 * @throws RequestError when n is not a whole number from 1 to N
 */
export function subset(dataset: Dataset, n: number): Dataset {
  const { size, labels, classes } = dataset;
  if (!Number.isInteger(n) || n < 1 || n > size) {
    throw new RequestError(
      `Cannot take ${n} images of ${dataset.name} (${dataset.split}): expected a whole number from 1 to ${size}.`,
    );
  }
  if (n === size) return dataset;
  if (labels === undefined)
    return choose(
      dataset,
      Uint32Array.from({ length: n }, (_, i) => i),
    );

  const left = quotas(labels, classes.length, n);
  const chosen: number[] = [];
  for (let index = 0; index < size; index++) {
    const label = labels[index] ?? 0;
    const room = left[label] ?? 0;
    if (room === 0) continue;
    left[label] = room - 1;
    chosen.push(index);
  }
  return choose(dataset, Uint32Array.from(chosen));
}

/**
 * A data set of some of the examples of another, in the order of the indices.
 * @param indices places in the data set
 */
export function choose(dataset: Dataset, indices: Uint32Array): Dataset {
  const { split, labels } = dataset;
  const original = (index: number): number => indices[index] ?? NaN;
  const openWhole = dataset.openLoader?.bind(dataset);
  return {
    ...infoOf(dataset),
    split,
    size: indices.length,
    ...(labels && { labels: Int32Array.from(indices, (index) => labels[index] ?? NaN) }),
    example: (index) => dataset.example(original(index)),
    ...(dataset.nameOf && { nameOf: (index) => dataset.nameOf?.(original(index)) ?? '' }),
    ...(openWhole && {
      openLoader: (plan, info) => {
        const loader = openWhole(plan, info);
        return {
          // Random choices are keyed by an example's place here, its pixels lie at its place there.
          load: (request) => {
            const sources = Uint32Array.from(request.sources ?? request.indices, original);
            return loader.load({ ...request, sources });
          },
          close: () => loader.close(),
        };
      },
    }),
  };
}

/** How many of each class to take so that they sum to n and none is needlessly larger than another. */
function quotas(labels: Int32Array, classCount: number, n: number): number[] {
  const available = new Array<number>(classCount).fill(0);
  for (const label of labels) available[label] = (available[label] ?? 0) + 1;
  const quota = new Array<number>(classCount).fill(0);
  for (let left = n; left > 0;) {
    const open = available.flatMap((count, label) => (count > (quota[label] ?? 0) ? [label] : []));
    const share = Math.max(1, Math.floor(left / open.length));
    for (const label of open.slice(0, left)) {
      const taken = quota[label] ?? 0;
      const more = Math.min(share, (available[label] ?? 0) - taken);
      quota[label] = taken + more;
      left -= more;
    }
  }
  return quota;
}
