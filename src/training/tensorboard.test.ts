import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { RequestError } from '../errors.js';
import {
  crc32c,
  encodeRecord,
  fileVersionRecord,
  scalarsRecord,
  sessionStartRecord,
} from './tensorboard.js';
import { crc32cBitByBit, readEvents, readRecords } from './testing/tfrecord.js';

describe('crc32c', () => {
  // RFC 3720, B.4, and the check value of the CRC catalogues.
  it.each([
    ['"123456789"', new TextEncoder().encode('123456789'), 0xe3069283],
    ['nothing', new Uint8Array(0), 0],
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 bytes of 0xff', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['0 to 31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['31 to 0', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ])('of %s, by the writer and by the reader', (_, data, expected) => {
    expect(crc32c(data)).toBe(expected);
    expect(crc32cBitByBit(data)).toBe(expected);
  });
});

/**
 * Three events as TensorBoard 2.21 writes them (tensorboard.summary.writer.record_writer.RecordWriter
 * on Event messages): the file's version, the start of a session at step 3, two scalars of step 300.
 */
const TENSORBOARDS = [
  '1800000000000000a37f4b220900002040fc54d9411a0d627261696e2e4576656e743a322b353110',
  '0f000000000000006d532b090900005040fc54d94110033a020801ca4a9a0b',
  '3200000000000000241956ec0900008040fc54d94110ac022a240a110a0a6c6f73732f747261696e15000020400a0f' +
    '0a0876616c5f746f7031150000754221518090',
].map((record) => Uint8Array.from(Buffer.from(record, 'hex')));

describe("TensorBoard's own records", () => {
  const scalars = { 'loss/train': 2.5, val_top1: 61.25 };

  it('mean to the reader what was written', () => {
    expect(readEvents(Buffer.concat(TENSORBOARDS))).toEqual([
      { wallTime: 1700000000.5, step: 0, fileVersion: 'brain.Event:2', scalars: {} },
      { wallTime: 1700000001.25, step: 3, sessionStatus: 1, scalars: {} },
      { wallTime: 1700000002, step: 300, scalars },
    ]);
  });

  it('are the same bytes that the writer writes', () => {
    expect([
      fileVersionRecord(1700000000.5),
      sessionStartRecord(1700000001.25, 3),
      scalarsRecord(1700000002, 300, scalars),
    ]).toEqual(TENSORBOARDS);
  });
});

describe('encodeRecord', () => {
  it('gives any data back through an independent reader', () => {
    const property = fc.property(fc.array(fc.uint8Array(), { maxLength: 4 }), (contents) => {
      const file = contents.flatMap((data) => [...encodeRecord(data)]);
      expect(readRecords(Uint8Array.from(file))).toEqual(contents);
    });
    fc.assert(property);
  });

  it('is noticed when a bit is flipped in the length, the data or a checksum', () => {
    const record = encodeRecord(Uint8Array.of(1, 2, 3));
    for (const byte of [0, 8, 11, 12, 14, 15, 18]) {
      const damaged = record.slice();
      damaged[byte] = (damaged[byte] ?? 0) ^ 4;
      expect(() => readRecords(damaged), `byte ${byte}`).toThrow();
    }
  });
});

describe('events', () => {
  it('say the version of the file', () => {
    expect(readEvents(fileVersionRecord(1.5))).toEqual([
      { wallTime: 1.5, step: 0, fileVersion: 'brain.Event:2', scalars: {} },
    ]);
  });

  it('hold the scalars of a step', () => {
    const scalars = { 'loss/train': 2.5, 'top1/väl': -0.125, nan: NaN, inf: Infinity };
    expect(readEvents(scalarsRecord(1e9 + 0.25, 7, scalars))).toEqual([
      { wallTime: 1e9 + 0.25, step: 7, scalars },
    ]);
  });

  it('store float32, also what it cannot hold', () => {
    const [event] = readEvents(scalarsRecord(0, 0, { third: 1 / 3, huge: 1e300 }));
    expect(event?.scalars).toEqual({ third: Math.fround(1 / 3), huge: Infinity });
  });

  it('hold steps past 32 bits', () => {
    expect(readEvents(scalarsRecord(0, 2 ** 40, { a: 1 }))[0]?.step).toBe(2 ** 40);
  });

  it('say where a resumed run starts', () => {
    expect(readEvents(sessionStartRecord(2, 12))).toEqual([
      { wallTime: 2, step: 12, sessionStatus: 1, scalars: {} },
    ]);
  });

  it.each([-1, 0.5, NaN, 2 ** 53])('refuse the step %d', (step) => {
    expect(() => scalarsRecord(0, step, {})).toThrow(RequestError);
  });
});
