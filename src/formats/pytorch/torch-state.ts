/**
 * Which part of what torch.save was given is the state_dict. People save it alone, or in a dict with
 * an optimiser, counters and their best accuracy, or two dicts deep, or in a list.
 */
import { FileError } from '../../errors.js';
import { nearest } from '../../suggest.js';
import { Opaque, type PickleValue } from '../pickle/pickle-values.js';
import { isTensor, tensorOf } from './torch-classes.js';
import { children, keyText } from './torch-contents.js';
import { TorchTensor } from './torch-storage.js';

/** What people call the weights in a checkpoint that has more in it, the most usual first. */
const PARTS = [
  'state_dict',
  'model_state_dict',
  'model',
  'net',
  'weights',
  'model_state',
  'module',
  'network',
  'params',
];

/** How the names of parameters and buffers end in PyTorch's own layers. */
const PARAMETER =
  /(weight|bias|gamma|beta|running_mean|running_var|num_batches_tracked)(_[a-z0-9]+)?$/;

/** The name that stands for the whole file. */
const WHOLE = '.';

/** The weights in a file, and what lies beside them. */
export interface FoundState {
  readonly state: PickleValue;
  /** The keys that lead to it, joined with dots; empty: the whole. */
  readonly part: string;
  /** What lies beside it, by the keys that lead there. */
  readonly others: readonly (readonly [string, PickleValue])[];
  /** What lies in it but does not belong to it, and is among the others. */
  readonly skip: (value: PickleValue) => boolean;
}

/**
 * Finds the state_dict: a dict that looks like one, or that has a usual name, up to where its tensors
 * lie; or the part that is asked for, as it is.
 * @param holders tensors and the containers that hold some
 * @param file what errors call it
 * @param part keys joined with dots; '.' is the whole
 * @throws FileError if there is none, or it is not clear which it is
 */
export function findState(
  root: PickleValue,
  holders: ReadonlySet<PickleValue>,
  file: string,
  part: string | undefined,
): FoundState {
  const parts = (value: PickleValue) =>
    [...children(value)].filter(([, child]) => holders.has(child) && !isTensor(child));
  if (part !== undefined) return namedPart(root, holders, file, part);

  let state = root;
  const path: string[] = [];
  const others: [string, PickleValue][] = [];
  for (;;) {
    const candidates = parts(state).filter(([, value]) => !isOptimizer(value));
    const chosen = stateBelow(state, candidates, path, file);
    for (const [key, value] of children(state)) {
      const beside = chosen === undefined ? isOptimizer(value) : value !== chosen[1];
      if (beside) others.push([[...path, keyText(key)].join('.'), value]);
    }
    if (chosen === undefined) {
      const any = isTensor(state) || candidates.length > 0 || tensorsIn(state).length > 0;
      if (!any) throw noState(root, parts(root), file);
      return { state, part: path.join('.'), others, skip: isOptimizer };
    }
    path.push(keyText(chosen[0]));
    state = chosen[1];
  }
}

type Child = readonly [key: PickleValue, value: PickleValue];

/**
 * The part of a container that is the state_dict, if not the container itself is.
 * @param candidates its parts that hold tensors and are no optimiser's
 * @param path the keys that lead to the container
 */
function stateBelow(
  value: PickleValue,
  candidates: readonly Child[],
  path: readonly string[],
  file: string,
): Child | undefined {
  const usual = PARTS.flatMap((name) => candidates.filter(([key]) => key === name)).at(0);
  const own = tensorsIn(value);
  // Inside of a part that was chosen, dicts in dicts are how its names are written.
  const inside = path.length > 0 && (candidates.length > 1 || !own.every(isStray));
  if (usual !== undefined && !inside) {
    if (hasDottedTensors(value)) throw unclear(usual, path, file);
    return usual;
  }
  if (looksLikeState(value) || path.length > 0) return undefined;
  const likely = candidates.filter(([, child]) => looksLikeState(child));
  if (own.length > 0) {
    const [first] = likely;
    if (first === undefined) return undefined;
    // What is no counter, measure or random state may be a weight that lies in no layer.
    if (!own.every(isStray)) throw unclear(first, path, file);
  }
  const remaining = likely.length > 0 ? likely : candidates;
  if (remaining.length > 1) {
    throw new FileError(
      `${file} has several parts with tensors. Choose one with --part: ${names(remaining)}.`,
    );
  }
  return remaining[0];
}

