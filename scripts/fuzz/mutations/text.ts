/** Mutations of text: of a grammar's words, of JSON's values. All of it travels as UTF-8. */
import type { RandomStream } from '../../../src/random/index.js';
import { EDGES, once, pick, place, shortLength, type Mutate } from '../dice.js';
import { encode } from './bytes.js';

/** Text in which readers stumble: names that JavaScript knows, characters that terminals obey. */
export const ODD_WORDS: readonly [string, ...string[]] = [
  '',
  ' ',
  '\n',
  '\0',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '../..',
  '/etc/passwd',
  'a/b\\c:d',
  '\u001b[31m',
  '\u202e',
  '\u2028',
  '\ufeff',
  '\ud800',
  '\u{1f469}\u200d\u{1f469}',
  'null',
  'NaN',
  'Infinity',
  '-0',
  '1e999',
  '0x10',
  '*',
  '%s',
  "'",
  '"',
  '=1+1',
];

const NUMBER = /-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/gi;

function editText(random: RandomStream, text: string, words: readonly string[]): string {
  const at = place(random, text.length + 1);
  const end = at + shortLength(random, 12);
  const word = (once(random, 3) ? pick(random, ODD_WORDS) : pick(random, words)) ?? '';
  switch (random.integer(8)) {
    case 0:
      return text.slice(0, at) + text.slice(end);
    case 1:
    case 2:
      return text.slice(0, at) + word + text.slice(at);
    case 3:
      return text.slice(0, at) + word + text.slice(end);
    case 4: {
      const times = once(random, 6) ? shortLength(random, 400) : 1 + random.integer(4);
      return text.slice(0, at) + text.slice(at, end).repeat(times) + text.slice(at);
    }
    case 5:
      return text.replace(NUMBER, (found) => (once(random, 2) ? oddNumber(random) : found));
    case 6:
      return once(random, 2) ? text.slice(0, at) : text.toUpperCase();
    default: {
      const code = random.integer(once(random, 2) ? 0x80 : 0x11_0000);
      return text.slice(0, at) + String.fromCodePoint(code) + text.slice(at + 1);
    }
  }
}

function oddNumber(random: RandomStream): string {
  const edge = String(pick(random, EDGES));
  return pick(random, [edge, `-${edge}`, `${edge}.5`, '1e308', '-1e-308', '1e999', '00']);
}

/** Edits text of a grammar, with its own words among those put in. */
export function mutateText(words: readonly string[]): Mutate {
  return (random, bytes) => {
    let text = new TextDecoder().decode(bytes);
    for (let edits = shortLength(random, 3); edits > 0; edits--) {
      text = editText(random, text, words);
    }
    return encode(text);
  };
}

/** Stands for text that JSON.stringify does not write; {@link jsonText} puts it in. */
const RAW = '\u0001raw:';

/** A value as JSON, with what {@link oddValue} smuggled in. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value);
  return text.replace(/"\\u0001raw:((?:[^"\\]|\\.)*)"/g, (_, raw: string) => {
    return String(JSON.parse(`"${raw}"`));
  });
}

/** A value that is of another kind, size or depth than a reader hopes for. */
export function oddValue(random: RandomStream): unknown {
  switch (random.integer(14)) {
    case 0:
      return null;
    case 1:
      return once(random, 2);
    case 2:
      return pick(random, ODD_WORDS);
    case 3:
      return 'x'.repeat(shortLength(random, 5000));
    case 4:
    case 5:
      return `${RAW}${oddNumber(random)}`;
    case 6:
      return [];
    case 7:
      return {};
    case 8:
      return `${RAW}{"a":1,"a":2}`;
    case 9:
      return `${RAW}{"__proto__":{"dtype":"F32","shape":[1]}}`;
    case 10: {
      const depth = shortLength(random, 3000);
      return `${RAW}${'['.repeat(depth)}${']'.repeat(depth)}`;
    }
    case 11:
      return Array.from({ length: shortLength(random, 100) }, () => random.integer(3));
    case 12:
      return random.integer(100);
    default:
      return random.uniform() * 2 - 0.5;
  }
}

type Holder = unknown[] | Record<string, unknown>;

/** A copy of a value of JSON in which one place is changed. */
export function editJson(random: RandomStream, value: unknown): unknown {
  const copy: unknown = structuredClone(value);
  const places: { holder: Holder; key: string }[] = [];
  const waiting: unknown[] = [copy];
  while (waiting.length > 0) {
    const holder = waiting.pop();
    if (!isHolder(holder)) continue;
    for (const [key, part] of Object.entries<unknown>(holder)) {
      places.push({ holder, key });
      waiting.push(part);
    }
  }
  const chosen = pick(random, places);
  if (chosen === undefined) return oddValue(random);
  edit(random, chosen.holder, chosen.key, places);
  return copy;
}

function isHolder(value: unknown): value is Holder {
  return typeof value === 'object' && value !== null;
}

function edit(
  random: RandomStream,
  holder: Holder,
  key: string,
  places: readonly { holder: Holder; key: string }[],
): void {
  const values = holder as Record<string, unknown>;
  const now = values[key];
  const elsewhere = pick(random, places);
  switch (random.integer(7)) {
    case 0:
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else Reflect.deleteProperty(holder, key);
      return;
    case 1: {
      // Under another name, which JSON may give even to what JavaScript keeps for itself.
      if (Array.isArray(holder)) return;
      const name = pick(random, ODD_WORDS);
      Object.defineProperty(holder, name, { value: now, enumerable: true, configurable: true });
      return;
    }
    case 2:
      // A copy: sharing would let a place hold itself.
      values[key] = structuredClone((elsewhere?.holder as typeof values)[elsewhere?.key ?? '']);
      return;
    case 3:
      if (Array.isArray(holder)) holder.splice(Number(key), 0, structuredClone(now));
      else values[`${key}2`] = structuredClone(now);
      return;
    case 4:
      if (typeof now === 'number') values[key] = `${RAW}${oddNumber(random)}`;
      else if (typeof now === 'string') values[key] = editText(random, now, [now]);
      else values[key] = oddValue(random);
      return;
    default:
      values[key] = oddValue(random);
  }
}

/** Edits JSON as a value; what is none as text. */
export const mutateJson: Mutate = (random, bytes, other) => {
  const value = parseJson(new TextDecoder().decode(bytes));
  if (value === undefined || once(random, 8)) return mutateText(JSON_WORDS)(random, bytes, other);
  let edited: unknown = value;
  for (let edits = shortLength(random, 2); edits > 0; edits--) edited = editJson(random, edited);
  return encode(jsonText(edited));
};

/** Edits a file of one JSON value per line. */
export const mutateLines: Mutate = (random, bytes, other) => {
  const lines = new TextDecoder().decode(bytes).split('\n');
  const at = place(random, lines.length);
  const line = mutateJson(random, encode(lines[at] ?? ''), other);
  lines.splice(at, once(random, 3) ? 0 : 1, new TextDecoder().decode(line));
  return encode(lines.join('\n'));
};

const JSON_WORDS = ['{', '}', '[', ']', ',', ':', '"', 'true', 'null', '{"a":', '\\u0000', '\\'];

/** The value of JSON that is not nested too deep to be edited; else undefined. */
export function parseJson(text: string): unknown {
  if (text.includes('['.repeat(100))) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
