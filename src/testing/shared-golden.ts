import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readGolden, type GoldenCase } from '../parity/golden.js';

/** The whole set of golden cases. It lies beside the repository, if at all: tests do without it. */
const folder = new URL('../../../shared/fixtures/', import.meta.url);
const files = existsSync(folder)
  ? readdirSync(folder).filter((file) => file.endsWith('.safetensors'))
  : [];

/** All cases of these modules, by file name; none where the set is not there. */
export function sharedGoldenCases(modules: Iterable<string>): [string, GoldenCase][] {
  const ids = [...modules];
  return files
    .filter((file) => ids.some((id) => file.startsWith(`${id}.`)))
    .map((file): [string, GoldenCase] => [
      file,
      readGolden(readFileSync(new URL(file, folder)), file),
    ])
    .filter(([, golden]) => ids.includes(golden.module));
}
