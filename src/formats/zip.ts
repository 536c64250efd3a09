/**
 * The entries of a zip archive, stored or deflated. Pure bytes, so that it runs in a browser too.
 *
 * An archive says everything twice, before each entry and in a directory at its end, and two readers
 * that believe different halves see different files. So both must agree, names may stand once, and
 * no byte may belong to two entries.
 *
 * Source: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.9 (data descriptor), 4.3.12
 * (central directory), 4.3.14 to 4.3.16 (its ends), 4.4 (fields) and 4.5.3 (sizes of 64 bits).
 */
import { inflateSync } from 'fflate';
import { FileError } from '../errors.js';
import { Budget } from './bounds.js';
import { LOCAL_HEADER, readDirectory, type DirectoryEntry } from './zip-directory.js';

const STORED = 0;
const DEFLATED = 8;
const METHODS: Readonly<Record<number, string>> = {
  9: 'Deflate64',
  12: 'bzip2',
  14: 'LZMA',
  93: 'Zstandard',
  95: 'xz',
  98: 'PPMd',
};
/** Bits of an entry's flags. */
const ENCRYPTED = 1;
const SIZES_FOLLOW = 8;
/** Of the local header, before the name. */
const LOCAL_BYTES = 30;

/** Whether bytes begin as a zip archive does; an empty one begins with the end of its directory. */
export function isZip(bytes: Uint8Array): boolean {
  const [first, second, third, fourth] = bytes;
  const kind = (third === 3 && fourth === 4) || (third === 5 && fourth === 6);
  return first === 0x50 && second === 0x4b && kind;
}

/**
 * Reads the names and contents of a zip archive. Contents that are not compressed share the memory
 * of `bytes`; those that are take no more than the bound of `bounds.ts`.
 * @param file what errors call it
 * @throws FileError for an archive that is truncated, corrupt (each entry's CRC-32 is checked) or
 *   encrypted, contradicts itself, or is compressed in another way than by deflate
 */
export function readZip(bytes: Uint8Array, file: string): Map<string, Uint8Array> {
  const refuse = (problem: string): never => {
    throw new FileError(`${file}: ${problem}.`);
  };
  try {
    return readEntries(bytes, refuse);
  } catch (error) {
    if (error instanceof RangeError) refuse('the zip directory points outside of the file');
    throw error;
  }
}

type Refuse = (problem: string) => never;

function readEntries(bytes: Uint8Array, refuse: Refuse): Map<string, Uint8Array> {
  const { entries, start } = readDirectory(bytes, refuse);
  const contents = new Map<string, Uint8Array>();
  const budget = new Budget(bytes.length);
  let taken = 0;
  for (const entry of [...entries].sort((a, b) => a.header - b.header)) {
    if (contents.has(entry.name)) {
      refuse(`two entries of the zip archive are called '${entry.name}', so one would be lost`);
    }
    if (entry.header < taken) {
      refuse(`the zip entry '${entry.name}' lies inside another: the file is corrupt or a trick`);
    }
    const packed = packedBytes(bytes, entry, start, refuse);
    taken = packed.byteOffset - bytes.byteOffset + packed.length;
    const content = unpack(packed, entry, budget, refuse);
    if (crc32(content) !== entry.crc) {
      refuse(`'${entry.name}' is not what was stored: the file is corrupt`);
    }
    contents.set(entry.name, content);
  }
  // In the order of the directory, which is the one that other readers see.
  return new Map(entries.map(({ name }) => [name, contents.get(name) ?? new Uint8Array(0)]));
}

/** The entry's bytes as they are stored, if the header before them says what the directory says. */
function packedBytes(
  bytes: Uint8Array,
  entry: DirectoryEntry,
  directory: number,
  refuse: Refuse,
): Uint8Array {
  const { name, header } = entry;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(header, true) !== LOCAL_HEADER) {
    refuse(`the zip directory says that '${name}' begins at byte ${header}, where nothing does`);
  }
  const flags = view.getUint16(header + 6, true);
  const nameBytes = view.getUint16(header + 26, true);
  const nameStart = header + LOCAL_BYTES;
  const begin = nameStart + nameBytes + view.getUint16(header + 28, true);
  const end = begin + entry.packedBytes;
  if (end > directory) {
    refuse(`the zip entry '${name}' ends at byte ${end}, after the directory begins`);
  }
  const localName = bytes.subarray(nameStart, nameStart + nameBytes);
  const differs = (what: string) =>
    refuse(
      `the zip archive contradicts itself about ${what} of '${name}': the file is corrupt, or ` +
        'another program changed it',
    );
  if (!sameBytes(localName, entry.nameBytes)) differs('the name');
  if (flags !== entry.flags) differs('the flags');
  if (view.getUint16(header + 8, true) !== entry.method) differs('the compression');
  // Where they follow the content, they may be left out before it.
  const later = (flags & SIZES_FOLLOW) !== 0;
  const agrees = (at: number, expected: number) => {
    const found = view.getUint32(at, true);
    return found === expected || found === 0xffffffff || (later && found === 0);
  };
  if (!agrees(header + 14, entry.crc)) differs('the checksum');
  if (!agrees(header + 18, entry.packedBytes) || !agrees(header + 22, entry.bytes)) {
    differs('the size');
  }
  return bytes.subarray(begin, end);
}

function unpack(
  packed: Uint8Array,
  { name, method, flags, bytes }: DirectoryEntry,
  budget: Budget,
  refuse: Refuse,
): Uint8Array {
  if ((flags & ENCRYPTED) !== 0) {
    refuse(`'${name}' is encrypted. Unpack the archive with its password and zip it again`);
  }
  if (method === STORED) {
    if (packed.length !== bytes) {
      refuse(`'${name}' is stored in ${packed.length} bytes but should have ${bytes}`);
    }
    return packed;
  }
  if (method !== DEFLATED) {
    refuse(
      `'${name}' is compressed with ${METHODS[method] ?? `method ${method}`}, which is not read. ` +
        'Zip the files again with deflate, or without compression',
    );
  }
  try {
    budget.spend(bytes, `the compressed entries up to '${name}'`);
  } catch (error) {
    if (error instanceof FileError) refuse(error.message);
    throw error;
  }
  // One more byte than there should be, so that too much is seen too.
  const out = new Uint8Array(bytes + 1);
  const content = inflated(packed, out);
  if (content?.length !== bytes) {
    refuse(`'${name}' does not unpack to the ${bytes} bytes that it should have`);
  }
  return out.subarray(0, bytes);
}

function inflated(packed: Uint8Array, out: Uint8Array): Uint8Array | undefined {
  try {
    return inflateSync(packed, { out });
  } catch {
    // What the library says about damaged data is about its own workings.
    return undefined;
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** The checksum of zip and gzip (ISO 3309). */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  // By index: twice as fast as by iterator, and files are long.
  for (let i = 0; i < bytes.length; i++) {
    crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
