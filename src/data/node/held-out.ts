/** Which examples are kept for validation, where the files do not say. */
import { FileError } from '../../errors.js';
import { RandomStream } from '../../random/index.js';
import type { Split } from '../dataset.js';

/** Folders and words that mean a split, by what they mean. Earlier ones count before later. */
export const SPLIT_WORDS: Readonly<Record<Split, readonly string[]>> = {
  train: ['train', 'training'],
  val: ['val', 'valid', 'validation', 'test'],
};

/** The split that a word means, whatever its case. */
export function splitOfWord(word: string): Split | undefined {
  const plain = word.toLowerCase();
  if (SPLIT_WORDS.train.includes(plain)) return 'train';
  return SPLIT_WORDS.val.includes(plain) ? 'val' : undefined;
}

/** Something that can be split: of one class, or of none. */
interface Labelled {
  readonly label?: number;
}

/**
 * Splits off the same share of every class, at least one example and not all. Of a class's examples, in
 * the order given, those at the first places of the permutation (seed, 'split', class) are held out.
 *
 * @param classes names, for messages
 * @returns both parts in the order given
 * @throws FileError for a class of one example
 */
export function holdOut<T extends Labelled>(
  examples: readonly T[],
  classes: readonly string[],
  { validation, seed }: { readonly validation: number; readonly seed: number },
): Record<Split, T[]> {
  const byClass = new Map<number, T[]>();
  for (const example of examples) {
    const label = example.label ?? 0;
    const known = byClass.get(label);
    if (known) known.push(example);
    else byClass.set(label, [example]);
  }
  const held = new Set<T>();
  for (const [label, members] of byClass) {
    const { length } = members;
    if (length < 2) {
      const what =
        members[0]?.label === undefined ? 'There is' : `The class '${classes[label] ?? label}' has`;
      throw new FileError(
        `${what} only 1 picture, so none is left for validation. Add pictures, leave the class out, or say which are for validation with folders called train and val.`,
      );
    }
    const share = Math.min(length - 1, Math.max(1, Math.round(length * validation)));
    const order = new RandomStream(seed, 'split', label).permutation(length);
    for (const place of order.subarray(0, share)) {
      const chosen = members[place];
      if (chosen) held.add(chosen);
    }
  }
  return {
    train: examples.filter((example) => !held.has(example)),
    val: examples.filter((example) => held.has(example)),
  };
}
