/** Runs loop.ts in a process of its own. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LoopResult } from './loop.js';
import type { Workload } from './workloads.js';

export type { LoopResult };

/** @param profilePrefix where the start of a profile's file name is given, steps are profiled */
export function measureLoop(workload: Workload, profilePrefix?: string): LoopResult {
  const steps = profilePrefix === undefined ? Math.round(2500 / workload.batch) + 10 : 8;
  const script = fileURLToPath(new URL('./loop.js', import.meta.url));
  const args = [script, workload.id, String(steps), ...(profilePrefix ? [profilePrefix] : [])];
  const { stdout, status } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`The training loop of ${workload.id} failed; see above.`);
  return JSON.parse(stdout) as LoopResult;
}
