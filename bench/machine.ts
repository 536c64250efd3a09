/** What a result depends on besides the code: the machine, and the versions of things. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, loadavg, totalmem, type } from 'node:os';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memory: number;
  readonly system: string;
  /** Of the last minute, when the benchmark began: above 1 the machine was not its own. */
  readonly load: number;
  readonly commit: string;
  readonly date: string;
}

export function describeMachine(): Machine {
  const git = (...args: string[]) => spawnSync('git', args, { encoding: 'utf8' }).stdout.trim();
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memory: totalmem(),
    system: `${type()} ${process.arch}`,
    load: loadavg()[0] ?? NaN,
    commit: `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', 'src') ? '+' : ''}`,
    date: new Date().toISOString(),
  };
}

/** The version of an installed package. */
export function installedVersion(name: string): string {
  const path = createRequire(import.meta.url).resolve(`${name}/package.json`);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
