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
   * Makes a session from the bytes of an ONNX model; the same bytes give the same session. The
   * engine takes the array over.
   */
  load(model: Uint8Array, options: LoadOptions): Promise<number>;
  /** Feeds a session, and its state, and returns its outputs; the state moves on. */
  run(session: number, feeds: HostTensors, state?: number): Promise<RunResult>;
  /** Lets go of a session. It stays cached for a while in case it is loaded again. */
  unload(session: number): Promise<void>;
  /** Stops profiling a session, which writes its file. */
  endProfiling(session: number): Promise<void>;
  /** Floats per block of the device's blocked layout, found out by a trial; 0 if it has none. */
  blockSize(): Promise<number>;
  /**
   * Values that stay with the engine between runs, on the device where it has its own memory. The
   * engine takes the arrays over: whoever gives them must not use them again.
   */
  createState(entries: HostTensors): Promise<number>;
  readState(state: number): Promise<HostTensors>;
  disposeState(state: number): Promise<void>;
}

/** Outputs that replace a state entry are called by this and the entry's name. */
export const NEXT = 'next:';

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
  readonly id: number;
  readonly key: string;
  readonly session: InferenceSession;
  readonly next: readonly string[];
  users: number;
}

export class Engine implements EngineApi {
  private readonly sessions = new Map<number, LoadedSession>();
  private readonly states = new Map<number, Map<string, OrtTensor>>();
  /** Sessions that bring tensors of given types from the device. */
  private readonly copiers = new Map<string, InferenceSession>();
  private handles = 0;
  /** Two runs must never overlap: some builds of ONNX Runtime hang for ever. */
  private queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly ort: Ort,
    private readonly provider: Provider,
    private readonly sessionOptions: InferenceSession.SessionOptions = {},
  ) {}

  load(model: Uint8Array, options: LoadOptions): Promise<number> {
    return this.enqueue(async () => {
      const key = `${fingerprint(model)}:${model.length}:${options.profile ?? ''}`;
      for (const loaded of this.sessions.values()) {
        if (loaded.key === key) {
          loaded.users++;
          return loaded.id;
        }
      }
      const onDevice: Record<string, 'gpu-buffer'> = {};
      for (const name of options.next) onDevice[NEXT + name] = 'gpu-buffer';
      const session = await this.createSession(model, {
        ...(this.provider === 'webgpu' && { preferredOutputLocation: onDevice }),
        ...(options.profile !== undefined && {
          enableProfiling: true,
          profileFilePrefix: options.profile,
        }),
      });
      const id = this.handles++;
      this.sessions.set(id, { id, key, session, next: options.next, users: 1 });
      return id;
    });
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
    return this.enqueue(async () => {
      this.loaded(sessionId).users--;
      const unused = [...this.sessions.values()].filter((loaded) => loaded.users <= 0);
      for (const loaded of unused.slice(0, Math.max(0, unused.length - CACHED_SESSIONS))) {
        this.sessions.delete(loaded.id);
        await loaded.session.release();
      }
    });
  }

  endProfiling(sessionId: number): Promise<void> {
    return this.enqueue(() => Promise.resolve(this.loaded(sessionId).session.endProfiling()));
  }

  async blockSize(): Promise<number> {
    if (this.provider !== 'cpu') return 0;
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
    const state = new Map<string, OrtTensor>();
    for (const [name, tensor] of Object.entries(entries)) state.set(name, this.toOrt(name, tensor));
    const id = this.handles++;
    this.states.set(id, state);
    return Promise.resolve(id);
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
    return this.enqueue(() => {
      for (const tensor of this.state(stateId).values()) tensor.dispose();
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

  private enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.queue.then(task);
    this.queue = result.catch(() => undefined);
    return result;
  }

  private loaded(id: number): LoadedSession {
    const loaded = this.sessions.get(id);
    if (loaded === undefined) throw new FoveaError('The executable was disposed.');
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

/** FNV-1a over 32-bit words: tells models apart, guards against nothing. */
function fingerprint(bytes: Uint8Array): string {
  let low = 0x811c9dc5;
  let high = 0x01000193;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i + 4 <= bytes.byteLength; i += 4) {
    const word = view.getInt32(i, true);
    low = Math.imul(low ^ word, 0x01000193);
    high = Math.imul(high ^ (word >>> 7) ^ i, 0x85ebca6b);
  }
  return `${(low >>> 0).toString(16)}${(high >>> 0).toString(16)}`;
}
