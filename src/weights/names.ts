/**
 * Names of parameters in other people's files. A map gives, for a module path of theirs, the path
 * here: `{ 'conv1.0': 'conv1' }` turns `conv1.0.weight` into `conv1.weight`.
 */
import { RequestError } from '../errors.js';

/** Module paths here by module paths there; an empty path here takes the prefix away. */
export type NameMap = Readonly<Record<string, string>>;

/**
 * The maps of the known checkpoints and of the documents.
 * Apply one with {@link renameState} when reading, inverted with {@link invertNames} when writing.
 */
export const nameMaps = {
  /** Anything saved from torch's DataParallel, such as akamaster's CIFAR ResNets. */
  'data-parallel': { module: '' },
  /** Document 000, `ResNet18`: the stem is a Sequential, and the head is spelt `classifer`. */
  'seed-000-resnet': { 'conv1.0': 'conv1', 'conv1.1': 'bn1', classifer: 'linear' },
  /** Document 000, `SE`. */
  'seed-000-se': { compress: 'reduce', excitation: 'expand' },
  /** Document 001, `SEBlock`. */
  'seed-001-se': { 'fc_layers.0': 'reduce', 'fc_layers.2': 'expand' },
  /** Document 003, `Self_Attn_channel`. */
  'seed-003-se': { 'fc.0': 'reduce', 'fc.2': 'expand' },
} as const satisfies Record<string, NameMap>;

/** One name under a map: its longest mapped path is replaced; unmapped names stay. */
export function rename(name: string, map: NameMap): string {
  let best: string | undefined;
  for (const theirs of Object.keys(map)) {
    const matches = theirs === '' || name === theirs || name.startsWith(`${theirs}.`);
    if (matches && (best === undefined || theirs.length > best.length)) best = theirs;
  }
  if (best === undefined) return name;
  const rest = best === '' ? name : name.slice(best.length + 1);
  return [map[best], rest].filter((part) => part !== '').join('.');
}

/**
 * The same entries under the names of the map.
 * @throws RequestError if two entries would get the same name
 */
export function renameState<T>(state: ReadonlyMap<string, T>, map: NameMap): Map<string, T> {
  const renamed = new Map<string, T>();
  for (const [name, entry] of state) {
    const target = rename(name, map);
    if (renamed.has(target)) {
      throw new RequestError(
        `The name map gives two entries the name '${target}'; one is '${name}'.`,
      );
    }
    renamed.set(target, entry);
  }
  return renamed;
}

/**
 * The same entries without a prefix of their names, which wrappers such as torch.compile put before
 * them; names without it stay.
 * @param prefix path segments, as `module` or `model.net`
 * @throws RequestError if no name has the prefix, or two entries would get the same name
 */
export function withoutPrefix<T>(state: ReadonlyMap<string, T>, prefix: string): Map<string, T> {
  const path = prefix.replace(/\.$/, '');
  const names = [...state.keys()];
  if (path === '' || !names.some((name) => name.startsWith(`${path}.`))) {
    const examples = names.slice(0, 3).map((name) => `'${name}'`);
    throw new RequestError(
      `No name begins with '${path}.'. There are ${names.length}, such as ${examples.join(', ')}.`,
    );
  }
  return renameState(state, { [path]: '' });
}

/** The map in the other direction: from our names to theirs. */
export function invertNames(map: NameMap): NameMap {
  return Object.fromEntries(Object.entries(map).map(([theirs, ours]) => [ours, theirs]));
}
