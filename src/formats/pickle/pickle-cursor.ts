import { latin1 } from '../latin1.js';
import { PickleError } from './pickle-values.js';

const UTF8 = new TextDecoder();

/** A place in the bytes of a pickle: reads numbers and strings there, never past the end. */
export class PickleCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #source: string;
  /** Offset of the next byte. */
  at: number;

  constructor(bytes: Uint8Array, at: number, source: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#source = source;
    this.at = at;
  }

  /** The error for a problem just before this place. */
  error(problem: string): PickleError {
    return new PickleError(`${this.#source}, byte ${this.at}: ${problem.replace(/\.$/, '')}.`);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  f64BigEndian(): number {
    return this.#view.getFloat64(this.#take(8), false);
  }

  /** The next bytes, sharing memory. */
  slice(length: number): Uint8Array {
    const start = this.#take(length);
    // A plain Uint8Array, also where the input is one of Node's Buffers.
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, length);
  }

  /** The next bytes as UTF-8. */
  text(length: number): string {
    return UTF8.decode(this.slice(length));
  }

  /** The text up to the next line feed, which is passed over, a character for each byte. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at);
    if (end < 0) throw this.error('a line does not end: the file is truncated');
    const text = latin1(this.slice(end - this.at));
    this.#take(1);
    return text;
  }

  /** Moves past `count` bytes and returns where they begin. */
  #take(count: number): number {
    const start = this.at;
    const left = this.#bytes.length - start;
    if (count > left) {
      throw this.error(`expected ${count} more bytes, found ${left}: the file is truncated`);
    }
    this.at += count;
    return start;
  }
}
