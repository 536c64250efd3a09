/** The values that protocol 0 of Python's pickle writes as lines of text. */
import { asNumber } from './pickle-values.js';

/** Digits of a number; Python has the same bound, since reading long ones takes the square of their length. */
const MAX_DIGITS = 4300;

/** INT and LONG: a decimal number, with an L behind it or not; undefined if it is none. */
export function decimal(text: string): number | bigint | boolean | undefined {
  if (text === '00') return false;
  if (text === '01') return true;
  if (text.length > MAX_DIGITS || !/^[+-]?\d+L?$/.test(text)) return undefined;
  return asNumber(BigInt(text.replace(/^\+/, '').replace('L', '')));
}

/** FLOAT: as Python's repr writes it; undefined if it is none. */
export function float(text: string): number | undefined {
  const special: Readonly<Record<string, number>> = { nan: NaN, inf: Infinity, '-inf': -Infinity };
  if (Object.hasOwn(special, text)) return special[text];
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** STRING: the repr of a Python 2 str, as bytes; undefined if its quotes do not match. */
export function quotedBytes(text: string): Uint8Array | undefined {
  const body = /^(['"])(.*)\1$/s.exec(text)?.[2];
  if (body === undefined) return undefined;
  const plain = body.replace(
    /\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))/gs,
    (whole: string, hex?: string, octal?: string, letter?: string) => {
      if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
      if (octal !== undefined) return String.fromCharCode(parseInt(octal, 8) & 0xff);
      return ESCAPES[letter ?? ''] ?? whole;
    },
  );
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

/** UNICODE: latin-1 with the escapes \uXXXX and \UXXXXXXXX; undefined where one is no character. */
export function rawUnicode(text: string): string | undefined {
  try {
    return text.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (_, short, long) =>
      String.fromCodePoint(parseInt(String(short ?? long), 16)),
    );
  } catch {
    return undefined;
  }
}
