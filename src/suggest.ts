import leven from 'leven';

/** How many edits may lie between a name and a suggestion for it: a third of its length, at least 2. */
function tolerance(name: string): number {
  return Math.max(2, Math.floor(name.length / 3));
}

/**
 * The known names nearest to one that is not known, best first: by number of edits, ignoring case and
 * punctuation, with names that contain it or are contained in it allowed at any distance.
 *
 * @param name what was asked for
 * @param candidates the names that exist
 * @param limit at most this many (default 3)
 * @returns possibly none
 */
export function nearest(name: string, candidates: Iterable<string>, limit = 3): string[] {
  // A program without types may have asked for anything.
  const plain = (text: unknown): string =>
    String(text)
      .toLowerCase()
      .replace(/[^a-z0-9]/g, '');
  const wanted = plain(name);
  const scored: { candidate: string; distance: number }[] = [];
  for (const candidate of candidates) {
    const known = plain(candidate);
    const distance = leven(wanted, known);
    const contained = wanted.length > 1 && (known.includes(wanted) || wanted.includes(known));
    if (contained || distance <= tolerance(wanted)) scored.push({ candidate, distance });
  }
  return scored
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, limit)
    .map(({ candidate }) => candidate);
}

/**
 * A sentence for an error message: `Did you mean 'cifar100' or 'cifar10'?`, or, when nothing is near,
 * `Known: 'cifar10', 'cifar100', 'shapes'.`
 */
export function suggestion(name: string, candidates: Iterable<string>): string {
  const known = [...candidates];
  const near = nearest(name, known);
  const quoted = (near.length > 0 ? near : known).map((candidate) => `'${candidate}'`);
  if (near.length === 0) return `Known: ${quoted.join(', ')}.`;
  const last = quoted.pop() ?? '';
  return `Did you mean ${quoted.length > 0 ? `${quoted.join(', ')} or ` : ''}${last}?`;
}
