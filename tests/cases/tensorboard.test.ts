/** TensorBoard's files carry checksums that its readers check: masked CRC-32C, after a resume too. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { EventWriter } from '../../src/training/node/event-writer.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-tensorboard-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** CRC-32C bit by bit, from its polynomial (Castagnoli 1993), reflected. */
function crc32c(bytes: Uint8Array): number {
  let rest = 0xffffffff;
  for (const byte of bytes) {
    rest ^= byte;
    for (let i = 0; i < 8; i++) rest = rest & 1 ? (rest >>> 1) ^ 0x82f63b78 : rest >>> 1;
  }
  return ~rest >>> 0;
}

/** As a TFRecord stores it: turned by 15 bits, and a constant added. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

describe('the event files of a run', () => {
  it('are checked by a CRC that is right for what is known of it', () => {
    // RFC 3720, appendix B.4.
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
  });

  it('have the right checksums in every record', async () => {
    const first = await EventWriter.open(folder);
    for (let step = 1; step <= 20; step++) await first.scalars(step, { 'loss/train': 1 / step });
    await first.close();
    const second = await EventWriter.open(folder, { resumeStep: 20 });
    await second.scalars(21, { 'loss/train': NaN, top1: -0 });
    await second.close();

    const counts: number[] = [];
    for (const name of (await readdir(folder)).sort()) {
      const bytes = await readFile(join(folder, name));
      let count = 0;
      for (let at = 0; at < bytes.length; count++) {
        const length = Number(bytes.readBigUInt64LE(at));
        const data = bytes.subarray(at + 12, at + 12 + length);
        expect(data.length).toBe(length);
        expect(bytes.readUInt32LE(at + 8)).toBe(masked(crc32c(bytes.subarray(at, at + 8))));
        expect(bytes.readUInt32LE(at + 12 + length)).toBe(masked(crc32c(data)));
        at += 16 + length;
      }
      counts.push(count);
    }
    // The version, and the events; where it was taken up again, a mark of that besides.
    expect(counts).toEqual([21, 3]);
  });
});
