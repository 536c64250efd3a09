/** Modules that hold modules, and those that only rearrange. */
import { FoveaError } from '../../errors.js';
import type { Tensor } from '../../tensor/tensor.js';
import { Module, type Layer } from '../module.js';
import { singleOutput } from '../outputs.js';

/**
 * Layers one after the other; without layers, the identity. Their names in the state_dict are their
 * positions: `0.weight`, `1.bias`.
 */
export class Sequential extends Module implements Iterable<Layer> {
  readonly #layers: readonly Layer[];

  constructor(...layers: readonly Layer[]) {
    super();
    this.#layers = layers;
    // The properties '0', '1', .. are what the state_dict is made from.
    Object.assign(this, layers);
  }

  get length(): number {
    return this.#layers.length;
  }

  [Symbol.iterator](): Iterator<Layer> {
    return this.#layers[Symbol.iterator]();
  }

  override forward(x: Tensor): Tensor {
    return this.#layers.reduce((value, layer) => singleOutput(layer, layer.forward(value)), x);
  }
}

/** Modules by position, for a forward pass that picks them itself. */
export class ModuleList<M extends Module> extends Module implements Iterable<M> {
  readonly #modules: readonly M[];

  constructor(modules: readonly M[]) {
    super();
    this.#modules = modules;
    Object.assign(this, modules);
  }

  get length(): number {
    return this.#modules.length;
  }

  [Symbol.iterator](): Iterator<M> {
    return this.#modules[Symbol.iterator]();
  }

  override forward(): never {
    throw new FoveaError('A ModuleList has no forward pass of its own; call its modules.');
  }
}

/** Gives back what it gets. */
export class Identity extends Module {
  override forward(x: Tensor): Tensor {
    return x;
  }
}

/** Joins the axes from `start` to `end` (both included): by default [B, ..S] -> [B, S]. */
export class Flatten extends Module {
  constructor(
    private readonly start = 1,
    private readonly end = -1,
  ) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return x.flatten(this.start, this.end);
  }
}
