/** Mutations of pictures, chunk by chunk: PNG (checksums put right), JPEG, WebP, and EXIF in them. */
import { crc32, deflateSync, inflateSync } from 'node:zlib';
import type { RandomStream } from '../../../src/random/index.js';
import { edgeNear, EDGES, once, pick, place, shortLength, type Mutate } from '../dice.js';
import { concat, encode, mutateBytes, noise, numberBytes, replaceAt } from './bytes.js';

/** A piece of a picture: the name of a chunk or the marker of a segment, and its content. */
interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
}

/** EXIF with an orientation, as TIFF: header, entries, next directory. */
export function exif(random: RandomStream): Uint8Array {
  const little = once(random, 2);
  const u16 = (value: bigint | number): Uint8Array => numberBytes(BigInt(value), 2, little);
  const u32 = (value: bigint | number): Uint8Array => numberBytes(BigInt(value), 4, little);
  const count = once(random, 8) ? 65535 : 1 + random.integer(4);
  const entries = Array.from({ length: Math.min(count, 5) }, () => {
    const tag = once(random, 4) ? random.integer(65536) : 0x0112;
    const type = once(random, 4) ? random.integer(20) : 3;
    const values = once(random, 4) ? pick(random, EDGES) : 1;
    const value = once(random, 3) ? pick(random, EDGES) : random.integer(11);
    return concat(u16(tag), u16(type), u32(values), u16(value), u16(0));
  });
  const first = once(random, 5) ? pick(random, EDGES) : 8;
  const next = once(random, 3) ? edgeNear(random, 8) : 0n;
  const order = encode(little ? 'II' : 'MM');
  return concat(
    order,
    u16(once(random, 9) ? 43 : 42),
    u32(first),
    u16(count),
    ...entries,
    u32(next),
  );
}

/** Edits EXIF by itself: another in its place, or some of its bytes. */
export const mutateExif: Mutate = (random, bytes, other) =>
  once(random, 3) ? exif(random) : mutateBytes(random, bytes, other);

function editChunks(
  random: RandomStream,
  chunks: Chunk[],
  others: readonly Chunk[],
  made: () => Chunk,
  inside: (chunk: Chunk) => Uint8Array,
): void {
  const at = place(random, chunks.length);
  const chunk = chunks[at];
  switch (random.integer(8)) {
    case 0:
      chunks.splice(at, 1);
      return;
    case 1:
      if (chunk !== undefined) chunks.splice(place(random, chunks.length), 0, chunk);
      return;
    case 2:
    case 3:
      chunks.splice(at, 0, made());
      return;
    case 4: {
      const theirs = pick(random, others);
      if (theirs !== undefined) chunks.splice(at, once(random, 2) ? 1 : 0, theirs);
      return;
    }
    default:
      if (chunk !== undefined) chunks[at] = { type: chunk.type, data: inside(chunk) };
  }
}

const PNG_SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** Edits a PNG's chunks. */
export const mutatePng: Mutate = (random, bytes, other) => {
  const chunks = pngChunks(bytes);
  if (chunks.length === 0) return mutateBytes(random, bytes, other);
  const inside = ({ type, data }: Chunk): Uint8Array => {
    if (type === 'IHDR') return sized(random, data, [0, 4]);
    const pixels = type === 'IDAT' && once(random, 2) ? inflated(data) : undefined;
    if (pixels === undefined) return mutateBytes(random, data, data);
    return deflateSync(mutateBytes(random, pixels, pixels), { level: 1 });
  };
  const made = (): Chunk => {
    const type = pick(random, [
      'eXIf',
      'tEXt',
      'zTXt',
      'iCCP',
      'PLTE',
      'tRNS',
      'acTL',
      'IEND',
      'gAMA',
    ]);
    if (type === 'eXIf') return { type, data: exif(random) };
    const text = concat(encode('a\0\0'), deflateSync(new Uint8Array(shortLength(random, 30_000))));
    return { type, data: once(random, 2) ? text : noise(random, random.integer(40)) };
  };
  editChunks(random, chunks, pngChunks(other), made, inside);
  const written = chunks.map(({ type, data }) => {
    const named = concat(encode(type).subarray(0, 4), data);
    return concat(
      numberBytes(BigInt(data.length), 4, false),
      named,
      numberBytes(BigInt(crc32(named)), 4, false),
    );
  });
  const built = concat(PNG_SIGNATURE, ...written);
  return once(random, 10) ? built.subarray(0, place(random, built.length)) : built;
};

