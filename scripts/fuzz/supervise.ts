/** One reader, fed with so many inputs, whatever happens to the processes that do it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addFault, addTally, emptyTally, type Tally } from './tally.js';
import { runWorker, type End, type Measured, type Order } from './work.js';

/** The bounds that every reader keeps, for every input. */
export const BOUNDS = {
  milliseconds: 2000,
  bytes: (inputBytes: number): number => 256 * 2 ** 20 + 16 * inputBytes,
};

/** How far a reader has been tried. */
export interface Progress {
  /** The number of the next input. */
  next: number;
  readonly tally: Tally;
  /** Inputs that held up or ended a process. */
  readonly skip: number[];
}

export function noProgress(): Progress {
  return { next: 0, tally: emptyTally(), skip: [] };
}

/** The slowest and the largest of all inputs, measured alone. */
export interface Extremes {
  readonly slowest: Measured | null;
  readonly largest: Measured | null;
}

/** A process is replaced by a new one after so many inputs. */
const INPUTS_OF_A_PROCESS = 200_000;
/** Much more than the bound, since the machine may be busy: what took too long is measured again. */
const PATIENCE_MS = 10_000;

/** What is to be tried. */
export interface Trial {
  readonly reader: string;
  readonly seed: number;
  /** Inputs 0 to count - 1. */
  readonly count: number;
  /** How long a process may stand at one input, in milliseconds. Default 10,000. */
  readonly patience?: number;
}

/**
 * Tries inputs from where progress stands to the last one.
 * @param onProgress called about once a second, and at the end
 */
export async function tryInputs(
  { reader, seed, count, patience = PATIENCE_MS }: Trial,
  progress: Progress,
  onProgress: () => void = () => undefined,
): Promise<Extremes> {
  const { tally, skip } = progress;
  const scratch = mkdtempSync(join(tmpdir(), 'fovea-fuzz-'));
  const order = (from: number, to: number): Order => ({
    reader,
    seed,
    from,
    to,
    skip,
    patience,
    folder: mkdtempSync(join(scratch, 'work-')),
    heartbeat: join(scratch, 'place'),
  });
  const measure = (indices: readonly number[]): Promise<Measured[]> =>
    measureAlone(tally, { ...order(0, count), measure: indices });
  try {
    while (progress.next < count) {
      const to = Math.min(count, progress.next + INPUTS_OF_A_PROCESS);
      const end = await runWorker(order(progress.next, to), (message) => {
        if (!('tally' in message)) return;
        progress.next = message.next;
        addTally(tally, message.tally);
        onProgress();
      });
      if (end.died === undefined) continue;
      if (Number.isNaN(end.at)) throw new Error(`The worker did not start: ${end.died}`);
      // What was tried since the last report is tried again, without the input that ended it.
      skip.push(end.at);
      tally.inputs++;
      if (end.hung) await measure([end.at]);
      else noteEnd(tally, end);
    }
    const indices = new Set([...tally.slowest, ...tally.largest].map(({ index }) => index));
    const measured = await measure([...indices]);
    return {
      slowest: most(measured, ({ milliseconds }) => milliseconds),
      largest: most(measured, ({ bytes }) => bytes),
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Measures inputs alone, and notes as faults those beyond the bounds. */
async function measureAlone(tally: Tally, order: Order): Promise<Measured[]> {
  const measured: Measured[] = [];
  const end = await runWorker(order, (message) => {
    if ('measured' in message) measured.push(message.measured);
  });
  if (end.died !== undefined) noteEnd(tally, end);
  for (const { index, milliseconds, bytes, inputBytes } of measured) {
    if (milliseconds > BOUNDS.milliseconds) {
      addFault(tally, { kind: 'over 2 s', index, message: `${milliseconds} ms`, where: '' });
    }
    if (bytes > BOUNDS.bytes(inputBytes)) {
      const message = `${bytes} bytes for an input of ${inputBytes}`;
      addFault(tally, { kind: 'memory', index, message, where: '' });
    }
  }
  return measured;
}

function noteEnd(tally: Tally, { hung, died = '', at }: End): void {
  const kind = hung ? 'over 2 s' : 'process died';
  addFault(tally, { kind, index: at, message: died, where: '' });
}

function most(measured: readonly Measured[], size: (one: Measured) => number): Measured | null {
  return measured.reduce<Measured | null>(
    (top, one) => (top === null || size(one) > size(top) ? one : top),
    null,
  );
}
