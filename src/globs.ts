import { RequestError } from './errors.js';
import { nearest } from './suggest.js';

/**
 * The names that any of some patterns describe, in the order of `names`. In a pattern `*` stands
 * for any text, dots too: `layer3.*.spatial` is every `spatial` in `layer3`.
 *
 * @param what the names are of, for the message: 'inner map'
 * @throws RequestError for a pattern that describes no name, with the nearest names
 */
export function selectNames(
  names: readonly string[],
  patterns: readonly string[],
  what: string,
): string[] {
  const chosen = new Set<string>();
  for (const pattern of patterns) {
    const found = names.filter((name) => describes(pattern, name));
    if (found.length === 0) {
      const near = nearest(pattern.replaceAll('*', ''), names);
      const examples = (near.length > 0 ? near : names.slice(0, 3)).map((name) => `'${name}'`);
      throw new RequestError(
        names.length === 0
          ? `No ${what} is called '${pattern}': there is none.`
          : `No ${what} is called '${pattern}'. There are ${names.length}, such as ${examples.join(', ')}.`,
      );
    }
    for (const name of found) chosen.add(name);
  }
  return names.filter((name) => chosen.has(name));
}

/**
 * Each piece between stars is looked for once, as early as it can stand. A regular expression would
 * try all places of all pieces, which takes for ever where names and patterns repeat themselves.
 */
function describes(pattern: string, name: string): boolean {
  const [first = '', ...pieces] = pattern.split('*');
  const last = pieces.pop();
  if (last === undefined) return name === pattern;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const piece of pieces) {
    const found = name.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at + last.length <= name.length && name.endsWith(last);
}
