/** Worker processes: started, watched, and ended when one input holds them up. */
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Tally } from './tally.js';

/** What a worker is to do. */
export interface Order {
  readonly reader: string;
  readonly seed: number;
  /** The first input. */
  readonly from: number;
  /** One more than the last input. */
  readonly to: number;
  /** Inputs that are known to hold up or end the process. */
  readonly skip: readonly number[];
  /** Only these inputs, each by itself and measured. */
  readonly measure?: readonly number[];
  /** A process that stands at one input for so many milliseconds is ended. */
  readonly patience: number;
  readonly folder: string;
  /** Where the number of the input stands that the worker is at. */
  readonly heartbeat: string;
}

/** One input by itself. */
export interface Measured {
  readonly index: number;
  /** The best of some tries. */
  readonly milliseconds: number;
  /** By how much memory grew at most. */
  readonly bytes: number;
  readonly inputBytes: number;
}

export type FromWorker =
  { readonly next: number; readonly tally: Tally } | { readonly measured: Measured };

/** How a worker ended. */
export interface End {
  /** Why, where it did not end by itself: `SIGKILL`, `exit code 134`. */
  readonly died: string | undefined;
  /** It was ended because it stood at one input for too long. */
  readonly hung: boolean;
  /** The input that it was at. */
  readonly at: number;
}

const ROOT = join(import.meta.dirname, '../..');
const WATCH_MS = 250;
/** Node's own memory; what lies outside of it is watched. */
const HEAP_MB = 512;

/** Runs a worker to its end. */
export async function runWorker(
  order: Order,
  onMessage: (message: FromWorker) => void,
): Promise<End> {
  rmSync(order.heartbeat, { force: true });
  const child = fork(join(import.meta.dirname, 'worker.ts'), [JSON.stringify(order)], {
    cwd: ROOT,
    execArgv: ['--import', 'tsx', '--expose-gc', `--max-old-space-size=${HEAP_MB}`],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  child.on('message', (message) => {
    onMessage(message as FromWorker);
  });
  let complaint = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-2000);
  });
  const watch = watchOver(child, order);
  const died = await new Promise<string | undefined>((resolve) => {
    child.on('close', (code, signal) => {
      resolve(code === 0 ? undefined : (signal ?? `exit code ${code ?? '?'}`));
    });
  });
  watch.end();
  const reason = died === undefined ? undefined : `${died} ${firstWords(complaint)}`.trim();
  return { died: reason, hung: watch.hung(), at: placeOf(order) };
}

function watchOver(child: ChildProcess, order: Order): { end(): void; hung(): boolean } {
  let [at, since, hung] = [NaN, performance.now(), false];
  const timer = setInterval(() => {
    const now = placeOf(order);
    // Where there is nothing yet, it is still being started.
    if (now !== at || Number.isNaN(now)) [at, since] = [now, performance.now()];
    if (performance.now() - since > order.patience) {
      hung = true;
      child.kill('SIGKILL');
    }
  }, WATCH_MS);
  return { end: () => clearInterval(timer), hung: () => hung };
}

function placeOf({ heartbeat }: Order): number {
  const bytes = existsSync(heartbeat) ? readFileSync(heartbeat) : new Uint8Array();
  return bytes.length < 8 ? NaN : new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true);
}

function firstWords(complaint: string): string {
  const line = complaint.split('\n').find((one) => /error|fatal|abort|panick/i.test(one));
  return (line ?? '').trim().slice(0, 200);
}
