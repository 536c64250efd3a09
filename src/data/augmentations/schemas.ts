/** Schemas of options that several augmentations have. */
import { z } from 'zod';

/** How often something happens, 0 to 1. */
export const probability = z.number().min(0).max(1);

/** The least and the most of something: two numbers above 0, the second not below the first. */
export const range = z
  .array(z.number().positive())
  .length(2)
  .refine(isOrdered, 'the first is above the second.')
  .readonly()
  .meta({ values: 'two positive numbers, the smaller first' });

/** The least and the most share of an area, above 0 and up to 1. */
export const shares = z
  .array(z.number().positive().max(1))
  .length(2)
  .refine(isOrdered, 'the first is above the second.')
  .readonly()
  .meta({ values: 'two shares of the area above 0 and up to 1, the smaller first' });

/** Whether two numbers are the least and the most of something. */
export function isOrdered([low = NaN, high = NaN]: readonly number[]): boolean {
  return low <= high;
}
