/** What several mechanisms have in common: options, and what these ask of the channels. */
import { z } from 'zod';
import { RequestError } from '../errors.js';

/** How many times fewer of something than channels: what {@link hiddenUnits} divides by. */
export const ratio = z.number().positive();

/** The size of a kernel that keeps the size of what it weighs. */
export const oddKernel = z
  .int()
  .positive()
  .refine((size) => size % 2 === 1, {
    error: ({ input }) =>
      `an even kernel would change the size of the map or row. Choose ${Number(input) - 1} or ${Number(input) + 1}.`,
  })
  .meta({ values: 'a positive odd integer' });

/** A number of branches. More than 16 no paper has, and the kernel of each is larger than that of the one before. */
export const branchCount = z.int().min(1).max(16);

/** Height and width of something, or one number for both. */
export const heightAndWidth = z.union([
  z.int().positive(),
  z.array(z.int().positive()).length(2).readonly(),
]);

/**
 * Hidden units of an MLP over channels: floor(channels / ratio).
 * @param what there is none of, for the message
 * @throws RequestError if there is none
 */
export function hiddenUnits(
  mechanism: string,
  channels: number,
  ratio: number,
  what = 'no hidden unit',
): number {
  const hidden = Math.floor(channels / ratio);
  if (hidden >= 1) return hidden;
  throw new RequestError(
    `${mechanism}(${channels}) with ratio ${ratio} has ${what}: choose a ratio from 1 to ${channels}, the number of channels.`,
  );
}
