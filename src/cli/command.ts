/** What all commands share: exit codes, the parsing of values, the way errors are shown. */
import { CommanderError, InvalidArgumentError } from 'commander';
import { FoveaError, RequestError } from '../errors.js';
import { scalar } from '../scalar.js';
import { Interrupted } from '../training/fit.js';
import { print, tell, visibleLine } from './output.js';

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
    const { message, cause } = error;
    const why = process.env['FOVEA_DEBUG'] && cause instanceof Error ? cause.message : '';
    tell(`fovea: ${message}\n${why && `because: ${why}\n`}`);
    return;
  }
  const detail = error instanceof Error ? error : new Error(String(error));
  const trace = process.env['FOVEA_DEBUG'] ? `\n${detail.stack ?? ''}` : '';
  tell(`fovea: an internal error: ${detail.message}. Set FOVEA_DEBUG=1 for details.${trace}\n`);
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

/** A parser for commander: a finite number from `least` to `most`. */
export function number(least: number, most = Infinity): (text: string) => number {
  return (text) => {
    const value = Number(text);
    const inRange = Number.isFinite(value) && value >= least && value <= most;
    if (!inRange || text.trim() === '') {
      const range = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`;
      throw new InvalidArgumentError(`Expected a number ${range}.`);
    }
    return value;
  };
}

/** A parser for commander: whole numbers of at least `least`, separated by commas. */
export function wholeList(least = 0): (text: string) => number[] {
  return (text) => (text.trim() === '' ? [] : text.split(',').map(whole(least)));
}

/** A parser for commander: the size of an image, `3,32,32`. */
export function imageShape(text: string): number[] {
  const shape = wholeList(1)(text);
  if (shape.length !== 3) {
    throw new InvalidArgumentError('Expected channels, height and width, as 3,32,32.');
  }
  return shape;
}

/** A parser for commander: height and width, `224` or `48x64`. */
export function size(text: string): [number, number] {
  const [height, width = height, ...more] = text.split('x').map(whole(1));
  if (height === undefined || width === undefined || more.length > 0) {
    throw new InvalidArgumentError('Expected a size as 224, or height and width as 48x64.');
  }
  return [height, width];
}

/** A parser for commander: `ratio=8,bias=false` as an object; see {@link scalar}. */
export function settings(text: string): Record<string, ReturnType<typeof scalar>> {
  const entries = text.split(',').map((part) => {
    const [name, value] = part.split('=').map((piece) => piece.trim());
    if (!name || value === undefined || value === '') {
      throw new InvalidArgumentError('Expected NAME=VALUE pairs separated by commas.');
    }
    return [name, scalar(value)] as const;
  });
  return Object.fromEntries(entries);
}

/** Prints an answer for a program. What is not to be seen in it is escaped, as JSON has it too. */
export function printJson(value: unknown): void {
  print(`${JSON.stringify(value, null, 2)}\n`);
}

/** Lines of a table, its columns as wide as they need; numbers stand on the right. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const texts = rows.map((row) =>
    row.map((cell) => (typeof cell === 'number' ? grouped(cell) : visibleLine(cell))),
  );
  const widths = (texts[0] ?? []).map((_, column) =>
    Math.max(...texts.map((row) => row[column]?.length ?? 0)),
  );
  const numeric = (rows[1] ?? []).map((cell) => typeof cell === 'number');
  return texts
    .map((row) => {
      const cells = row.map((text, column) => {
        const width = widths[column] ?? 0;
        return numeric[column] ? text.padStart(width) : text.padEnd(width);
      });
      return `${cells.join('  ').trimEnd()}\n`;
    })
    .join('');
}

/** `1,234,567` */
export function grouped(value: number): string {
  return value.toLocaleString('en-US');
}

/**
 * Runs `body` with a signal that the first SIGINT or SIGTERM sets. A second one ends the process
 * at once, for whoever cannot wait.
 *
 * @param saying told to the person when the first one comes
 */
export async function interruptible<T>(
  body: (signal: AbortSignal) => Promise<T>,
  saying = 'Stopping after this step and saving. Press Ctrl-C again to stop at once.',
): Promise<T> {
  const controller = new AbortController();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const release = () => {
    for (const signal of signals) process.off(signal, stop);
  };
  const stop = () => {
    if (controller.signal.aborted) {
      // Not process.exit: it takes the engine's thread down in the middle of a run, which aborts the
      // process. The system's own way leaves nothing to clean up; a shell shows it as 130 too.
      release();
      process.kill(process.pid, 'SIGINT');
      return;
    }
    tell(`\n${saying}\n`);
    controller.abort();
  };
  for (const signal of signals) process.on(signal, stop);
  try {
    return await body(controller.signal);
  } finally {
    release();
  }
}
