/**
 * How much a reader may make of a file. Formats that compress, repeat or refer back let a few bytes
 * stand for any amount of memory; every reader keeps to this bound, before it allocates.
 */
import { FileError } from '../errors.js';

/** Bytes that even the smallest file may stand for. */
const FLOOR = 16 * 2 ** 20;

/** Bytes that each byte of a file may stand for: tensors that share memory are written out apart. */
const PER_BYTE = 16;

/** The most bytes that may be made of a file of this many bytes: 16 MiB and 16 for each. */
export function outputLimit(fileBytes: number): number {
  return FLOOR + PER_BYTE * fileBytes;
}

/** Counts what is made of one file against its bound. */
export class Budget {
  readonly #limit: number;
  #spent = 0;

  /** @param fileBytes the size of the file */
  constructor(fileBytes: number) {
    this.#limit = outputLimit(fileBytes);
  }

  /**
   * To be called before `bytes` are allocated.
   * @param what for the message: 'the tensors'
   * @throws FileError if that would be more than the file may stand for
   */
  spend(bytes: number, what: string): void {
    this.#spent += bytes;
    if (this.#spent <= this.#limit) return;
    throw new FileError(
      `${what} would take more than ${this.#limit} bytes, the bound for a file of this size ` +
        `(${PER_BYTE} bytes for each of its own and ${FLOOR} besides)`,
    );
  }
}
