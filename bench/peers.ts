/** The JavaScript libraries, each task in a process of its own with a time limit. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { WORKLOADS, type Workload } from './workloads.js';

export interface PeerTask {
  readonly library: string;
  readonly script: string;
  readonly backend: string;
  readonly workload: Workload;
  /** As large as the library can do in reasonable time; the first images of the workload's batch. */
  readonly batch: number;
}

export interface PeerResult {
  readonly task: PeerTask;
  /** Seconds of a step, or what the library said when it failed. */
  readonly outcome: PeerOutcome;
}

export type PeerOutcome =
  { readonly seconds: number; readonly check: readonly number[] } | { readonly error: string };

interface PeerOptions {
  readonly setupOf: (workload: Workload) => string;
  /** The logits of the first image, where Fovea has computed them. */
  readonly logitsOf: (workload: Workload) => readonly number[] | undefined;
  /** Time limit for one task. */
  readonly seconds: number;
  readonly tell: (what: string) => void;
}

function workload(id: string): Workload {
  const found = WORKLOADS.find((one) => one.id === id);
  if (found === undefined) throw new Error(`No workload '${id}'.`);
  return found;
}

const tensorflow = { script: 'tensorflow.mjs' };
const wasm = { ...tensorflow, library: 'TensorFlow.js (wasm)', backend: 'wasm' };
const javascript = { ...tensorflow, library: 'TensorFlow.js (cpu)', backend: 'cpu' };
const jax = { library: 'jax-js (wasm)', script: 'jax.mjs', backend: 'wasm' };

const TASKS: readonly PeerTask[] = [
  { ...wasm, workload: workload('infer-resnet18-1'), batch: 1 },
  { ...wasm, workload: workload('infer-resnet18-32'), batch: 32 },
  { ...wasm, workload: workload('train-resnet20'), batch: 128 },
  { ...javascript, workload: workload('train-resnet20'), batch: 2 },
  { ...jax, workload: workload('infer-resnet18-1'), batch: 1 },
  { ...jax, workload: workload('infer-resnet18-32'), batch: 8 },
  { ...jax, workload: workload('train-resnet20'), batch: 8 },
  { ...jax, workload: workload('train-resnet18'), batch: 2 },
];

export function measurePeers({ setupOf, logitsOf, seconds, tell }: PeerOptions): PeerResult[] {
  // The compiled benchmark lies in bench/build/bench.
  const folder = new URL('../../', import.meta.url);
  if (!existsSync(new URL('node_modules', folder))) {
    const error = 'not installed; run `npm install` in bench/';
    return TASKS.map((task) => ({ task, outcome: { error } }));
  }
  return TASKS.map((task) => {
    tell(`${task.library}: ${task.workload.id}, batch ${task.batch}`);
    const script = fileURLToPath(new URL(`peers/${task.script}`, folder));
    const args = [task.backend, task.workload.kind, setupOf(task.workload), String(task.batch)];
    const { stdout, stderr, error } = spawnSync(process.execPath, [script, ...args], {
      encoding: 'utf8',
      timeout: 1000 * seconds,
      killSignal: 'SIGKILL',
    });
    const outcome = outcomeOf(stdout, stderr, error, seconds);
    const logits = task.workload.kind === 'infer' ? logitsOf(task.workload) : undefined;
    return { task, outcome: logits ? compare(outcome, logits) : outcome };
  });
}

function outcomeOf(
  stdout: string,
  stderr: string,
  error: Error | undefined,
  seconds: number,
): PeerOutcome {
  const last = stdout.trim().split('\n').at(-1) ?? '';
  if (last.startsWith('{')) return JSON.parse(last) as PeerOutcome;
  if (error) return { error: `no step in ${seconds} s` };
  const message = stderr.split('\n').find((line) => line.includes('Error'));
  return { error: message ?? 'it said nothing' };
}

/** Only the same network counts. */
function compare(outcome: PeerOutcome, logits: readonly number[]): PeerOutcome {
  if ('error' in outcome) return outcome;
  const scale = Math.max(...logits.map(Math.abs));
  const same = logits.every(
    (value, i) => Math.abs(value - (outcome.check[i] ?? NaN)) < 1e-3 * scale,
  );
  return same ? outcome : { error: `it computes other logits, ${outcome.check.join(', ')}` };
}
