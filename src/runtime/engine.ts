/**
 * The one place that calls ONNX Runtime. It is given the package (onnxruntime-node or
 * onnxruntime-web, whose interfaces are the same) by the entry that made it, and usually lives in
 * a worker, because a run blocks its thread.
 */
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-common';
import { FoveaError } from '../errors.js';
import { trialBlock, trialInput, trialModel } from '../onnx/blocks/trial.js';
import type { DType, Provider, TensorData } from '../tensor/op.js';
import { elementCount, formatShape, type Shape } from '../tensor/shape.js';
import { copyModel } from './small-models.js';

/** The part of an onnxruntime package that the engine uses. */
export interface Ort {
  readonly InferenceSession: typeof InferenceSession;
  readonly Tensor: typeof OrtTensor;
}

/** A tensor with values, outside of any graph. */
export interface HostTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: TensorData;
}

export type HostTensors = Readonly<Record<string, HostTensor>>;

export interface LoadOptions {
  /** Names of the outputs that replace the state entry of the same name, without their prefix. */
  readonly next: readonly string[];
  /** Write a profile of every run to a file whose name starts so. Node only. */
  readonly profile?: string;
}

export interface RunResult {
  readonly outputs: HostTensors;
  /** Time spent inside ONNX Runtime. */
  readonly milliseconds: number;
}

/** What an engine does; the same in this thread and across a worker's port. */
export interface EngineApi {
  /**
   * Makes a session from the bytes of an ONNX model. The same bytes share one session, and every
   * load has a handle of its own to it. The engine takes the array over.
   */
  load(model: Uint8Array, options: LoadOptions): Promise<number>;
  /** Feeds a session, and its state, and returns its outputs; the state moves on. */
  run(session: number, feeds: HostTensors, state?: number): Promise<RunResult>;
  /**
   * Lets go of what `load` returned; the session itself stays cached for a while in case its model
   * is loaded again. Doing it twice, or after the end, does nothing. Profiling ends with it.
   */
  unload(session: number): Promise<void>;
  /** Floats per block of the device's blocked layout, found out by a trial; 0 if it has none. */
  blockSize(): Promise<number>;
  /**
   * Values that stay with the engine between runs, on the device where it has its own memory. The
   * engine takes the arrays over: whoever gives them must not use them again.
   */
  createState(entries: HostTensors): Promise<number>;
  readState(state: number): Promise<HostTensors>;
  /** Lets go of a state. Doing it twice does nothing. */
  disposeState(state: number): Promise<void>;
}

/** Outputs that replace a state entry are called by this and the entry's name. */
export const NEXT = 'next:';

/** What is said of anything that is asked of an engine that was closed. */
export const CLOSED = 'The runtime was closed. Make a new one with createRuntime.';

/** More threads within one operator than any machine has use for. */
export const MOST_THREADS = 1024;

/** Sessions that nobody uses any more are kept up to this number: making them anew is slow and leaks. */
const CACHED_SESSIONS = 8;

/** What carries the values of each type. */
const ARRAYS = {
  float32: Float32Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
} satisfies Record<DType, unknown>;

interface LoadedSession {
  readonly session: InferenceSession;
  readonly next: readonly string[];
  readonly profiled: boolean;
  users: number;
}

export class Engine implements EngineApi {
  /** By what they were made from, the oldest first. */
  private readonly sessions = new Map<string, LoadedSession>();
  /** What those who loaded them hold. */
  private readonly loads = new Map<number, LoadedSession>();
  private readonly states = new Map<number, Map<string, OrtTensor>>();
  /** Sessions that bring tensors of given types from the device. */
  private readonly copiers = new Map<string, InferenceSession>();
  private handles = 0;
  /** Two runs must never overlap: some builds of ONNX Runtime hang for ever. */
  private queue: Promise<unknown> = Promise.resolve();
  private closing: Promise<void> | undefined;

  constructor(
    private readonly ort: Ort,
    private readonly provider: Provider,
    private readonly sessionOptions: InferenceSession.SessionOptions = {},
  ) {}

