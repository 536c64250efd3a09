import { RequestError } from '../errors.js';
import { RandomStream } from '../random/index.js';
import type { HostTensor, HostTensors } from '../runtime/engine.js';
import { withScope } from '../tensor/scope.js';
import { formatShape, type Shape } from '../tensor/shape.js';
import type { TensorData } from '../tensor/op.js';
import type { Tensor } from '../tensor/tensor.js';
import { describeValue } from '../describe-value.js';
import { forwardRecord } from './context.js';
import { Expose } from './expose.js';
import { nameOf } from './outputs.js';
import { Buffer, Parameter } from './parameter.js';
import { isLoadable, StateDictError } from './state-dict.js';

/** One entry of a state_dict. Integers are int64 in PyTorch and bigints here. */
export interface StateEntry {
  readonly shape: Shape;
  readonly data: Float32Array | BigInt64Array;
}

/** Parameters and buffers by PyTorch's names. */
export type StateDict = Map<string, StateEntry>;

/**
 * A part of a network: parameters, buffers, other modules, and `forward`, which builds a graph.
 *
 * Properties that hold a Parameter, a Buffer or a Module are found by themselves; their names,
 * joined by dots, are the names of the state_dict. Call `forward` directly: in a model that is
 * traced it runs inside the module's scope, so errors, exposed maps and profiles know its path.
 */
export abstract class Module {
  /** Where the module stands in its model (`layer1.0.bn2`); empty for the model itself. Set by {@link assignPaths}. */
  path = '';

  /** Builds the module's part of the graph. A method, or a property that holds a function. */
  abstract forward(...inputs: never[]): unknown;

  /**
   * Makes inner tensors visible, with what they mean: `x.mul(this.expose.channel(gate))`. See
   * {@link Expose}.
   */
  protected get expose(): Expose {
    return new Expose(this.path);
  }

  /** Builds a part of the graph in this module's scope: for methods besides `forward` that others call. */
  protected inScope<T>(build: () => T): T {
    return withScope(this.path, build);
  }

  /** Whether the forward pass that is running is one of training. */
  protected get training(): boolean {
    return forwardRecord().training;
  }

  /** Modules directly inside this one, by property name. */
  *children(): Generator<[string, Module]> {
    for (const [name, value] of Object.entries(this))
      if (value instanceof Module) yield [name, value];
  }

  /** This module and all inside it, by path. */
  *namedModules(prefix = ''): Generator<[string, Module]> {
    yield [prefix, this];
    for (const [name, child] of this.children()) yield* child.namedModules(join(prefix, name));
  }

  /** Parameters of this module and of all inside it, by state_dict name. */
  *namedParameters(): Generator<[string, Parameter]> {
    for (const [path, module] of this.namedModules()) {
      for (const [name, value] of Object.entries(module)) {
        if (value instanceof Parameter) yield [join(path, name), value];
      }
    }
  }

  /** Buffers of this module and of all inside it, by state_dict name. */
  *namedBuffers(): Generator<[string, Buffer]> {
    for (const [path, module] of this.namedModules()) {
      for (const [name, value] of Object.entries(module)) {
        if (value instanceof Buffer) yield [join(path, name), value];
      }
    }
  }

  parameters(): Parameter[] {
    return [...this.namedParameters()].map(([, parameter]) => parameter);
  }

  /** Number of learned values. */
  parameterCount(): number {
    return this.parameters().reduce((total, p) => total + p.tensor.size, 0);
  }

  /**
   * Tells every module inside where it stands, and lets its forward run in that scope. Called by
   * whatever traces a model.
   * @throws RequestError for a module without a forward
   */
  assignPaths(prefix = ''): void {
    for (const [path, module] of this.namedModules(prefix)) {
      module.path = path;
      module.scopeForward();
    }
  }

  private scopeForward(): void {
    const { forward } = this as { readonly forward: unknown };
    if (typeof forward !== 'function') {
      throw new RequestError(
        `${nameOf(this)} has no forward, the function that builds its part of the graph.`,
      );
    }
    if (scoped.has(forward)) return;
    const inScope = (...inputs: never[]): unknown =>
      withScope(this.path, () => requireGraph(this, forward.apply(this, inputs)));
    // So that it still tells how many inputs it takes.
    Object.defineProperty(inScope, 'length', { value: forward.length });
    scoped.add(inScope);
    Object.defineProperty(this, 'forward', { value: inScope, writable: true, configurable: true });
  }

  /**
   * Draws all parameters anew and resets all buffers. Each parameter has its own stream, keyed by
   * the seed and the parameter's name, so that two models that share a part start with the same
   * values in it.
   */
  initialize(seed: number): this {
    for (const [name, parameter] of this.namedParameters()) {
      parameter.initialize(new RandomStream(seed, `init:${name}`));
    }
    for (const [, buffer] of this.namedBuffers()) buffer.reset();
    return this;
  }

  /** Draws the parameters that have no values yet, with seed 0. */
  ensureInitialized(): void {
    for (const [name, parameter] of this.namedParameters()) {
      if (!parameter.initialized) parameter.initialize(new RandomStream(0, `init:${name}`));
    }
  }