/** Whether tensors lie in it by the names of parameters. */
function looksLikeState(value: PickleValue): boolean {
  return hasDottedTensors(value) || tensorsIn(value).some(([key]) => PARAMETER.test(keyText(key)));
}

/** Whether tensors lie in it by names such as only a state_dict has. */
function hasDottedTensors(value: PickleValue): boolean {
  return tensorsIn(value).some(([key]) => typeof key === 'string' && key.includes('.'));
}

/** Whether it is what the state_dict() of an optimiser gives. */
function isOptimizer(value: PickleValue): boolean {
  return value instanceof Map && value.has('param_groups');
}

function tensorsIn(value: PickleValue): Child[] {
  return [...children(value)].filter(([, child]) => isTensor(child));
}

/** A tensor that is hardly a weight: a single number, or whole numbers such as a random state. */
function isStray([, value]: Child): boolean {
  const tensor = tensorOf(value);
  if (!(tensor instanceof TorchTensor)) return false;
  return tensor.shape.length === 0 || /^[IU]\d+$|^BOOL$/.test(tensor.dtype);
}

function namedPart(
  root: PickleValue,
  holders: ReadonlySet<PickleValue>,
  file: string,
  part: string,
): FoundState {
  const skip = () => false;
  if (part === WHOLE && holders.has(root)) return { state: root, part: '', others: [], skip };
  const path = resolve(root, part);
  const [last] = path?.slice(-1) ?? [];
  if (path === undefined || last === undefined || !holders.has(last[1])) {
    const known = [...children(root)].filter(([, value]) => holders.has(value));
    const near = nearest(
      part,
      known.map(([key]) => keyText(key)),
    );
    throw new FileError(
      `${file} has no tensors under '${part}'. ` +
        (known.length === 0
          ? 'It has no tensors at all.'
          : `Choose one with --part: ${near.length > 0 ? near.join(', ') : names(known)}.`),
    );
  }
  const [top] = path;
  const others = [...children(root)].filter(([, value]) => value !== top?.[1]);
  const [key, value] = last;
  return {
    // A tensor by itself is called by its key.
    state: isTensor(value) ? new Map([[key, value]]) : value,
    part,
    others: others.map(([name, other]) => [keyText(name), other]),
    skip,
  };
}

/** The steps along keys joined with dots, which may have dots themselves; the longest key is tried first. */
function resolve(root: PickleValue, part: string): Child[] | undefined {
  const fitting = [...children(root)]
    .filter(([key]) => part === keyText(key) || part.startsWith(`${keyText(key)}.`))
    .sort(([a], [b]) => keyText(b).length - keyText(a).length);
  for (const step of fitting) {
    const rest = part.slice(keyText(step[0]).length + 1);
    const steps = rest === '' ? [] : resolve(step[1], rest);
    if (steps !== undefined) return [step, ...steps];
  }
  return undefined;
}

function unclear([key]: Child, path: readonly string[], file: string): FileError {
  const inner = [...path, keyText(key)].join('.');
  return new FileError(
    `${file} has tensors under '${inner}' and others beside it, and either may be the state_dict. ` +
      `Choose --part ${inner}, or --part ${path.join('.') || WHOLE} for all of them.`,
  );
}

function noState(root: PickleValue, parts: readonly Child[], file: string): FileError {
  if (parts.length > 0) {
    return new FileError(
      `${file} holds no state_dict of a network, only that of an optimiser. It can be chosen with --part: ${names(parts)}.`,
    );
  }
  const objects = [['', root] as const, ...children(root)].filter(
    ([key]) => key === '' || (typeof key === 'string' && PARTS.includes(key)),
  );
  for (const [key, value] of objects) {
    if (!(value instanceof Opaque)) continue;
    const where = key === '' ? '' : ` under '${keyText(key)}'`;
    return new FileError(
      `${file} holds no state_dict, but${where} a whole object of the class ${value.className}, ` +
        'which needs its own Python code. Save its state_dict() instead.',
    );
  }
  return new FileError(`${file} holds no state_dict, and no tensors.`);
}

/** Names of parts, for a message. */
function names(parts: readonly Child[]): string {
  const shown = parts.slice(0, 10).map(([key]) => keyText(key));
  return shown.join(', ') + (parts.length > 10 ? ` and ${parts.length - 10} more` : '');
}
