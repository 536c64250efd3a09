/**
 * The files in a tar archive, for the oldest format of torch.save. Pure bytes.
 *
 * Source: POSIX.1-2017, pax, "ustar Interchange Format".
 */
import { FileError } from '../errors.js';

const BLOCK = 512;

/** Whether bytes begin as a tar archive does. */
export function isTar(bytes: Uint8Array): boolean {
  return bytes.length >= BLOCK && text(bytes, 257, 5) === 'ustar';
}

/**
 * The regular files of a tar archive by name. Contents share the memory of `bytes`.
 * @param file what errors call it
 * @throws FileError if it is truncated or corrupt, or has two files of one name
 */
export function readTar(bytes: Uint8Array, file: string): Map<string, Uint8Array> {
  const entries = new Map<string, Uint8Array>();
  let at = 0;
  // Blocks of zeros end the archive.
  while (at + BLOCK <= bytes.length && bytes[at] !== 0) {
    const header = bytes.subarray(at, at + BLOCK);
    const size = octal(header, 124, 12);
    if (size === undefined || octal(header, 148, 8) !== checksum(header)) {
      throw new FileError(`${file}: the tar archive is corrupt at byte ${at}.`);
    }
    const begin = at + BLOCK;
    if (begin + size > bytes.length) {
      throw new FileError(
        `${file}: expected ${size} bytes from byte ${begin} on, found ${bytes.length - begin}: the file is truncated.`,
      );
    }
    const kind = header[156];
    if (kind === 0 || kind === 0x30 /* a regular file */) {
      const name = text(header, 0, 100).replace(/^\.\//, '');
      if (entries.has(name)) {
        throw new FileError(`${file}: two files of the tar archive are called '${name}'.`);
      }
      entries.set(name, bytes.subarray(begin, begin + size));
    }
    at = begin + Math.ceil(size / BLOCK) * BLOCK;
  }
  return entries;
}

/** A text that ends with the first zero. */
function text(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

function octal(bytes: Uint8Array, start: number, length: number): number | undefined {
  const digits = text(bytes, start, length).trim();
  return /^[0-7]+$/.test(digits) ? parseInt(digits, 8) : undefined;
}

/** The sum of the header's bytes, with spaces in the place of the sum itself. */
function checksum(header: Uint8Array): number {
  return header.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 0x20 : byte), 0);
}
