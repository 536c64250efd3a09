/**
 * The header of a safetensors file: the 8-byte length and the JSON object that says what lies
 * where. Nothing in it is believed before it is checked; every refusal is a FileError of its own.
 *
 *   8 bytes   N, unsigned, little-endian, at most 100,000,000
 *   N bytes   UTF-8 JSON, begins with "{", may end in spaces
 *   the rest  the tensors, little-endian, row-major, covering every byte exactly once
 *
 * Source: https://github.com/huggingface/safetensors (README, "Format", and the Rust reader).
 */
import { FileError } from '../errors.js';
import { BITS_PER_ELEMENT, isDtype, type SafetensorsDtype } from './dtypes.js';

/** The longest header the format allows, in bytes. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Where one tensor lies: `begin` and `end` count bytes from the start of the data. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** A checked header: its tensors in the order of their bytes. */
export interface SafetensorsHeader {
  readonly entries: readonly TensorEntry[];
  readonly metadata: Record<string, string>;
  /** The offset of the first data byte in the file. */
  readonly dataStart: number;
}

/** Whether bytes begin as a safetensors file does: with the length of a header and its first byte. */
export function looksLikeSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 9 || bytes[8] !== 0x7b) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return view.getBigUint64(0, true) <= BigInt(MAX_HEADER_BYTES);
}

/**
 * Reads and checks the header, and that the tensors cover the data exactly.
 *
 * @param bytes the whole file
 * @param file the name that errors begin with
 * @throws FileError when any rule of the format is broken
 */
export function readHeader(bytes: Uint8Array, file: string): SafetensorsHeader {
  const refuse = (problem: string): never => {
    throw new FileError(`${file}: ${problem}`);
  };
  const length = headerLength(bytes, refuse);
  const json = decodeUtf8(bytes.subarray(8, 8 + length), refuse);
  const header = parseObject(json, refuse);

  const metadata = readMetadata(
    Object.hasOwn(header, '__metadata__') ? header['__metadata__'] : undefined,
    refuse,
  );
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => readEntry(name, value, refuse))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(entries, bytes.length - 8 - length, refuse);
  return { entries, metadata, dataStart: 8 + length };
}

type Refuse = (problem: string) => never;

