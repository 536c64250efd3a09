/** Where the time of a training step goes, from ONNX Runtime's own profile. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { measureLoop } from './loop-process.js';
import type { Workload } from './workloads.js';

/** An event of ONNX Runtime's profile. */
interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur: number;
  readonly ts: number;
  readonly args?: { readonly op_name?: string };
}

/** Runs that are not counted: they fill memory for the first time. */
const WARM_UP = 3;
const KERNEL = '_kernel_time';

/** Two tables: by op, and by module path. */
export function profile(workload: Workload, folder: string): string {
  const prefix = join(folder, `profile-${workload.id}`);
  measureLoop(workload, prefix);
  const file = readdirSync(folder).find((name) => name.startsWith(basename(prefix)));
  if (file === undefined) throw new Error('ONNX Runtime wrote no profile.');
  const events = JSON.parse(readFileSync(join(folder, file), 'utf8')) as ProfileEvent[];
  const runs = events.filter(({ name }) => name === 'model_run').slice(WARM_UP);
  const begin = Math.min(...runs.map(({ ts }) => ts));
  const nodes = events.filter(({ name, ts }) => name.endsWith(KERNEL) && ts >= begin);
  const total = runs.reduce((sum, { dur }) => sum + dur, 0) / runs.length;
  return [
    `## ${workload.title}, batch ${workload.batch}: ${milliseconds(total)} ms a step`,
    tabulate('op', nodes, (event) => event.args?.op_name ?? '?', runs.length, total),
    tabulate('module', nodes, modulePath, runs.length, total),
  ].join('\n\n');
}

/** Nodes are called by the path of the module that they belong to: `layer1/0/conv1/Conv_12`. */
function modulePath({ name }: ProfileEvent): string {
  const path = name.slice(0, -KERNEL.length).split('/').slice(0, -1);
  return path.join('.') || '(gradients, optimiser)';
}

function tabulate(
  heading: string,
  events: readonly ProfileEvent[],
  key: (event: ProfileEvent) => string,
  runs: number,
  total: number,
): string {
  const groups = new Map<string, { time: number; count: number }>();
  for (const event of events) {
    const group = groups.get(key(event)) ?? { time: 0, count: 0 };
    groups.set(key(event), { time: group.time + event.dur / runs, count: group.count + 1 / runs });
  }
  const sorted = [...groups].sort(([, a], [, b]) => b.time - a.time);
  const rows = sorted.map(
    ([name, { time, count }]) =>
      `| ${name} | ${Math.round(count)} | ${milliseconds(time)} | ${((100 * time) / total).toFixed(1)} % |`,
  );
  return [`| ${heading} | nodes | ms | share |`, '| --- | --- | --- | --- |', ...rows].join('\n');
}

function milliseconds(microseconds: number): string {
  return (microseconds / 1000).toFixed(1);
}
