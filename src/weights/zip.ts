/**
 * The entries of a zip archive as PyTorch writes it: stored, not compressed. Pure bytes, so that it
 * runs in a browser too.
 *
 * Source: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory) and
 * 4.3.16 (its end). Archives of 4 GiB and more (zip64) are not read: no Uint8Array holds them.
 */
import { FileError } from '../errors.js';

const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const LOCAL_HEADER = 0x04034b50;
const END_BYTES = 22;
const STORED = 0;

/** Whether bytes begin as a zip archive does. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
}

/**
 * Reads the names and contents of a zip archive. The contents share the memory of `bytes`.
 * @param file what errors call it
 * @throws FileError for an archive that is truncated or corrupt (each entry's CRC-32 is checked), or
 *   has compressed entries
 */
export function readZip(bytes: Uint8Array, file: string): Map<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const refuse = (problem: string) => new FileError(`${file}: ${problem}.`);
  const end = endOfDirectory(view);
  if (end === undefined) {
    throw refuse('the zip archive has no directory at its end: the file is truncated');
  }
  const entries = new Map<string, Uint8Array>();
  try {
    const count = view.getUint16(end + 10, true);
    let at = view.getUint32(end + 16, true);
    for (let i = 0; i < count; i++) {
      if (view.getUint32(at, true) !== DIRECTORY_ENTRY)
        throw refuse('the zip directory is corrupt');
      const nameBytes = view.getUint16(at + 28, true);
      const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameBytes));
      if (view.getUint16(at + 10, true) !== STORED) {
        throw refuse(`'${name}' is compressed, which PyTorch does not do`);
      }
      const content = entry(
        view,
        bytes,
        view.getUint32(at + 42, true),
        view.getUint32(at + 24, true),
      );
      if (content === undefined || crc32(content) !== view.getUint32(at + 16, true)) {
        throw refuse(`'${name}' is not what was stored: the file is corrupt`);
      }
      entries.set(name, content);
      at += 46 + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    }
  } catch (error) {
    if (error instanceof RangeError) throw refuse('the zip directory points outside of the file');
    throw error;
  }
  return entries;
}

/** Where the record at the end begins: last in the file, but for a comment. */
function endOfDirectory(view: DataView): number | undefined {
  const last = view.byteLength - END_BYTES;
  for (let at = last; at >= 0 && at > last - 0x10000; at--) {
    if (view.getUint32(at, true) === END_OF_DIRECTORY) return at;
  }
  return undefined;
}

function entry(
  view: DataView,
  bytes: Uint8Array,
  header: number,
  size: number,
): Uint8Array | undefined {
  if (view.getUint32(header, true) !== LOCAL_HEADER) return undefined;
  const start = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
  return start + size <= bytes.length ? bytes.subarray(start, start + size) : undefined;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** The checksum of zip and gzip (ISO 3309). */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}
