/** Weights of a file into a network, under the names that it has for them. */
import { FileError, RequestError } from '../errors.js';
import type { Module, StateDict } from '../nn/module.js';
import { StateDictError, type Mismatch } from '../nn/state-dict.js';
import { hasNumbers } from '../formats/dtypes.js';
import { renameState, withoutPrefix, type NameMap } from './names.js';
import type { ReadOptions, WeightsFile } from './read.js';
import type { StoredTensor } from '../formats/safetensors.js';
import { fitNames } from './wrappers.js';

/** Which weights of a file are meant, and how they are called in it. */
export interface WeightsChoice extends ReadOptions {
  /** Path segments that stand before every name, such as `model`. Default: what wrappers add is found. */
  readonly prefix?: string;
  /** From the file's names to the network's, after the prefix. Default: they are the same. */
  readonly names?: NameMap;
}

/**
 * Loads weights into a network. Where their names are not its own and would be without what
 * DataParallel, torch.compile and the like put into them, that is taken away.
 * @param file what errors call the file
 * @param note is told what was taken away
 * @throws FileError if they do not fit, with what would help
 */
export function loadWeights<M extends Module>(
  model: M,
  { tensors, leftOut }: Pick<WeightsFile, 'tensors' | 'leftOut'>,
  file: string,
  { prefix, names = {} }: WeightsChoice = {},
  note?: (text: string) => void,
): M {
  const own = new Set([...model.namedParameters(), ...model.namedBuffers()].map(([name]) => name));
  try {
    const bare = prefix === undefined ? tensors : withoutPrefix(tensors, prefix);
    const named = renameState(bare, names);
    const fit = fitNames([...named.keys()], own);
    if (fit !== undefined)
      note?.(`${file}: took ${fit.removed} away from the names of the weights`);
    return model.loadStateDict(stateOf(named, fit?.rename ?? ((name) => name)));
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const hints = error instanceof StateDictError ? hintsFor(error.mismatch, leftOut) : [];
    throw new FileError([`${file}: ${error.message}`, ...hints].join('\n'), { cause: error });
  }
}

function stateOf(
  tensors: ReadonlyMap<string, StoredTensor>,
  rename: (name: string) => string,
): StateDict {
  const state: StateDict = new Map();
  for (const [name, { dtype, shape, data }] of tensors) {
    if (!hasNumbers(dtype)) {
      throw new RequestError(
        `'${name}' is of the type ${dtype}, which no network takes. Go without it: --leave-out '${name}'.`,
      );
    }
    const kept = data instanceof Float32Array || data instanceof BigInt64Array;
    state.set(rename(name), { shape, data: kept ? data : Float32Array.from(data, Number) });
  }
  return state;
}

/** What a person can do, a sentence a line. */
function hintsFor({ missing, unknown, reshaped }: Mismatch, leftOut: readonly string[]): string[] {
  const parts = leftOut.filter((part) => part.endsWith(' tensors)'));
  const hints: string[] = [];
  if (missing.length > 0 && parts.length > 0) {
    hints.push(`The file has other parts, which --part chooses: ${parts.slice(0, 5).join(', ')}.`);
  }
  if (missing.length > 0 && unknown.length > 0) {
    hints.push(
      'The names are those of another network: choose it with --model and --attention, or translate ' +
        'them with --names or --prefix.',
    );
  } else if (missing.length > 0) {
    hints.push('The network has parts that the file has not: check --model and --attention.');
  } else if (unknown.length > 0) {
    hints.push(
      `Check --model and --attention; or, if the network can do without them: --leave-out '${unknown.slice(0, 3).join()}${unknown.length > 3 ? ',..' : ''}'.`,
    );
  }
  const [first] = reshaped;
  if (first !== undefined) {
    const [found = 0, expected = 0] = [first.found[0], first.expected[0]];
    const onlyClasses =
      missing.length + unknown.length === 0 &&
      reshaped.length <= 2 &&
      reshaped.every(
        (entry) =>
          entry.found[0] === found &&
          entry.expected[0] === expected &&
          entry.found.slice(1).join() === entry.expected.slice(1).join(),
      );
    hints.push(
      onlyClasses
        ? `The weights are of a network with ${found} classes, this one has ${expected}: choose a data set with as many.`
        : 'The network is of another size: check --model, --attention and --dataset.',
    );
  }
  return hints;
}
