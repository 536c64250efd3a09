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
import { readEvents, readRecords } from './testing/tfrecord.js';

describe('crc32c', () => {
  // RFC 3720, B.4, and the check value of the CRC catalogues.
  it.each([
    ['"123456789"', new TextEncoder().encode('123456789'), 0xe3069283],
    ['nothing', new Uint8Array(0), 0],
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 bytes of 0xff', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['0 to 31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['31 to 0', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ])('of %s', (_, data, expected) => {
    expect(crc32c(data)).toBe(expected);
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
