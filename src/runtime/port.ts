/**
 * An engine on the other side of a port: `serveEngine` runs in the worker, `RemoteEngine` in the
 * program. Requests are numbered; every method of EngineApi is one kind of request.
 */
import { DeviceError, FileError, FoveaError, RequestError, ShapeError } from '../errors.js';
import {
  CLOSED,
  type EngineApi,
  type HostTensors,
  type LoadOptions,
  type RunResult,
} from './engine.js';

/** What a worker_threads port and a web Worker have in common, after a thin wrapping. */
export interface Port {
  /** @param transfer buffers that are handed over instead of copied */
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  listen(handler: (message: unknown) => void): void;
}

interface Request {
  readonly id: number;
  readonly method: keyof EngineApi;
  readonly args: readonly unknown[];
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: {
    readonly kind: keyof typeof KINDS;
    readonly message: string;
    /** What an error of the library's own said, for whoever wants to know more. */
    readonly cause?: string;
  };
}

/** Classes that cross a port as themselves, the special ones first; minified code keeps no names. */
const KINDS = { DeviceError, FileError, ShapeError, RequestError, FoveaError };

/** Answers the requests that come through a port with an engine. */
export function serveEngine(port: Port, engine: Promise<EngineApi>): void {
  // One that could not be made is told to whoever asks for something, not to the thread.
  engine.catch(() => undefined);
  port.listen((message) => {
    const { id, method, args } = message as Request;
    const answer = async () => {
      const target = await engine;
      const call = target[method].bind(target) as (...args: readonly unknown[]) => Promise<unknown>;
      return call(...args);
    };
    answer().then(
      (value) => port.post({ id, value } satisfies Reply),
      (error: unknown) => {
        port.post({ id, error: { kind: kindOf(error), ...wordsOf(error) } } satisfies Reply);
      },
    );
  });
}

function wordsOf(error: unknown): { readonly message: string; readonly cause?: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  const { message, cause } = error;
  return { message, ...(cause instanceof Error && { cause: cause.message }) };
}

function kindOf(error: unknown): keyof typeof KINDS {
  const names = Object.keys(KINDS) as (keyof typeof KINDS)[];
  return names.find((name) => error instanceof KINDS[name]) ?? 'FoveaError';
}

function asError({ kind, message, cause }: NonNullable<Reply['error']>): Error {
  return new KINDS[kind](message, cause === undefined ? {} : { cause: new Error(cause) });
}

/** The buffers under arrays, each once; shared ones need no handing over. */
function buffersOf(arrays: readonly ArrayBufferView[]): ArrayBuffer[] {
  const buffers = arrays.map(({ buffer }) => buffer);
  return [...new Set(buffers.filter((buffer) => buffer instanceof ArrayBuffer))];
}

/** An engine that lives behind a port. */
export class RemoteEngine implements EngineApi {
  private readonly waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  private requests = 0;
  private failure: Error | undefined;
  /** Whoever waits for the last open request. */
  private readonly closing: (() => void)[] = [];

  /** @param onActivity told whether any request is open, so that an idle worker need not keep a process alive */
  constructor(
    private readonly port: Port,
    private readonly onActivity: (busy: boolean) => void = () => undefined,
  ) {
    port.listen((message) => {
      const { id, value, error } = message as Reply;
      const request = this.waiting.get(id);
      this.waiting.delete(id);
      if (this.waiting.size === 0) this.rest();
      if (error) request?.reject(asError(error));
      else request?.resolve(value);
    });
  }

  /** Rejects everything that is open and everything that follows: the worker is gone. */
  fail(error: Error): void {
    this.failure = error;
    for (const request of this.waiting.values()) request.reject(error);
    this.waiting.clear();
    this.rest();
  }

  /** Refuses everything that follows, and waits for what is open. */
  close(): Promise<void> {
    this.failure ??= new FoveaError(CLOSED);
    return new Promise((resolve) => {
      if (this.waiting.size === 0) resolve();
      else this.closing.push(resolve);
    });
  }

  private rest(): void {
    this.onActivity(false);
    for (const resolve of this.closing.splice(0)) resolve();
  }

  private request<T>(method: keyof EngineApi, ...args: readonly unknown[]): Promise<T> {
    return this.send(method, args, []);
  }

  /** Lets go of something; an engine that has ended has let go of everything. */
  private release(method: 'unload' | 'disposeState', id: number): Promise<void> {
    return this.failure ? Promise.resolve() : this.request(method, id);
  }

  private send<T>(
    method: keyof EngineApi,
    args: readonly unknown[],
    transfer: readonly ArrayBuffer[],
  ): Promise<T> {
    if (this.failure) return Promise.reject(this.failure);
    return new Promise<T>((resolve, reject) => {
      const id = this.requests++;
      this.waiting.set(id, { resolve: (value) => resolve(value as T), reject });
      this.onActivity(true);
      this.port.post({ id, method, args } satisfies Request, transfer);
    });
  }

  load(model: Uint8Array, options: LoadOptions): Promise<number> {
    return this.send('load', [model, options], buffersOf([model]));
  }
  run(session: number, feeds: HostTensors, state?: number): Promise<RunResult> {
    return this.request('run', session, feeds, state);
  }
  unload(session: number): Promise<void> {
    return this.release('unload', session);
  }
  blockSize(): Promise<number> {
    return this.request('blockSize');
  }
  createState(entries: HostTensors): Promise<number> {
    const arrays = Object.values(entries).map(({ data }) => data);
    return this.send('createState', [entries], buffersOf(arrays));
  }
  readState(state: number): Promise<HostTensors> {
    return this.request('readState', state);
  }
  disposeState(state: number): Promise<void> {
    return this.release('disposeState', state);
  }
}
