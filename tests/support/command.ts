/** The built `fovea` program in a process of its own, and what the runs that it leaves come to. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect } from 'vitest';

import { readTensors } from '../../src/formats/node/files.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Result {
  /** Null if a signal ended the process. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Conditions {
  /** Told everything that the program prints, as it comes. */
  readonly onOutput?: (printed: string, child: ChildProcess) => void;
  /** A module for node to load first. */
  readonly preload?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Largest file that the process may write, in the shell's units of `ulimit -f`. */
  readonly fileSizeLimit?: number;
}

/** Runs the program in a folder until it ends. */
export function runFovea(
  folder: string,
  args: readonly string[],
  { onOutput, preload, env = {}, fileSizeLimit }: Conditions = {},
): Promise<Result> {
  const program = [
    process.execPath,
    ...(preload === undefined ? [] : ['--import', preload]),
    MAIN,
    ...args,
  ];
  const limited = ['/bin/sh', '-c', `ulimit -f ${fileSizeLimit ?? 0} && exec "$0" "$@"`];
  const [file = '', ...rest] = fileSizeLimit === undefined ? program : [...limited, ...program];
  const child = spawn(file, rest, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, COLUMNS: '80', ...env },
  });
  const printed = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text;
      onOutput?.(printed.stdout + printed.stderr, child);
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...printed }));
  });
}

/** Sends a signal once, when the program has printed `text` and so many milliseconds have passed. */
export function when(
  text: string,
  signal: NodeJS.Signals,
  delay = 0,
): NonNullable<Conditions['onOutput']> {
  let sent = false;
  return (printed, child) => {
    if (sent || !printed.includes(text)) return;
    sent = true;
    if (delay === 0) child.kill(signal);
    else setTimeout(() => child.kill(signal), delay);
  };
}

/** Whatever goes wrong, nobody is shown the inside of the program. */
export function expectNoTrace({ stderr }: Result): void {
  expect(stderr).not.toMatch(/^\s+at .*:\d+/m);
  expect(stderr).not.toMatch(/internal error|Napi|core dumped|UnhandledPromise/);
}

/** The lines of a run's metrics.jsonl, without times. */
export async function metricsOf(run: string): Promise<Record<string, number>[]> {
  const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  return lines.map((line) => withoutTimes(JSON.parse(line) as Record<string, number>));
}

/** What two runs of the same recipe have in common among the figures of an epoch. */
export function withoutTimes(figures: Readonly<Record<string, number>>): Record<string, number> {
  const entries = Object.entries(figures);
  return Object.fromEntries(entries.filter(([name]) => !/^seconds|per_second$/.test(name)));
}

/** Two runs came to the same: bits of every tensor, and all figures but times. */
export async function expectSameRun(one: string, other: string): Promise<void> {
  expect(await metricsOf(one)).toEqual(await metricsOf(other));
  for (const file of ['last.safetensors', 'best.safetensors']) {
    const [first, second] = [
      await readTensors(join(one, file)),
      await readTensors(join(other, file)),
    ];
    expect(first.tensors.size).toBeGreaterThan(100);
    expect(first.tensors).toEqual(second.tensors);
  }
}
