/**
 * TensorBoard event files, as bytes: what `tensorboard --logdir runs` reads.
 *
 * A file is a sequence of TFRecords, each holding one Event message:
 *
 *   8 bytes   length of the data, little-endian
 *   4 bytes   masked CRC-32C of the length
 *   n bytes   the data
 *   4 bytes   masked CRC-32C of the data
 *
 * Source: https://www.tensorflow.org/tutorials/load_data/tfrecord ("TFRecords format details") and
 * event.proto, summary.proto of https://github.com/tensorflow/tensorboard.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

import { RequestError } from '../errors.js';

/** Field numbers of the messages, so far as scalars need them. */
const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;
const SUMMARY_VALUE = 1;
const VALUE = { tag: 1, simpleValue: 2 } as const;
const SESSION_STATUS = 1;
const SESSION_START = 1;

/** The record that every event file begins with. `wallTime`: seconds since 1970. */
export function fileVersionRecord(wallTime: number): Uint8Array<ArrayBuffer> {
  const event = beginEvent(wallTime, 0);
  event.tag(EVENT.fileVersion, WireType.LengthDelimited).string('brain.Event:2');
  return encodeRecord(event.finish());
}

/**
 * The record that a resumed run writes after the file version: TensorBoard then drops what earlier
 * files say of `step` and the steps after it, which the resumed run does again.
 */
export function sessionStartRecord(wallTime: number, step: number): Uint8Array<ArrayBuffer> {
  const event = beginEvent(wallTime, step);
  event.tag(EVENT.sessionLog, WireType.LengthDelimited).fork();
  event.tag(SESSION_STATUS, WireType.Varint).int32(SESSION_START);
  return encodeRecord(event.join().finish());
}

/**
 * Some scalars of one step. They are stored as float32; NaN and infinities are kept.
 *
 * @param wallTime seconds since 1970
 * @param step the epoch or iteration, a whole number of at least 0
 * @param scalars tag to value; a slash in a tag ("loss/train") groups the charts
 * @throws RequestError when the step is no whole number of at least 0
 */
export function scalarsRecord(
  wallTime: number,
  step: number,
  scalars: Readonly<Record<string, number>>,
): Uint8Array<ArrayBuffer> {
  const event = beginEvent(wallTime, step);
  event.tag(EVENT.summary, WireType.LengthDelimited).fork();
  for (const [tag, value] of Object.entries(scalars)) {
    event.tag(SUMMARY_VALUE, WireType.LengthDelimited).fork();
    event.tag(VALUE.tag, WireType.LengthDelimited).string(tag);
    event.tag(VALUE.simpleValue, WireType.Bit32).float(Math.fround(value));
    event.join();
  }
  return encodeRecord(event.join().finish());
}

/** One TFRecord: the data with its length and both checksums. */
export function encodeRecord(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const record = new Uint8Array(12 + data.length + 4);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return record;
}

/** CRC-32C (Castagnoli; RFC 3720, B.4): the CRC of "123456789" is 0xe3069283. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** Rotated and shifted, so that the CRC of data that holds CRCs stays a good checksum. */
function maskedCrc32c(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

function beginEvent(wallTime: number, step: number): BinaryWriter {
  if (!Number.isSafeInteger(step) || step < 0) {
    throw new RequestError(`A TensorBoard step must be a whole number of at least 0, not ${step}.`);
  }
  const event = new BinaryWriter();
  event.tag(EVENT.wallTime, WireType.Bit64).double(wallTime);
  // A 0 is not written, as in every protobuf message of this syntax.
  return step === 0 ? event : event.tag(EVENT.step, WireType.Varint).int64(step);
}
