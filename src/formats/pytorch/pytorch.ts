/**
 * The weights in files of torch.save, of every format that it has had. Pure bytes in; nothing in the
 * file is executed. What is read of it is in torch-files.ts, which part of it is the state_dict in
 * torch-state.ts.
 */
import { FileError } from '../../errors.js';
import { selectNames } from '../../globs.js';
import { Budget } from '../bounds.js';
import { hasNumbers } from '../dtypes.js';
import type { PickleValue } from '../pickle/pickle-values.js';
import type { StoredTensor } from '../safetensors.js';
import { tensorOf } from './torch-classes.js';
import {
  holdersIn,
  stateEntries,
  summaryOf,
  tensorCounter,
  type StateEntry,
} from './torch-contents.js';
import { isTorch, readTorch } from './torch-files.js';
import { findState } from './torch-state.js';
import { materialise, TorchTensor, UnreadTensor } from './torch-storage.js';

/** Which of the tensors in a file are wanted. */
export interface ReadOptions {
  /**
   * Of a PyTorch checkpoint: the keys, joined with dots, under which the weights are; '.' is the whole
   * file. Default: the file itself if it is a state_dict, else the part of it that is one.
   */
  readonly part?: string;
  /** Tensors not to read, by name; `*` stands for any text, dots too. Default none. */
  readonly leaveOut?: readonly string[];
}

/** What a PyTorch file holds. */
export interface PytorchFile {
  /** The weights by name, in the order of the state_dict. */
  readonly tensors: Map<string, StoredTensor>;
  /** Numbers and strings that lie beside them, such as `epoch` and `best_acc`. */
  readonly metadata: Record<string, string>;
  /** The part of the file that the weights are, such as `state_dict`; empty: the whole. */
  readonly part: string;
  /** The other parts, in a few words each: `optimizer (61 tensors)`. */
  readonly leftOut: readonly string[];
}

/** Whether bytes look like a file of torch.save or of Python's pickle, or like another archive of its kinds. */
export function isPytorch(bytes: Uint8Array): boolean {
  return isTorch(bytes);
}

/**
 * Reads the weights in a file of torch.save, or of Python's pickle: a state_dict, or a checkpoint with
 * one in it.
 * @param file what errors call it
 * @throws FileError if it is truncated, corrupt or no such file, holds no tensors there or too many for
 *   its size, or tensors that are not read and were not to be left out
 * @throws RequestError if no tensor is called what is to be left out
 */
export function readPytorch(
  bytes: Uint8Array,
  file: string,
  { part, leaveOut = [] }: ReadOptions = {},
): PytorchFile {
  const root = readTorch(bytes, file);
  const holders = holdersIn(root);
  const found = findState(root, holders, file, part);
  const budget = new Budget(bytes.length);
  const within = <T>(name: string, act: () => T): T => {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      throw new FileError(`${file}: ${name}${error.message}.`, { cause: error });
    }
  };
  const entries = within('', () => stateEntries(found.state, holders, found.skip, budget));
  const [kept, dropped] = withoutLeftOut(entries, leaveOut);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of readable(kept, file)) {
    tensors.set(
      name,
      within(`${name}: `, () => materialise(tensor, budget)),
    );
  }

  const inside = entries
    .filter(({ tensor }) => tensor === undefined)
    .map(({ name, value }) => [found.part === '' ? name : `${found.part}.${name}`, value] as const);
  const metadata = new Map<string, string>();
  const leftOut: string[] = dropped.map((name) => `${name} (as asked)`);
  const count = tensorCounter(holders);
  for (const [key, value] of [...inside, ...found.others]) {
    const scalar = within(`${key}: `, () => scalarText(value, budget));
    if (scalar !== undefined && !metadata.has(key)) metadata.set(key, scalar);
    else leftOut.push(`${key} (${holders.has(value) ? count(value) : summaryOf(value)})`);
  }
  return { tensors, part: found.part, metadata: Object.fromEntries(metadata), leftOut };
}

function withoutLeftOut(
  entries: readonly StateEntry[],
  leaveOut: readonly string[],
): [StateEntry[], string[]] {
  const tensors = entries.filter(({ tensor }) => tensor !== undefined);
  const names = tensors.map(({ name }) => name);
  const dropped = selectNames(names, leaveOut, 'tensor');
  const gone = new Set(dropped);
  return [tensors.filter(({ name }) => !gone.has(name)), dropped];
}

/** The tensors, if the values of all of them are to be had. */
function readable(entries: readonly StateEntry[], file: string): [string, TorchTensor][] {
  const unread = entries.flatMap(({ name, tensor }) =>
    tensor instanceof UnreadTensor ? [{ name, reason: tensor.reason }] : [],
  );
  const [first] = unread;
  if (first !== undefined) {
    const shown = unread.slice(0, 5).map(({ name, reason }) => `  ${name}: ${reason}`);
    const more = unread.length > 5 ? [`  and ${unread.length - 5} more`] : [];
    throw new FileError(
      `${file} has tensors that cannot be read:\n${[...shown, ...more].join('\n')}\n` +
        `Save them otherwise, or go without them: --leave-out '${first.name}'.`,
    );
  }
  return entries.flatMap(({ name, tensor }) =>
    tensor instanceof TorchTensor ? [[name, tensor]] : [],
  );
}

/** A number or string as text, also one that is a tensor without axes. */
function scalarText(value: PickleValue, budget: Budget): string | undefined {
  if (value === null) return undefined;
  if (typeof value !== 'object') return String(value);
  const tensor = tensorOf(value);
  const single =
    tensor instanceof TorchTensor && tensor.shape.length === 0 && hasNumbers(tensor.dtype);
  return single ? String(materialise(tensor, budget).data[0]) : undefined;
}
