/** Folders called train and val. */
import { FileError } from '../../errors.js';
import { SPLIT_WORDS, splitOfWord } from './held-out.js';
import { entriesOf } from './listing.js';

/** Names of the folders of the splits. */
export interface SplitFolders {
  readonly train: string;
  /** Not there: training pictures have to be held out. */
  readonly val?: string;
}

/**
 * Finds out whether a folder is divided into training and validation.
 * @returns no folders if it is not
 * @throws FileError if there is a folder for validation and none for training
 */
export async function splitFolders(
  folder: string,
): Promise<{ readonly folders?: SplitFolders; readonly notes: readonly string[] }> {
  const { folders: names } = await entriesOf(folder);
  const meant = names.filter((name) => splitOfWord(name) !== undefined);
  const find = (words: readonly string[]): string | undefined =>
    words.flatMap((word) => meant.filter((name) => name.toLowerCase() === word))[0];
  const train = find(SPLIT_WORDS.train);
  const val = find(SPLIT_WORDS.val);
  if (train === undefined) {
    if (val === undefined) return { notes: [] };
    throw new FileError(
      `${folder} has a folder '${val}' but none called 'train'. Expected both, or only a folder for every class. A class cannot be called '${val}': rename it.`,
    );
  }
  const others = names.filter((name) => name !== train && name !== val);
  const notes = [
    ...(others.length > 0
      ? [
          `${folder}: passed over the folders ${others.join(', ')} beside ${[train, val].filter(Boolean).join(' and ')}.`,
        ]
      : []),
    ...(val === undefined
      ? [`${folder} has no folder 'val': pictures of '${train}' are held out for validation.`]
      : []),
  ];
  return { folders: { train, ...(val !== undefined && { val }) }, notes };
}
