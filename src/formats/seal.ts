/**
 * A checksum that a safetensors file carries inside itself: SHA-256 of the whole file, read with
 * zeros where the checksum's own digits stand. It covers every bit, those of the header too.
 */
import { FoveaError } from '../errors.js';

/** The key of the metadata under which the checksum stands, as 64 hexadecimal digits. */
const KEY = 'fovea.sha256';

/** Metadata to write a file with that is to be sealed: the room for the checksum. */
export const UNSEALED: Readonly<Record<string, string>> = { [KEY]: '0'.repeat(64) };

/**
 * Puts the checksum into a file that was written with {@link UNSEALED} among its metadata.
 * @param file changed in place
 */
export async function seal(file: Uint8Array): Promise<void> {
  const digits = digitsOf(file);
  if (digits === undefined) throw new FoveaError('The file was written without room for a seal.');
  new TextEncoder().encodeInto(await checksum(file), digits);
}

/**
 * Whether a file is, bit by bit, as it was sealed; undefined if it carries no seal.
 * @param file a whole safetensors file
 */
export async function isIntact(file: Uint8Array): Promise<boolean | undefined> {
  if (digitsOf(file) === undefined) return undefined;
  const blank = file.slice();
  const digits = digitsOf(blank);
  const expected = new TextDecoder('latin1').decode(digits);
  digits?.fill('0'.charCodeAt(0));
  return (await checksum(blank)) === expected;
}

async function checksum(file: Uint8Array): Promise<string> {
  const hash = new Uint8Array(
    await crypto.subtle.digest('SHA-256', file as Uint8Array<ArrayBuffer>),
  );
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The place of the checksum's digits in a file. */
function digitsOf<T extends ArrayBufferLike>(file: Uint8Array<T>): Uint8Array<T> | undefined {
  const headerBytes = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  // One character per byte, so that places in the text are places in the file.
  const header = new TextDecoder('latin1').decode(file.subarray(8, 8 + headerBytes));
  const key = `"${KEY}":"`;
  const start = header.indexOf(key);
  if (start < 0) return undefined;
  return file.subarray(8 + start + key.length, 8 + start + key.length + 64);
}
