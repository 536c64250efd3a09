/** What a forward pass returned, checked: a module of somebody's own may return anything. */
import { RequestError } from '../errors.js';
import { describeValue } from '../describe-value.js';
import { Tensor } from '../tensor/tensor.js';
import type { Module } from './module.js';

/**
 * The tensors that a module's forward returned, by name: one alone is called `output`, those of a
 * list `output.0`, `output.1`, .., those of an object as its keys.
 * @throws RequestError for anything else
 */
function outputsOf(module: Module, returned: unknown): Map<string, Tensor> {
  if (returned instanceof Tensor) return new Map([['output', returned]]);
  const entries: [string, unknown][] = Array.isArray(returned)
    ? returned.map((value: unknown, i) => [`output.${i}`, value])
    : isPlainObject(returned)
      ? Object.entries(returned)
      : [];
  if (entries.length === 0) throw refusal(module, describeValue(returned));
  return new Map(
    entries.map(([name, value]) => {
      if (value instanceof Tensor) return [name, value];
      throw refusal(module, `${describeValue(value)} as ${name}`);
    }),
  );
}

/**
 * Runs a module's forward; see {@link outputsOf}.
 * @throws RequestError for a result that is not made of tensors, and where a missing input broke it
 */
export function forwardOf(module: Module, inputs: readonly Tensor[]): Map<string, Tensor> {
  const { forward } = module as unknown as { readonly forward: Forward };
  try {
    return outputsOf(module, forward.apply(module, [...inputs]));
  } catch (error) {
    // How many inputs it can do without is nowhere written.
    if (!(error instanceof TypeError) || inputs.length >= forward.length) throw error;
    const given = inputs.length === 1 ? '1 is given' : `${inputs.length} are given`;
    throw new RequestError(
      `${nameOf(module)}.forward takes ${forward.length} inputs, but ${given}.`,
      {
        cause: error,
      },
    );
  }
}

/** A forward pass, whatever it takes and returns. */
type Forward = (...inputs: readonly Tensor[]) => unknown;

/**
 * The one tensor that the forward of a network returned.
 * @throws RequestError for anything else
 */
export function singleOutput(module: Module, returned: unknown): Tensor {
  if (returned instanceof Tensor) return returned;
  throw new RequestError(
    `${nameOf(module)}.forward returned ${describeValue(returned)}, where one Tensor is expected.`,
  );
}

/** What a module is called in messages: its class, and its path if it is part of another. */
export function nameOf(module: Module): string {
  const name = module.constructor.name || 'Module';
  return module.path === '' ? name : `${module.path} (${name})`;
}

function refusal(module: Module, what: string): RequestError {
  return new RequestError(
    `${nameOf(module)}.forward returned ${what}. Expected a Tensor, a list of Tensors, or an object of Tensors by name.`,
  );
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
