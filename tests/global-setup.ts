/** Compiles the package to dist/ before the tests, if its sources are newer. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

export default function setup(): void {
  const entry = join(root, 'dist/index.js');
  if (existsSync(entry) && changed(entry) > lastChange(join(root, 'src'))) return;
  // Types are checked by `npm run typecheck`; here only the time counts.
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const { status, stdout } = spawnSync(
    process.execPath,
    [compiler, '-p', 'tsconfig.build.json', '--noCheck'],
    { cwd: root, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`The package could not be compiled:\n${stdout}`);
}

function changed(file: string): number {
  return statSync(file).mtimeMs;
}

function lastChange(folder: string): number {
  const all = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = all.filter((file) => !file.endsWith('.test.ts'));
  return Math.max(...files.map((file) => changed(join(folder, file))));
}
