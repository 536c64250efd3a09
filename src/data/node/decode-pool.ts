/** Threads that work on picture files. What they give does not depend on their number. */
import { availableParallelism } from 'node:os';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { FileError, FoveaError, RequestError } from '../../errors.js';
import {
  perform,
  type DecodeContext,
  type DecodeResults,
  type DecodeTask,
} from './decode-tasks.js';

/** What a thread is started with. Functions cannot be sent, so augmentations come as names and options. */
export interface ThreadStart {
  readonly context: Omit<DecodeContext, 'plan'>;
  readonly plan?: Omit<NonNullable<DecodeContext['plan']>, 'augment'> & {
    readonly augment: readonly {
      readonly name: string;
      readonly options: Readonly<Record<string, unknown>>;
    }[];
  };
  /** An int32: the place in its task of the file that the thread is at, for when it dies; -1 before the first. */
  readonly place: SharedArrayBuffer;
}

/** To a thread. */
export interface Request {
  readonly id: number;
  readonly task: DecodeTask;
}

/** From a thread. */
export type Reply =
  | { readonly id: number; readonly result: DecodeResults[keyof DecodeResults] }
  | { readonly id: number; readonly error: { readonly name: string; readonly message: string } };

/** More threads than this do not read faster from one disk. */
const MOST_BY_DEFAULT = 4;
const MOST = 64;
/** Tasks that a thread has at once: the next is there when one is done. */
const AT_ONCE = 2;

const WORKER = new URL('./decode-worker.js', import.meta.url);

/**
 * How many threads there are to be.
 * @param wanted 0 for none; default: see `FileOptions.workers`
 * @throws RequestError if that is no number of threads
 */
export function workerCount(wanted: number | undefined): number {
  if (wanted === undefined) {
    return existsSync(fileURLToPath(WORKER))
      ? Math.min(MOST_BY_DEFAULT, availableParallelism())
      : 0;
  }
  if (!Number.isInteger(wanted) || wanted < 0 || wanted > MOST) {
    throw new RequestError(`workers is ${wanted}; expected a whole number from 0 to ${MOST}.`);
  }
  return wanted;
}

interface Pending extends Request {
  readonly resolve: (result: DecodeResults[keyof DecodeResults]) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly place: Int32Array;
  /** In the order in which it does them. */
  readonly tasks: Pending[];
}

/** Does tasks with picture files. */
export interface DecodePool {
  /** Several may be asked for at once; each is answered when it is done. */
  run<Kind extends keyof DecodeResults>(task: DecodeTask<Kind>): Promise<DecodeResults[Kind]>;
  close(): Promise<void>;
}

/** @param workers threads; with 0 this one does the tasks */
export function openPool(context: DecodeContext, workers: number): DecodePool {
  if (workers > 0) return new Threads(context, workers);
  let last: Promise<unknown> = Promise.resolve();
  return {
    // One after the other, so that not all files are read at once.
    run: (task) => {
      const run = last.then(() => perform(context, task));
      last = run.catch(() => undefined);
      return run;
    },
    close: () => Promise.resolve(),
  };
}

class Threads implements DecodePool {
  private readonly threads: Thread[];
  private readonly queue: Pending[] = [];
  private readonly ended: Promise<unknown>;
  /** Why nothing more is done. */
  private over: FoveaError | undefined;
  private next = 0;

  constructor({ plan, ...context }: DecodeContext, count: number) {
    const sent = plan && {
      fields: plan.fields,
      seed: plan.seed,
      augment: plan.augment.map(({ name, options }) => ({ name, options })),
    };
    this.threads = Array.from({ length: count }, () => {
      const place = new SharedArrayBuffer(4);
      const at = new Int32Array(place).fill(-1);
      const worker = new Worker(WORKER, {
        workerData: { context, place, ...(sent && { plan: sent }) } satisfies ThreadStart,
        // The program's own flags (--input-type, --import ..) are not meant for this file.
        execArgv: [],
      });
      return { worker, place: at, tasks: [] };
    });
    this.ended = Promise.all(this.threads.map((thread) => this.listen(thread)));
  }

  run<Kind extends keyof DecodeResults>(task: DecodeTask<Kind>): Promise<DecodeResults[Kind]> {
    if (this.over) return Promise.reject(this.over);
    const result = new Promise<DecodeResults[keyof DecodeResults]>((resolve, reject) => {
      this.queue.push({ id: this.next++, task, resolve, reject });
    });
    this.hand();
    // A thread answers a task with the result of its kind.
    return result as Promise<DecodeResults[Kind]>;
  }

  async close(): Promise<void> {
    this.fail(new FoveaError('What read the pictures was closed before they were read.'));
    for (const { worker } of this.threads) {
      worker.ref();
      worker.postMessage('close');
    }
    await this.ended;
  }

  private listen(thread: Thread): Promise<void> {
    const { worker, tasks } = thread;
    let reason = 'it ended by itself';
    worker.on('message', (reply: Reply) => {
      const at = tasks.findIndex(({ id }) => id === reply.id);
      const [task] = at < 0 ? [] : tasks.splice(at, 1);
      if (tasks.length === 0) worker.unref();
      if ('result' in reply) task?.resolve(reply.result);
      else task?.reject(errorOf(reply.error));
      this.hand();
    });
    // A thread with nothing to do does not keep the program alive. Listening to it had made it do so.
    worker.unref();
    worker.on('error', (error) => {
      reason = error instanceof Error ? error.message : String(error);
    });
    return new Promise((resolve) => {
      worker.on('exit', () => {
        this.fail(died(thread, reason));
        resolve();
      });
    });
  }

  /** Hands tasks to the threads that have the fewest. */
  private hand(): void {
    while (this.queue.length > 0) {
      const [thread] = this.threads.toSorted((a, b) => a.tasks.length - b.tasks.length);
      if (thread === undefined || thread.tasks.length >= AT_ONCE) return;
      const pending = this.queue.shift();
      if (pending === undefined) return;
      const { id, task } = pending;
      thread.tasks.push(pending);
      thread.worker.ref();
      thread.worker.postMessage({ id, task } satisfies Request);
    }
  }

  private fail(error: FoveaError): void {
    this.over ??= error;
    for (const { reject } of this.queue.splice(0)) reject(this.over);
    for (const { tasks } of this.threads) {
      for (const { reject } of tasks.splice(0)) reject(this.over);
    }
  }
}

function died({ place, tasks: [first] }: Thread, reason: string): FoveaError {
  const file = first?.task.files[Atomics.load(place, 0)]?.path;
  return new FileError(
    `A thread that reads pictures ended${file === undefined ? '' : ` while it read ${file}`}: ${reason}. Try again without that picture, or with workers: 0.`,
  );
}

function errorOf({ name, message }: { readonly name: string; readonly message: string }): Error {
  if (name === 'FileError') return new FileError(message);
  if (name === 'RequestError' || name === 'ShapeError') return new RequestError(message);
  return name === '' ? new Error(message) : new FoveaError(message);
}
