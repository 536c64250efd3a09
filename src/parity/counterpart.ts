import { z } from 'zod';
import { FileError, RequestError } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { NO_INPUTS, type GoldenSubject } from './golden.js';
import type { ParityEntry } from './entry.js';

/** A number of channels or units in a constructor of the documents. */
export const count = z.int().positive();

/** A number of layers, branches or levels: each of them is built before anything can be compared. */
export const few = z.int().nonnegative().max(64);

/** As much of a message as a person reads. What it speaks of may be of any length. */
function abridged(text: string): string {
  return text.length > 500 ? `${text.slice(0, 500)}..` : text;
}

/**
 * An entry whose arguments are checked and completed by a schema before it builds.
 * @param schema the constructor's arguments, by their Python names, with its defaults
 */
export function counterpart<Schema extends z.ZodType>(
  schema: Schema,
  build: (config: z.output<Schema>) => GoldenSubject,
): ParityEntry {
  return {
    build: (config) => {
      const parsed = schema.safeParse(config);
      if (!parsed.success) {
        throw new RequestError(
          `The document's class does not take the arguments of the case:\n${abridged(z.prettifyError(parsed.error))}`,
        );
      }
      return build(parsed.data);
    },
  };
}

/**
 * The input of what takes one.
 * @throws FileError if the case has none
 */
export function only(inputs: readonly Tensor[]): Tensor {
  const [first] = inputs;
  if (first === undefined) throw new FileError(NO_INPUTS);
  return first;
}

/**
 * The inputs of what takes two.
 * @throws FileError if the case has fewer
 */
export function two(inputs: readonly Tensor[]): [Tensor, Tensor] {
  const [first, second] = inputs;
  if (first === undefined || second === undefined) {
    throw new FileError(`The case has ${inputs.length} of the two inputs that it takes.`);
  }
  return [first, second];
}