function pngChunks(bytes: Uint8Array): Chunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const chunks: Chunk[] = [];
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at, false);
    const type = new TextDecoder('latin1').decode(bytes.subarray(at + 4, at + 8));
    chunks.push({ type, data: bytes.slice(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return chunks;
}

function inflated(data: Uint8Array): Uint8Array | undefined {
  try {
    return inflateSync(data, { maxOutputLength: 1 << 20 });
  } catch {
    return undefined;
  }
}

/** A header with another width or height, or anything else of it changed. */
function sized(random: RandomStream, header: Uint8Array, places: readonly number[]): Uint8Array {
  const at = pick(random, places);
  if (at === undefined || once(random, 3) || header.length < at + 4) {
    return mutateBytes(random, header, header);
  }
  return replaceAt(header, at, at + 4, numberBytes(edgeNear(random, 9), 4, false));
}

/** Edits a JPEG's segments; what follows the start of the scan is one piece. */
export const mutateJpeg: Mutate = (random, bytes, other) => {
  const chunks = jpegSegments(bytes);
  if (chunks.length === 0) return mutateBytes(random, bytes, other);
  const inside = ({ type, data }: Chunk): Uint8Array => {
    // Frame headers: precision, height, width.
    if (!/^ffc[0-2]$/.test(type) || once(random, 3)) return mutateBytes(random, data, data);
    const at = pick(random, [1, 3]);
    return replaceAt(data, at, at + 2, numberBytes(edgeNear(random, 9), 2, false));
  };
  const made = (): Chunk => {
    const type = pick(random, [
      'ffe1',
      'ffe1',
      'ffe0',
      'ffe2',
      'ffee',
      'fffe',
      'ffdd',
      'ffdb',
      'ffc4',
    ]);
    if (type !== 'ffe1') return { type, data: noise(random, random.integer(40)) };
    const name = pick(random, ['Exif\0\0', 'Exif\0\0', 'http://ns.adobe.com/xap/1.0/\0', 'Exif']);
    return { type, data: concat(encode(name), exif(random)) };
  };
  editChunks(random, chunks, jpegSegments(other), made, inside);
  const written = chunks.map(({ type, data }) => {
    if (type === 'rest') return data;
    const length = once(random, 30) ? edgeNear(random, data.length + 2) : BigInt(data.length + 2);
    const padding = once(random, 30) ? [0xff, 0xff] : [];
    const marker = Uint8Array.of(...padding, 0xff, parseInt(type.slice(2), 16));
    return concat(marker, numberBytes(length, 2, false), data);
  });
  const built = concat(Uint8Array.of(0xff, 0xd8), ...written);
  return once(random, 10) ? built.subarray(0, place(random, built.length)) : built;
};

function jpegSegments(bytes: Uint8Array): Chunk[] {
  const segments: Chunk[] = [];
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return segments;
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] ?? 0;
    const length = 256 * (bytes[at + 2] ?? 0) + (bytes[at + 3] ?? 0);
    if (marker === 0xda || marker < 0xc0 || length < 2) break;
    segments.push({ type: `ff${marker.toString(16)}`, data: bytes.slice(at + 4, at + 2 + length) });
    at += 2 + length;
  }
  segments.push({ type: 'rest', data: bytes.slice(at) });
  return segments;
}

/** Edits a WebP's chunks. */
export const mutateWebp: Mutate = (random, bytes, other) => {
  const chunks = webpChunks(bytes);
  if (chunks.length === 0) return mutateBytes(random, bytes, other);
  const made = (): Chunk => {
    const type = pick(random, [
      'EXIF',
      'EXIF',
      'VP8X',
      'ICCP',
      'ALPH',
      'ANIM',
      'ANMF',
      'XMP ',
      'VP8 ',
    ]);
    if (type !== 'EXIF') return { type, data: noise(random, random.integer(30)) };
    return { type, data: concat(encode(once(random, 2) ? 'Exif\0\0' : ''), exif(random)) };
  };
  const inside = ({ data }: Chunk): Uint8Array => mutateBytes(random, data, data);
  editChunks(random, chunks, webpChunks(other), made, inside);
  const written = chunks.map(({ type, data }) => {
    const length = once(random, 30) ? edgeNear(random, data.length) : BigInt(data.length);
    const padding = new Uint8Array(data.length % 2);
    return concat(encode(type).subarray(0, 4), numberBytes(length, 4, true), data, padding);
  });
  const body = concat(encode('WEBP'), ...written);
  const length = once(random, 20) ? edgeNear(random, body.length) : BigInt(body.length);
  const built = concat(encode('RIFF'), numberBytes(length, 4, true), body);
  return once(random, 10) ? built.subarray(0, place(random, built.length)) : built;
};

function webpChunks(bytes: Uint8Array): Chunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const chunks: Chunk[] = [];
  for (let at = 12; at + 8 <= bytes.length;) {
    const length = view.getUint32(at + 4, true);
    const type = new TextDecoder('latin1').decode(bytes.subarray(at, at + 4));
    chunks.push({ type, data: bytes.slice(at + 8, at + 8 + length) });
    at += 8 + length + (length % 2);
  }
  return chunks;
}
