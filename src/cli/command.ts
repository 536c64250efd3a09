/** What all commands share: exit codes, the parsing of values, the way errors are shown. */
import { CommanderError, InvalidArgumentError } from 'commander';
import { FoveaError, RequestError } from '../errors.js';
import { Interrupted } from '../training/train.js';

/** Exit codes, as documented in `fovea --help`. */
export const EXIT = { done: 0, failed: 1, badRequest: 2, interrupted: 130 } as const;

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.badRequest;
  if (error instanceof Interrupted) return EXIT.interrupted;
  return error instanceof RequestError ? EXIT.badRequest : EXIT.failed;
}

/** Says what went wrong on standard error, in a sentence; a stack trace only for a bug, and only on request. */
export function report(error: unknown): void {
  // Commander has already printed its own.
  if (error instanceof CommanderError) return;
  if (error instanceof FoveaError) {
    process.stderr.write(`fovea: ${error.message}\n`);
    return;
  }
  const detail = error instanceof Error ? error : new Error(String(error));
  const trace = process.env['FOVEA_DEBUG'] ? `\n${detail.stack ?? ''}` : '';
  process.stderr.write(
    `fovea: an internal error: ${detail.message}. Set FOVEA_DEBUG=1 for details.${trace}\n`,
  );
}

/** A parser for commander: a whole number of at least `least`. */
export function whole(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least || text.trim() === '') {
      throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`);
    }
    return value;
  };
}

/** A parser for commander: a finite number of at least `least`. */
export function number(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isFinite(value) || value < least || text.trim() === '') {
      throw new InvalidArgumentError(`Expected a number of at least ${least}.`);
    }
    return value;
  };
}

/** A parser for commander: whole numbers separated by commas. */
export function wholeList(text: string): number[] {
  if (text.trim() === '') return [];
  return text.split(',').map((part) => whole(0)(part));
}

/** A parser for commander: `ratio=8,bias=false` as an object of numbers, booleans and strings. */
export function settings(text: string): Record<string, number | boolean | string> {
  const entries = text.split(',').map((part) => {
    const [name, value] = part.split('=').map((piece) => piece.trim());
    if (!name || value === undefined || value === '') {
      throw new InvalidArgumentError('Expected NAME=VALUE pairs separated by commas.');
    }
    return [name, scalar(value)] as const;
  });
  return Object.fromEntries(entries);
}

function scalar(text: string): number | boolean | string {
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isNaN(Number(text)) ? text : Number(text);
}

/**
 * Runs `body` with a signal that the first SIGINT or SIGTERM sets. A second one ends the process
 * at once, for whoever cannot wait for the checkpoint.
 */
export async function interruptible<T>(body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    process.stderr.write(
      '\nStopping after this step and saving. Press Ctrl-C again to stop at once.\n',
    );
    controller.abort();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    return await body(controller.signal);
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}
