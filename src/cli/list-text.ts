/** How lists show options and long lines. */
import type { OptionInfo } from '../attention/index.js';
import { RequestError } from '../errors.js';

/** The last column of a table is cut where a terminal ends; what is piped into a program is not. */
const WIDTH = (process.stdout.isTTY && process.stdout.columns) || Infinity;

/** Lines cut to the terminal's width. */
export function cut(text: string): string {
  return text.replace(/.+/g, (line) =>
    line.length > WIDTH ? `${line.slice(0, WIDTH - 1)}…` : line,
  );
}

/** What a request gives; undefined for one that is refused, as by a value of a user's that needs options. */
export function ifItCan<T>(request: () => T): T | undefined {
  try {
    return request();
  } catch (error) {
    if (error instanceof RequestError) return undefined;
    throw error;
  }
}

/** Options by name, with the values that they have where these are not the defaults. */
export type ListedOptions = Readonly<Record<string, OptionInfo & { readonly value?: unknown }>>;

/** All options with their values, and a line for each: what it may be, what it does. */
export function optionLines(options: ListedOptions): string[] {
  const all = Object.entries(options);
  const values = all.map(([name, info]) => {
    return `${name}=${inWords('value' in info ? info.value : info.default)}`;
  });
  return [
    `  options: ${values.join(', ') || 'none'}`,
    ...all.map(([name, info]) => `    ${name}: ${info.values}. ${info.meaning}`.trimEnd()),
  ];
}

function inWords(value: unknown): string {
  // Where there is none, it must be given.
  if (value === undefined) return '?';
  if (Array.isArray(value)) return value.join('+');
  return typeof value === 'string' ? value : JSON.stringify(value);
}
