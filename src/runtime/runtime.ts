import { FoveaError, ShapeError } from '../errors.js';
import { keptAsKernel } from '../onnx/blocks/index.js';
import { fromKernelOrder, toKernelOrder } from '../onnx/blocks/kernel-order.js';
import { lowerToOnnx, type Graph } from '../onnx/lower.js';
import { readModelHead } from '../onnx/read-model.js';
import type { Provider, TensorData } from '../tensor/op.js';
import { formatShape, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { NEXT, type EngineApi, type HostTensor, type HostTensors } from './engine.js';
import { asFoveaError, LoadedModel } from './loaded-model.js';

/** Where graphs run: `cpu`, `cuda` and `webgpu` in Node, `wasm` and `webgpu` in a browser. */
export type Device = Provider;

/** A graph that may keep state between runs. */
export interface StatefulGraph extends Graph {
  /** Inputs whose values stay with the engine, by name. */
  readonly state?: Readonly<Record<string, Tensor>>;
  /** New values of state entries, computed by each run. */
  readonly next?: Readonly<Record<string, Tensor>>;
}

export interface CompileOptions {
  /**
   * `blocked`: keep feature maps in the CPU's own layout where that is faster; the default for
   * graphs whose weights are inputs. `plain` elsewhere: there ONNX Runtime chooses by itself.
   */
  readonly layout?: 'blocked' | 'plain';
  /** Start of the name of a file for a profile by op, written when the executable is disposed. Node's CPU only. */
  readonly profile?: string;
  readonly name?: string;
}

/** Named values that stay on the device between runs. */
export interface State {
  /**
   * Copies of all values.
   * @throws FoveaError if it was disposed
   */
  read(): Promise<HostTensors>;
  /** Gives the memory back. Doing it again does nothing. */
  dispose(): Promise<void>;
}

/** A state behind an engine. Weights are kept in the order that the device's convolutions want them in. */
class EngineState implements State {
  constructor(
    readonly engine: EngineApi,
    readonly id: number,
    private readonly block: number,
  ) {}

  async read(): Promise<HostTensors> {
    return reorder(await this.engine.readState(this.id), this.block, fromKernelOrder);
  }

  dispose(): Promise<void> {
    return this.engine.disposeState(this.id);
  }
}

function reorder(
  entries: HostTensors,
  block: number,
  order: (data: Float32Array, shape: Shape, block: number) => Float32Array,
): HostTensors {
  return Object.fromEntries(
    Object.entries(entries).map(([name, tensor]) => {
      const { data, shape } = tensor;
      const kernel = data instanceof Float32Array && keptAsKernel(shape, block);
      return [name, kernel ? { ...tensor, data: order(data, shape, block) } : tensor];
    }),
  );
}

/** A compiled graph. */
export class Executable {
  private milliseconds = 0;
  private runs = 0;

  constructor(
    private readonly engine: EngineApi,
    private readonly session: number,
    private readonly inputs: Readonly<Record<string, Tensor>>,
  ) {}

  /**
   * Runs the graph.
   * @param feeds a typed array for every input that is not state
   * @param state read, and moved on by the graph's `next`; of the same runtime
   * @throws FoveaError naming the input whose value is missing or of the wrong size, or if the
   *   executable or the state was disposed, or the runtime closed
   */
  async run(feeds: Readonly<Record<string, TensorData>>, state?: State): Promise<HostTensors> {
    const tensors: Record<string, HostTensor> = {};
    for (const [name, data] of Object.entries(feeds)) {
      const input = this.inputs[name];
      if (input === undefined) throw new FoveaError(`The graph has no input '${name}'.`);
      if (input.size !== data.length) {
        throw new ShapeError(
          `The input '${name}' takes ${formatShape(input.shape)}, ${input.size} values; ${data.length} were given.`,
        );
      }
      tensors[name] = { dtype: input.dtype, shape: input.shape, data };
    }
    if (state !== undefined && !(state instanceof EngineState && state.engine === this.engine)) {
      throw new FoveaError('The state belongs to another runtime than the executable.');
    }
    const { outputs, milliseconds } = await this.engine.run(this.session, tensors, state?.id);
    this.milliseconds += milliseconds;
    this.runs++;
    return outputs;
  }

  /** Runs so far, and the time that they spent inside ONNX Runtime. */
  get statistics(): { readonly runs: number; readonly milliseconds: number } {
    return { runs: this.runs, milliseconds: this.milliseconds };
  }

  /** Lets go of it, after the run that is under way. Doing it again does nothing. */
  dispose(): Promise<void> {
    return this.engine.unload(this.session);
  }
}

/** Compiles and runs graphs on one device. Made by `createRuntime` of `fovea/node` or `fovea/web`. */
export class Runtime {
  constructor(
    readonly device: Device,
    private readonly engine: EngineApi,
    private readonly shutDown: () => Promise<void>,
  ) {}

  private closing: Promise<void> | undefined;
  private block: Promise<number> | undefined;

  /** Lowers a graph for this device and makes a session of it. */
  async compile(graph: StatefulGraph, options: CompileOptions = {}): Promise<Executable> {
    const next = Object.keys(graph.next ?? {});
    const outputs: Record<string, Tensor> = { ...graph.outputs };
    for (const [name, tensor] of Object.entries(graph.next ?? {})) outputs[NEXT + name] = tensor;
    const { layout = graph.constants ? 'plain' : 'blocked' } = options;
    const model = lowerToOnnx(
      {
        inputs: { ...graph.inputs, ...graph.state },
        outputs,
        ...(graph.constants && { constants: graph.constants }),
      },
      {
        provider: this.device,
        block: await this.blockSize(),
        blockedMaps: layout === 'blocked',
        state: new Set([...Object.keys(graph.state ?? {}), ...next.map((name) => NEXT + name)]),
        ...(options.name && { name: options.name }),
      },
    );
    const { profile } = options;
    const session = await this.engine.load(model, {
      next,
      ...(profile !== undefined && { profile }),
    });
    return new Executable(this.engine, session, graph.inputs);
  }

  /**
   * Loads a model from the bytes of an ONNX file, of Fovea or of another program.
   * @param source what messages call it. Default 'The model'
   * @throws FileError for bytes that are no ONNX model
   * @throws FoveaError for a model that this version of ONNX Runtime cannot run
   */
  async load(bytes: Uint8Array, source = 'The model'): Promise<LoadedModel> {
    const head = readModelHead(bytes, source);
    try {
      // The engine takes the array over, so it is given a copy.
      return new LoadedModel(
        head,
        this.engine,
        await this.engine.load(bytes.slice(), { next: [] }),
      );
    } catch (error) {
      throw asFoveaError(error, `${source} cannot be run by ONNX Runtime`);
    }
  }

  /** Brings values to the device, to be kept there between runs. */
  async createState(entries: HostTensors): Promise<State> {
    const block = await this.blockSize();
    const ordered = reorder(entries, block, toKernelOrder);
    const own: Record<string, HostTensor> = {};
    for (const [name, tensor] of Object.entries(ordered)) {
      // The engine takes the arrays over, so the caller's own are not among them.
      const borrowed = tensor.data === entries[name]?.data;
      own[name] = borrowed ? { ...tensor, data: tensor.data.slice() } : tensor;
    }
    return new EngineState(this.engine, await this.engine.createState(own), block);
  }

  private blockSize(): Promise<number> {
    this.block ??= this.engine.blockSize();
    return this.block;
  }

  /**
   * Ends the engine after the run that is under way. Executables and states of this runtime are gone
   * then. Doing it again does nothing.
   */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }
}
