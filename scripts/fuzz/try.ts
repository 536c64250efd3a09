/** One input given to one reader, and what came of it. */
import { join } from 'node:path';
import { isOwn, type Reader } from './reader.js';
import type { Fault } from './tally.js';

/** How a reader took an input. */
export type Outcome =
  | { readonly kind: 'read' }
  | { readonly kind: 'refused'; readonly error: string }
  | { readonly kind: 'fault'; readonly fault: Omit<Fault, 'index'> };

const ROOT = join(import.meta.dirname, '../..');

/** A message that says nothing, since something of it was missing. */
const MEANINGLESS = /\[object Object\]|(?<!received )\bundefined\b|internal error/;
/** A message that nobody reads to its end. */
const LONGEST_MESSAGE = 3000;

/** Gives an input to a reader. */
export async function tryInput(
  reader: Reader,
  input: Uint8Array,
  folder: string,
): Promise<Outcome> {
  try {
    const result = reader.read(input, folder);
    if (result instanceof Promise) await result;
    return { kind: 'read' };
  } catch (error) {
    const { name, message, stack = '' } = error instanceof Error ? error : new Error(String(error));
    const fault = { message: message.slice(0, 400), where: placeIn(stack) };
    if (!isOwn(reader, error)) return { kind: 'fault', fault: { kind: name, ...fault } };
    if (message.length > LONGEST_MESSAGE) {
      return { kind: 'fault', fault: { kind: 'endless message', ...fault } };
    }
    const said = new TextDecoder().decode(input);
    const odd = MEANINGLESS.exec(message)?.[0];
    if (odd !== undefined && !said.includes(odd)) {
      return { kind: 'fault', fault: { kind: 'message without meaning', ...fault } };
    }
    return { kind: 'refused', error: name };
  }
}

/** The first place in the sources that a stack goes through: `src/formats/pickle/pickle.ts:123`. */
function placeIn(stack: string): string {
  const line = stack.split('\n').find((one) => one.includes(`${ROOT}/src/`));
  return /src\/[^\s:]+:\d+/.exec(line ?? '')?.[0] ?? 'not in src';
}