function headerLength(bytes: Uint8Array, refuse: Refuse): number {
  if (bytes.length < 8) {
    refuse(`${bytes.length} bytes are too few for a safetensors file (8 for the header length)`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    refuse(
      `the header length is ${length}, more than the ${MAX_HEADER_BYTES} that safetensors allows; ` +
        'is this a safetensors file?',
    );
  }
  const available = bytes.length - 8;
  if (length > BigInt(available)) {
    refuse(
      `the header should have ${length} bytes but only ${available} follow: the file is ` +
        'truncated, or not a safetensors file',
    );
  }
  return Number(length);
}

function decodeUtf8(bytes: Uint8Array, refuse: Refuse): string {
  // The first byte is looked at before decoding: it tells other kinds of files apart.
  if (bytes[0] !== 0x7b) {
    refuse('the header does not begin with "{": this is not a safetensors file');
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse('the header is not valid UTF-8: the file is corrupt');
  }
}

/** How deep a header may nest; its own parts do so 3 deep. */
const MAX_DEPTH = 16;

function parseObject(json: string, refuse: Refuse): Record<string, unknown> {
  if (nestsDeeper(json, MAX_DEPTH)) {
    refuse(`the header nests more than ${MAX_DEPTH} deep: the file is corrupt, or a trick`);
  }
  let header: unknown;
  try {
    header = JSON.parse(json);
  } catch (error) {
    refuse(`the header is not valid JSON (${quote(String(error))}): the file is corrupt`);
  }
  const twice = duplicateKey(json);
  if (twice !== undefined) {
    refuse(`the header has the key ${quote(twice)} twice; every name may stand once`);
  }
  return isObject(header) ? header : refuse('the header is not a JSON object');
}

function readMetadata(value: unknown, refuse: Refuse): Record<string, string> {
  if (value === undefined) return {};
  if (!isObject(value)) {
    return refuse(`__metadata__ is ${kindOf(value)}; it must be an object of strings`);
  }
  const entries = Object.entries(value).map(([key, text]): [string, string] => {
    if (typeof text === 'string') return [key, text];
    return refuse(`__metadata__ ${quote(key)} is ${kindOf(text)}; every value must be a string`);
  });
  return Object.fromEntries(entries);
}

function readEntry(name: string, value: unknown, refuse: Refuse): TensorEntry {
  const tensor = `tensor ${quote(name)}`;
  if (/\p{Surrogate}/u.test(name)) refuse(`${tensor} has a name that is not valid Unicode`);
  if (!isObject(value)) return refuse(`${tensor} is ${kindOf(value)} in the header, not an object`);

  const [dtype, shape, offsets] = ['dtype', 'shape', 'data_offsets'].map((key) =>
    Object.hasOwn(value, key) ? value[key] : undefined,
  );
  if (typeof dtype !== 'string') {
    return refuse(`${tensor} has a dtype that is ${kindOf(dtype)}; it must be a string, as "F32"`);
  }
  if (!isDtype(dtype)) {
    return refuse(
      `${tensor} has dtype ${quote(dtype)}; Fovea reads ` +
        `${Object.keys(BITS_PER_ELEMENT).join(', ')}: convert the tensor to one of these`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    return refuse(`${tensor} has a shape that is not a list of whole numbers of at least 0`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    return refuse(`${tensor} has data_offsets that are not two whole numbers of at least 0`);
  }
  const [begin = 0, end = 0] = offsets;
  if (begin > end) refuse(`${tensor} ends at byte ${end}, before it begins at byte ${begin}`);

  // Multiplied dimension by dimension, as the reference does: an overflow before a 0 is refused.
  const bits = [...shape, BITS_PER_ELEMENT[dtype]].reduce((product, n) => {
    return Number.isSafeInteger(product * n)
      ? product * n
      : refuse(`${tensor} has shape ${listed(shape)}: more bytes than can be counted`);
  }, 1);
  if (bits !== 8 * (end - begin)) {
    refuse(
      `${tensor}, ${dtype} ${listed(shape)}, needs ${bits / 8} bytes but its data_offsets ` +
        `[${begin}, ${end}] hold ${end - begin}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

/** No overlap, no hole, nothing out of range, nothing left over. `entries` are sorted by place. */
function checkCoverage(entries: readonly TensorEntry[], dataBytes: number, refuse: Refuse): void {
  let covered = 0;
  for (const { name, begin, end } of entries) {
    if (begin < covered) {
      refuse(`tensor ${quote(name)} begins at byte ${begin}, inside the tensor before it`);
    }
    if (begin > covered) {
      refuse(`bytes ${covered} to ${begin}, before tensor ${quote(name)}, belong to no tensor`);
    }
    if (end > dataBytes) {
      refuse(
        `tensor ${quote(name)} ends at byte ${end} but the data has only ${dataBytes}: ` +
          'the file is truncated',
      );
    }
    covered = end;
  }
  if (covered < dataBytes) refuse(`${dataBytes - covered} bytes follow after the last tensor`);
}

/** Whether brackets outside of strings nest deeper, looked at before a parser builds what they hold. */
function nestsDeeper(json: string, most: number): boolean {
  let depth = 0;
  for (let i = 0; i < json.length; i++) {
    const character = json[i];
    if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    else if (character === '"') {
      i++;
      while (i < json.length && json[i] !== '"') i += json[i] === '\\' ? 2 : 1;
    }
    if (depth > most) return true;
  }
  return false;
}

/**
 * The first key that an object of this (valid) JSON text has twice. JSON.parse keeps the last
 * silently, which would let two readers see two different files.
 */
function duplicateKey(json: string): string | undefined {
  const scopes: (Set<string> | undefined)[] = [];
  for (let i = 0; i < json.length; i++) {
    const character = json[i];
    if (character === '{') scopes.push(new Set());
    else if (character === '[') scopes.push(undefined);
    else if (character === '}' || character === ']') scopes.pop();
    else if (character === '"') {
      const start = i++;
      while (json[i] !== '"') i += json[i] === '\\' ? 2 : 1;
      const keys = scopes.at(-1);
      if (keys === undefined || !isFollowedByColon(json, i + 1)) continue;
      const key = String(JSON.parse(json.slice(start, i + 1)));
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

function isFollowedByColon(json: string, from: number): boolean {
  let i = from;
  while (' \t\n\r'.includes(json[i] ?? ':')) i++;
  return json[i] === ':';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0 && !Object.is(value, -0);
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** A shape for a message, never longer than a line. */
function listed(shape: readonly number[]): string {
  const more = shape.length > 8 ? `, .. (${shape.length} sizes)` : '';
  return `[${shape.slice(0, 8).join(', ')}${more}]`;
}

/** A name for a message: visible, and never longer than a line. */
function quote(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 77)}...` : name);
}