  /** The values of all parameters and buffers by their place in a graph that has them as constants. */
  constants(): Map<Tensor, TensorData> {
    const own = [...this.namedParameters(), ...this.namedBuffers()];
    return new Map(own.map(([, { tensor, data }]) => [tensor, data]));
  }

  /** The inputs of the module's graph that are its parameters and buffers, by state_dict name. */
  stateInputs(): Record<string, Tensor> {
    const own = [...this.namedParameters(), ...this.namedBuffers()];
    return Object.fromEntries(own.map(([name, { tensor }]) => [name, tensor]));
  }

  /** What {@link stateInputs} are fed: the values of all parameters and buffers, by state_dict name. */
  stateValues(): Record<string, HostTensor> {
    this.ensureInitialized();
    const values: Record<string, HostTensor> = {};
    for (const [name, { shape, data }] of this.namedParameters()) {
      values[name] = { dtype: 'float32', shape, data };
    }
    for (const [name, { shape, dtype, data }] of this.namedBuffers()) {
      values[name] = { dtype, shape, data };
    }
    return values;
  }

  /** Puts values, as a training step left them, into the parameters and buffers of their names. */
  takeStateValues(values: HostTensors): this {
    for (const [name, parameter] of this.namedParameters()) {
      const data = values[name]?.data;
      if (data instanceof Float32Array) parameter.data = data;
    }
    for (const [name, buffer] of this.namedBuffers()) {
      const data = values[name]?.data;
      if (data instanceof Float32Array || data instanceof Int32Array) buffer.data = data;
    }
    return this;
  }

  /** Copies of all parameters and buffers, by PyTorch's names. */
  stateDict(): StateDict {
    this.ensureInitialized();
    const state: StateDict = new Map();
    for (const [name, { shape, data }] of this.namedParameters()) {
      state.set(name, { shape, data: data.slice() });
    }
    for (const [name, { shape, data }] of this.namedBuffers()) {
      const copy = data instanceof Float32Array ? data.slice() : BigInt64Array.from(data, BigInt);
      state.set(name, { shape, data: copy });
    }
    return state;
  }

  /**
   * Takes over the values of a state_dict. BatchNorm's counts of batches may be missing, as in files
   * from before PyTorch 0.4.1; they stay what they are. The weight [O, I] of a linear layer is taken
   * for that of a 1x1 convolution, [O, I, 1, 1], which computes the same of one place.
   * @param strict whether every other name must be there and no unknown one; default true
   * @throws StateDictError naming what is missing, unknown, or of another shape
   * @throws RequestError for an entry with more or fewer values than its shape has; nothing is changed then
   */
  loadStateDict(state: ReadonlyMap<string, StateEntry>, { strict = true } = {}): this {
    const own = new Map<string, Parameter | Buffer>([
      ...this.namedParameters(),
      ...this.namedBuffers(),
    ]);
    const missing = [...own.keys()].filter((name) => !state.has(name) && !isBatchCount(name));
    const unknown = [...state.keys()].filter((name) => !own.has(name));
    const reshaped = [...own].flatMap(([name, { shape: expected }]) => {
      const entry = state.get(name);
      if (entry === undefined || isLoadable(entry.shape, expected)) return [];
      return [{ name, found: entry.shape, expected }];
    });
    if (reshaped.length > 0 || (strict && missing.length + unknown.length > 0)) {
      throw new StateDictError({
        missing: strict ? missing : [],
        unknown: strict ? unknown : [],
        reshaped,
      });
    }
    for (const [name, { shape, data }] of state) {
      if (own.has(name) && data.length !== shape.reduce((product, size) => product * size, 1)) {
        throw new RequestError(`'${name}' is ${formatShape(shape)} but has ${data.length} values.`);
      }
    }
    for (const [name, target] of own) {
      const entry = state.get(name);
      if (entry === undefined) continue;
      if (target instanceof Parameter) target.data = Float32Array.from(entry.data, Number);
      else if (target.dtype === 'int32') target.data = Int32Array.from(entry.data, Number);
      else target.data = Float32Array.from(entry.data, Number);
    }
    return this;
  }
}

/** Forward functions that run in the scope of their module. */
const scoped = new WeakSet<object>();

/** Refuses what no forward pass can mean to return, where it happens and not at the next op. */
function requireGraph(module: Module, returned: unknown): unknown {
  if (typeof returned === 'object' && returned !== null && !(returned instanceof Promise)) {
    return returned;
  }
  const hint =
    returned instanceof Promise ? ' It builds a graph and has nothing to wait for: no async.' : '';
  throw new RequestError(
    `${nameOf(module)}.forward returned ${describeValue(returned)} instead of a Tensor.${hint}`,
  );
}

/** A module that takes one tensor and returns one: what Sequential chains. */
export interface Layer extends Module {
  forward(x: Tensor): Tensor;
}

function join(prefix: string, name: string): string {
  return prefix ? `${prefix}.${name}` : name;
}

function isBatchCount(name: string): boolean {
  return name === 'num_batches_tracked' || name.endsWith('.num_batches_tracked');
}
