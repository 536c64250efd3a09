/** What programs that wrap a network put into the names of its parameters, and how it is found. */

/** Path segments of DataParallel, torch.compile, FSDP and activation checkpointing. */
const WRAPPERS: ReadonlySet<string> = new Set([
  'module',
  '_orig_mod',
  '_fsdp_wrapped_module',
  '_checkpoint_wrapped_module',
]);

/** How many segments of a name may be wrappers'. */
const MOST = 8;

/**
 * The segments of wrappers, or of a class around a network (`model`, as Lightning has it), with which
 * all names begin: `module`, `model._orig_mod`. Undefined if there are none.
 */
export function wrapperPrefix(names: readonly string[]): string | undefined {
  const shared = sharedSegments(names);
  const end = shared.findIndex((segment) => !WRAPPERS.has(segment) && segment !== 'model');
  return shared.slice(0, end < 0 ? shared.length : end).join('.') || undefined;
}

/** How names become those of a network. */
export interface Fit {
  /** For a message, what is taken away: `module.` */
  readonly removed: string;
  readonly rename: (name: string) => string;
}

/**
 * Finds what has to be taken away from names so that they are those of a network: leading segments that
 * all of them share, and segments of wrappers anywhere.
 * @param wanted the names of the network
 * @returns undefined if nothing makes more of them fit than fit as they are
 */
export function fitNames(names: readonly string[], wanted: ReadonlySet<string>): Fit | undefined {
  const shared = sharedSegments(names);
  const inside = [...WRAPPERS].filter((wrapper) =>
    names.some((name) => name.includes(`${wrapper}.`)),
  );
  const prefixes = [...shared.keys(), shared.length].map((dropped) => shared.slice(0, dropped));
  const fits = [
    ...prefixes.map((prefix): Fit => ({
      removed: `${prefix.join('.')}.`,
      rename: (name) => segments(name, prefix.length).join('.'),
    })),
    ...prefixes.map((prefix): Fit => ({
      removed: [...new Set([...prefix, ...inside])].map((segment) => `${segment}.`).join(' and '),
      rename: (name) =>
        segments(name, prefix.length)
          .filter((segment) => !WRAPPERS.has(segment))
          .join('.'),
    })),
  ];
  let best: Fit | undefined;
  let most = names.filter((name) => wanted.has(name)).length;
  for (const fit of fits) {
    const renamed = new Set(names.map(fit.rename));
    const fitting = [...renamed].filter((name) => wanted.has(name)).length;
    // Two that become one would lose one.
    if (renamed.size === names.length && fitting > most) [best, most] = [fit, fitting];
  }
  return best;
}

function segments(name: string, dropped: number): string[] {
  return name.split('.').slice(dropped);
}

/** The segments with which all names begin, the last of a name aside. */
function sharedSegments(names: readonly string[]): string[] {
  const [first = [], ...rest] = names.map((name) => name.split('.', MOST + 1));
  const end = first.findIndex(
    (segment, i) =>
      i + 1 >= first.length || rest.some((path) => i + 1 >= path.length || path[i] !== segment),
  );
  return first.slice(0, Math.min(Math.max(end, 0), MOST));
}
