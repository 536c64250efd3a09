/** What mechanisms ask of their arguments, and how they say so. */
import { RequestError } from '../errors.js';
import { suggestion } from '../suggest.js';

/**
 * Checks an option that has a few named values: a command line can pass any text.
 * @throws RequestError naming the values that it may have
 */
export function requireChoice(
  mechanism: string,
  option: string,
  value: string,
  choices: readonly string[],
): void {
  if (!choices.includes(value)) {
    throw new RequestError(
      `The option '${option}' of ${mechanism} cannot be '${value}'. ${suggestion(value, choices)}`,
    );
  }
}

/**
 * Checks numbers that count something.
 * @throws RequestError for the first that is not an integer of at least 1
 */
export function requireCounts(mechanism: string, counts: Readonly<Record<string, number>>): void {
  for (const [option, value] of Object.entries(counts)) {
    if (!Number.isInteger(value) || value < 1) {
      throw new RequestError(
        `The option '${option}' of ${mechanism} must be an integer of at least 1, not ${value}.`,
      );
    }
  }
}

/** More layers than anybody has trained. Each is built, so a number is a demand on memory. */
const MOST_PARTS = 1000;

/** More branches than any paper has; the kernel of each is larger than that of the one before. */
export const MOST_BRANCHES = 16;

/**
 * Checks numbers of branches, layers and other parts that are built one by one.
 * @param most default 1000
 * @throws RequestError for the first that is not an integer from 1 to `most`
 */
export function requireParts(
  mechanism: string,
  parts: Readonly<Record<string, number>>,
  most = MOST_PARTS,
): void {
  requireCounts(mechanism, parts);
  for (const [option, value] of Object.entries(parts)) {
    if (value > most) {
      throw new RequestError(
        `The option '${option}' of ${mechanism} is at most ${most}, not ${value}.`,
      );
    }
  }
}

/**
 * Hidden units of an MLP over channels: floor(channels / ratio).
 * @throws RequestError if there is none
 */
export function hiddenUnits(mechanism: string, channels: number, ratio: number): number {
  const hidden = Math.floor(channels / ratio);
  if (!(ratio > 0) || hidden < 1) {
    throw new RequestError(
      `${mechanism}(${channels}) with ratio ${ratio} has no hidden unit: choose a ratio from 1 to ${channels}, the number of channels.`,
    );
  }
  return hidden;
}
