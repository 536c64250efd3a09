import { z } from 'zod';
import { RequestError } from '../../errors.js';
import type { GoldenSubject } from '../golden.js';
import type { ParityEntry } from './entry.js';

/** A number of channels, units or layers in a seed's constructor. */
export const count = z.int().positive();

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
          `The seed's class does not take the arguments ${JSON.stringify(config)}:\n${z.prettifyError(parsed.error)}`,
        );
      }
      return build(parsed.data);
    },
  };
}
