/** Mutations of safetensors files: the header as JSON, its length and the data put right after it. */
import type { RandomStream } from '../../../src/random/index.js';
import { BITS_PER_ELEMENT, bytesOfElements, isDtype } from '../../../src/formats/dtypes.js';
import { edgeNear, once, pick, type Mutate } from '../dice.js';
import { concat, encode, mutateBytes, numberBytes } from './bytes.js';
import { editJson, jsonText, oddValue, parseJson } from './text.js';

type Header = Record<string, unknown>;

/** More data than this is not made up to fit a header. */
const MOST_DATA = 1 << 16;

const DTYPES = [...Object.keys(BITS_PER_ELEMENT), 'F128', ''];

/** Edits the header, and mostly lets the rest agree with it, so that the readers behind see it. */
export const mutateSafetensors: Mutate = (random, bytes, other) => {
  const parts = split(bytes);
  if (parts === undefined) return mutateBytes(random, bytes, other);
  let { header, data } = parts;
  if (once(random, 4)) data = mutateBytes(random, data, other);
  else header = editHeader(random, header);
  if (!once(random, 4)) [header, data] = laidOut(header, data);
  const text = encode(jsonText(header));
  const length = once(random, 12) ? edgeNear(random, text.length) : BigInt(text.length);
  return concat(numberBytes(length, 8, true), text, data);
};

/** Edits the strings of the metadata, with everything else as it was. */
export function mutateMetadata(keys: readonly string[]): Mutate {
  return (random, bytes, other) => {
    const parts = split(bytes);
    const { __metadata__: found } = parts?.header ?? {};
    if (parts === undefined || typeof found !== 'object') return mutateBytes(random, bytes, other);
    const metadata = { ...found } as Record<string, unknown>;
    const key = pick(random, keys) ?? '';
    const edited = editJson(random, parseJson(String(metadata[key])));
    metadata[key] = once(random, 6) ? oddValue(random) : jsonText(edited);
    const text = encode(jsonText({ ...parts.header, __metadata__: metadata }));
    return concat(numberBytes(BigInt(text.length), 8, true), text, parts.data);
  };
}

function split(bytes: Uint8Array): { header: Header; data: Uint8Array } | undefined {
  if (bytes.length < 8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = 8 + Number(view.getBigUint64(0, true));
  const header = parseJson(new TextDecoder().decode(bytes.subarray(8, end)));
  const usable = typeof header === 'object' && header !== null && !Array.isArray(header);
  return usable ? { header: header as Header, data: bytes.slice(end) } : undefined;
}

function editHeader(random: RandomStream, header: Header): Header {
  const names = Object.keys(header).filter((name) => name !== '__metadata__');
  const name = pick(random, names);
  const entry = name === undefined ? undefined : header[name];
  if (name === undefined || typeof entry !== 'object' || entry === null || once(random, 2)) {
    const edited = editJson(random, header);
    return typeof edited === 'object' && edited !== null ? (edited as Header) : header;
  }
  const { shape } = entry as { shape?: unknown };
  const sizes = Array.isArray(shape) ? shape : [];
  const changed = once(random, 2)
    ? { dtype: pick(random, DTYPES) }
    : { shape: sizes.map((size) => (once(random, 2) ? random.integer(5) : (size as unknown))) };
  return { ...header, [name]: { ...entry, ...changed } };
}

/** The tensors one behind the other, each as long as its shape says. */
function laidOut(header: Header, data: Uint8Array): [Header, Uint8Array] {
  let at = 0;
  const laid = Object.entries(header).map(([name, entry]): [string, unknown] => {
    const { dtype, shape } = (entry ?? {}) as { dtype?: unknown; shape?: unknown };
    if (typeof dtype !== 'string' || !Array.isArray(shape)) return [name, entry];
    const count = shape.reduce<number>((product, size) => product * Number(size), 1);
    const length = isDtype(dtype) ? bytesOfElements(dtype, count) : count;
    if (!(length <= MOST_DATA)) return [name, entry];
    const begin = at;
    at += Math.max(0, Math.trunc(length));
    return [name, { ...(entry as object), data_offsets: [begin, at] }];
  });
  const filled = new Uint8Array(Math.min(at, MOST_DATA));
  filled.set(data.subarray(0, filled.length));
  return [Object.fromEntries(laid), filled];
}