  load(model: Uint8Array, options: LoadOptions): Promise<number> {
    return this.enqueue(async () => {
      const key = (await keyOf(model, options)) ?? `not shared ${this.handles}`;
      const loaded = this.sessions.get(key) ?? (await this.makeSession(model, options));
      this.sessions.set(key, loaded);
      loaded.users++;
      const id = this.handles++;
      this.loads.set(id, loaded);
      return id;
    });
  }

  private async makeSession(
    model: Uint8Array,
    { next, profile }: LoadOptions,
  ): Promise<LoadedSession> {
    const onDevice: Record<string, 'gpu-buffer'> = {};
    for (const name of next) onDevice[NEXT + name] = 'gpu-buffer';
    const session = await this.createSession(model, {
      ...(this.provider === 'webgpu' && { preferredOutputLocation: onDevice }),
      ...(profile !== undefined && { enableProfiling: true, profileFilePrefix: profile }),
    });
    return { session, next, profiled: profile !== undefined, users: 0 };
  }

  run(sessionId: number, feeds: HostTensors, stateId?: number): Promise<RunResult> {
    return this.enqueue(async () => {
      const { session, next } = this.loaded(sessionId);
      const state = stateId === undefined ? undefined : this.state(stateId);
      const inputs: Record<string, OrtTensor> = {};
      for (const [name, tensor] of Object.entries(feeds)) inputs[name] = this.toOrt(name, tensor);
      for (const name of session.inputNames) {
        if (name in inputs) continue;
        const kept = state?.get(name);
        if (kept === undefined) throw new FoveaError(`The input '${name}' was not given a value.`);
        inputs[name] = kept;
      }
      const start = performance.now();
      const results = await session.run(inputs);
      const milliseconds = performance.now() - start;

      for (const name of next) {
        const replacement = results[NEXT + name];
        if (replacement === undefined || state === undefined) {
          throw new FoveaError(`The graph updates '${name}', but it was run without a state.`);
        }
        state.get(name)?.dispose();
        state.set(name, replacement);
      }
      const outputs: Record<string, HostTensor> = {};
      for (const name of session.outputNames) {
        if (!name.startsWith(NEXT)) outputs[name] = toHost(results[name]);
      }
      return { outputs, milliseconds };
    });
  }

  unload(sessionId: number): Promise<void> {
    return this.release(async () => {
      const loaded = this.loads.get(sessionId);
      if (loaded === undefined) return;
      this.loads.delete(sessionId);
      loaded.users--;
      if (loaded.profiled && loaded.users === 0) loaded.session.endProfiling();
      // One whose profile is written would not write another.
      const unused = [...this.sessions].filter(([, { users }]) => users === 0);
      const kept = unused.filter(([, { profiled }]) => !profiled).slice(-CACHED_SESSIONS);
      for (const [key, { session }] of unused.filter((one) => !kept.includes(one))) {
        this.sessions.delete(key);
        await session.release();
      }
    });
  }

  blockSize(): Promise<number> {
    if (this.provider !== 'cpu') return Promise.resolve(0);
    return this.enqueue(() => this.tryBlocks());
  }

  private async tryBlocks(): Promise<number> {
    try {
      const session = await this.ort.InferenceSession.create(trialModel(), { logSeverityLevel: 4 });
      const data = trialInput();
      const x = new this.ort.Tensor('float32', data, [1, data.length / 2, 1, 2]);
      const [output] = Object.values(await session.run({ x }));
      await session.release();
      return trialBlock(output?.data as TensorData);
    } catch {
      // An ONNX Runtime without these ops: everything is lowered plainly.
      return 0;
    }
  }

  createState(entries: HostTensors): Promise<number> {
    return this.enqueue(() => {
      const tensors = Object.entries(entries);
      const state = new Map(tensors.map(([name, tensor]) => [name, this.toOrt(name, tensor)]));
      const id = this.handles++;
      this.states.set(id, state);
      return Promise.resolve(id);
    });
  }

  readState(stateId: number): Promise<HostTensors> {
    return this.enqueue(async () => {
      const entries: Record<string, HostTensor> = {};
      const onDevice: [string, OrtTensor][] = [];
      for (const [name, tensor] of this.state(stateId)) {
        if (tensor.location === 'gpu-buffer') onDevice.push([name, tensor]);
        else entries[name] = toHost(tensor);
      }
      const fetched = await this.fetch(onDevice.map(([, tensor]) => tensor));
      for (const [i, [name]] of onDevice.entries()) {
        const tensor = fetched[i];
        if (tensor) entries[name] = tensor;
      }
      return entries;
    });
  }

