/** Weights in any file that Fovea reads. */
import { FileError } from '../errors.js';
import { selectNames } from '../globs.js';
import { fileKind, type FileSort } from '../formats/file-kind.js';
import { isPytorch, readPytorch, type ReadOptions } from '../formats/pytorch/pytorch.js';
import { looksLikeSafetensors } from '../formats/safetensors-header.js';
import { readSafetensors, type StoredTensor } from '../formats/safetensors.js';

export type { ReadOptions } from '../formats/pytorch/pytorch.js';

const GIVE_WEIGHTS = 'Give the file of weights.';

/** What to do with a file that is no weights. */
const ADVICE: Readonly<Record<FileSort, string>> = {
  archive: 'Unpack it first and give the file in it.',
  document: GIVE_WEIGHTS,
  empty: 'Download or save it again.',
  'foreign model': 'Load it in Python and save its weights with safetensors or torch.save.',
  picture: GIVE_WEIGHTS,
  pointer: 'Fetch the file itself with: git lfs pull.',
  program: GIVE_WEIGHTS,
  text: GIVE_WEIGHTS,
  'web page': 'Download the file itself: the link led to a page about it.',
};

/** The weights in a file, and what else it holds. */
export interface WeightsFile {
  readonly format: 'safetensors' | 'pytorch';
  readonly tensors: Map<string, StoredTensor>;
  /** Strings that lie beside the tensors. */
  readonly metadata: Record<string, string>;
  /** Of a PyTorch checkpoint: the part that the weights are; empty: the whole file. */
  readonly part: string;
  /** What is not among the tensors, in a few words each. */
  readonly leftOut: readonly string[];
}

/**
 * Reads safetensors, and files of torch.save (.pt, .pth), told apart by their first bytes.
 * @param file what errors call it, usually its path
 * @param options which tensors; see {@link readPytorch}
 * @throws FileError when the bytes are neither, saying what they are, or damaged
 * @throws RequestError if no tensor is called what is to be left out
 */
export function readWeightsFile(
  bytes: Uint8Array,
  file: string,
  options: ReadOptions = {},
): WeightsFile {
  if (looksLikeSafetensors(bytes)) return readWhole(bytes, file, options);
  if (isPytorch(bytes)) return { format: 'pytorch', ...readPytorch(bytes, file, options) };
  const kind = fileKind(bytes);
  if (kind !== undefined) {
    const advice = ADVICE[kind.sort];
    throw new FileError(`${file}: this is ${kind.what}, not a file of weights. ${advice}`);
  }
  const start = Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0'));
  throw new FileError(
    `${file}: this is neither safetensors nor a file of torch.save, or it is damaged: it begins with ` +
      `the bytes ${start.join(' ')}. Download or save it again.`,
  );
}

function readWhole(
  bytes: Uint8Array,
  file: string,
  { part, leaveOut = [] }: ReadOptions,
): WeightsFile {
  const { tensors, metadata } = readSafetensors(bytes, file);
  if (part !== undefined && part !== '.') {
    throw new FileError(
      `${file} is a safetensors file, which has no parts: leave out --part ${part}.`,
    );
  }
  const dropped = selectNames([...tensors.keys()], leaveOut, 'tensor');
  for (const name of dropped) tensors.delete(name);
  const leftOut = dropped.map((name) => `${name} (as asked)`);
  return { format: 'safetensors', tensors, metadata, part: '', leftOut };
}
