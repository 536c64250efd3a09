/**
 * Memory does not grow with the steps of a run, nor with the runs of a comparison. A short version of
 * the first here; FOVEA_MEMORY=full does 5,000 steps, and 50 runs, in some minutes (Linux).
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { describe, expect, it } from 'vitest';

import { runFovea } from './support/command.js';

const PROCESS = fileURLToPath(new URL('support/memory-process.mjs', import.meta.url));
const FULL = process.env['FOVEA_MEMORY'] === 'full';
const TIMEOUT = FULL ? 3_600_000 : 300_000;

async function residentSizes(count: number): Promise<number[]> {
  const args = ['--expose-gc', PROCESS, String(count)];
  // One heap for all threads: otherwise each engine's thread gets one of several that glibc has, and
  // the memory that it frees stays there, so that the size jumps when another one is first used.
  const env = { ...process.env, MALLOC_ARENA_MAX: '1' };
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1e8, env });
  return JSON.parse(stdout) as number[];
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** By how much the last samples are larger than the first, after some to warm up. */
function growth(
  sizes: readonly number[],
  figure: (window: readonly number[]) => number,
  { warmUp, window }: { warmUp: number; window: number },
): number {
  const first = figure(sizes.slice(warmUp, warmUp + window));
  const last = figure(sizes.slice(-window));
  process.stdout.write(
    `${sizes.length} samples: ${(first / 2 ** 20).toFixed(1)} MiB, then ${(last / 2 ** 20).toFixed(1)} MiB\n`,
  );
  return last / first - 1;
}

describe('the resident size of the process', () => {
  it(
    'grows by less than 2 % over the steps after the first 500',
    async () => {
      // A sample is 10 steps.
      const sizes = await residentSizes(FULL ? 5000 : 1500);
      expect(growth(sizes, median, { warmUp: 50, window: FULL ? 50 : 20 })).toBeLessThan(0.02);
    },
    TIMEOUT,
  );

  it.runIf(FULL)(
    'of a comparison grows by less than 2 % over 50 runs, as each run has a process of its own',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'fovea-memory-'));
      const sizes: number[] = [];
      const grid = ['--attention', 'none,eca', '--seeds', '25', '--output', 'grid'];
      const tiny = ['--dataset', 'shapes', '--limit-train', '10', '--limit-val', '10'];
      const { code } = await runFovea(
        folder,
        ['compare', '--model', 'resnet20', '--epochs', '1', ...grid, ...tiny],
        {
          onOutput: (printed, child) => {
            const done = printed.match(/: done,/g)?.length ?? 0;
            if (done > sizes.length) sizes.push(residentSize(child.pid ?? 0));
          },
        },
      );
      await rm(folder, { recursive: true, force: true });
      expect(code).toBe(0);
      expect(sizes.length).toBeGreaterThan(40);
      expect(growth(sizes, median, { warmUp: 5, window: 10 })).toBeLessThan(0.02);
    },
    TIMEOUT,
  );
});

/** Bytes of memory that a process of this machine has (Linux). */
function residentSize(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
}
