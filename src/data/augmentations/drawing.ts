/** Random choices that several augmentations make. */
import type { RandomStream } from '../../random/index.js';

/** A number between the two of a range, each equally likely. */
export function between(random: RandomStream, [low = 0, high = low]: readonly number[]): number {
  return low + (high - low) * random.uniform();
}

/** A number of a range of positive ones, such that twice as large is as likely as half as large. */
export function betweenRatios(random: RandomStream, ratios: readonly number[]): number {
  return Math.exp(between(random, ratios.map(Math.log)));
}

/** The nearest whole number, the even one of two as near, as Python rounds. */
export function roundEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
