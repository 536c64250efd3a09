/**
 * Short names of layers for an axis: what all paths have in common at their end is left out, and
 * `layer3.0` becomes `3.0`.
 */
export function layerNames(modules: readonly string[]): string[] {
  const paths = modules.map((module) => module.split('.'));
  const [first] = paths;
  if (first === undefined) return [];
  let common = 0;
  const shortest = Math.min(...paths.map(({ length }) => length));
  while (
    common < shortest - 1 &&
    paths.every((path) => path.at(-1 - common) === first.at(-1 - common))
  ) {
    common++;
  }
  return paths.map((path) =>
    path
      .slice(0, path.length - (paths.length > 1 ? common : 0))
      .join('.')
      .replace(/^layer(?=\d)/, ''),
  );
}