  disposeState(stateId: number): Promise<void> {
    return this.release(() => {
      for (const tensor of this.states.get(stateId)?.values() ?? []) tensor.dispose();
      this.states.delete(stateId);
      return Promise.resolve();
    });
  }

  /** Brings tensors from the device, through a session that copies them. Runs inside the queue. */
  private async fetch(tensors: readonly OrtTensor[]): Promise<HostTensor[]> {
    if (tensors.length === 0) return [];
    const types = tensors.map(({ type, dims }) => ({ dtype: type as DType, shape: dims }));
    const key = JSON.stringify(types);
    let copier = this.copiers.get(key);
    if (copier === undefined) {
      copier = await this.createSession(copyModel(types));
      this.copiers.set(key, copier);
    }
    const { inputNames, outputNames } = copier;
    const results = await copier.run(
      Object.fromEntries(tensors.map((tensor, i) => [inputNames[i] ?? '', tensor])),
    );
    return outputNames.map((name) => toHost(results[name]));
  }

  private createSession(
    model: Uint8Array,
    options: InferenceSession.SessionOptions = {},
  ): Promise<InferenceSession> {
    return this.ort.InferenceSession.create(model, {
      executionProviders: [this.provider],
      logSeverityLevel: 3,
      // A planned pattern is allocated beside what the first run took, which nearly doubles a
      // training step's memory, and saves no time.
      enableMemPattern: false,
      ...options,
      ...this.sessionOptions,
    });
  }

  /** Ends the engine after what is under way, with all that it holds, and refuses what follows. */
  close(): Promise<void> {
    this.closing ??= this.enqueue(async () => {
      for (const state of this.states.values())
        for (const tensor of state.values()) tensor.dispose();
      for (const { session } of this.sessions.values()) await session.release();
      for (const copier of this.copiers.values()) await copier.release();
      for (const held of [this.states, this.loads, this.sessions, this.copiers]) held.clear();
    });
    return this.closing;
  }

  /** Lets go of something; an engine that is closed has let go of everything. */
  private release(task: () => Promise<void>): Promise<void> {
    return this.closing ?? this.enqueue(task);
  }

  private enqueue<T>(task: () => Promise<T>): Promise<T> {
    if (this.closing) return Promise.reject(new FoveaError(CLOSED));
    const result = this.queue.then(task);
    this.queue = result.catch(() => undefined);
    return result;
  }

  private loaded(id: number): LoadedSession {
    const loaded = this.loads.get(id);
    if (loaded === undefined)
      throw new FoveaError('The executable was disposed. Compile the graph again to run it.');
    return loaded;
  }

  private state(id: number): Map<string, OrtTensor> {
    const state = this.states.get(id);
    if (state === undefined) throw new FoveaError('The state was disposed.');
    return state;
  }

  private toOrt(name: string, { dtype, shape, data }: HostTensor): OrtTensor {
    if (data.length !== elementCount(shape) || !(data instanceof ARRAYS[dtype])) {
      throw new FoveaError(
        `'${name}' was given ${data.length} values in a ${data.constructor.name}; expected ${dtype} ${formatShape(shape)}.`,
      );
    }
    return new this.ort.Tensor(dtype, data, shape);
  }
}

/** A tensor of ONNX Runtime that lies in the host's memory, as one of ours. */
function toHost(tensor: OrtTensor | undefined): HostTensor {
  if (tensor === undefined) throw new FoveaError('ONNX Runtime left out an output.');
  return { dtype: tensor.type as DType, shape: tensor.dims, data: tensor.data as TensorData };
}

/** What tells sessions apart; undefined on pages that may not use the browser's hash. */
async function keyOf(
  model: Uint8Array,
  { next, profile = '' }: LoadOptions,
): Promise<string | undefined> {
  const subtle = (globalThis.crypto as Partial<Crypto> | undefined)?.subtle;
  const hash = await subtle?.digest('SHA-256', model as Uint8Array<ArrayBuffer>);
  return hash && JSON.stringify([Array.from(new Uint8Array(hash)), next, profile]);
}
