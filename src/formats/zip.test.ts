/** Archives that tell the truth in every way that zip has, and archives that lie. */
import { crc32, deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { FileError } from '../errors.js';
import { zipOf, type ZipEntry } from '../testing/zip.node.js';
import { readZip } from './zip.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const a: ZipEntry = { name: 'x/a', content: bytes('first content') };
const b: ZipEntry = { name: 'x/b', content: bytes('second') };

/** An entry of the content that is stored deflated. */
function deflated(name: string, content: Uint8Array): ZipEntry {
  const crc = crc32(content);
  return { name, content: deflateRawSync(content), crc, bytes: content.length, method: 8 };
}

const read = (archive: Uint8Array) => readZip(archive, 'some.pt');
const contents = (archive: Uint8Array) =>
  [...read(archive)].map(([name, content]) => [name, new TextDecoder().decode(content)]);
const BOTH = [
  ['x/a', 'first content'],
  ['x/b', 'second'],
];

describe('readZip', () => {
  it.each([
    ['stored entries', zipOf([a, b])],
    ['deflated entries', zipOf([deflated('x/a', a.content), deflated('x/b', b.content)])],
    ['a comment', zipOf([a, b], { comment: 'PK\x05\x06 and more that is no end of a directory' })],
    ['something before the archive', zipOf([a, b], { prefix: '#!/bin/sh\n' })],
    ['sizes of 64 bits', zipOf([a, b], { wide: true })],
    ['64 bits and something before', zipOf([a, b], { wide: true, prefix: 'junk' })],
    [
      'sizes that follow the content',
      zipOf([
        { ...a, flags: 8, local: { crc: 0, bytes: 13 } },
        { ...b, flags: 8, local: { crc: 0, bytes: 6 } },
      ]),
    ],
  ])('reads %s', (_, archive) => {
    expect(contents(archive)).toEqual(BOTH);
  });

  it('reads an archive of nothing', () => {
    expect(read(zipOf([])).size).toBe(0);
  });

  const changed = bytes('first kontent');
  it.each<[string, Uint8Array, RegExp]>([
    ['two entries of one name', zipOf([a, { ...b, name: 'x/a' }]), /two entries .* 'x\/a'/],
    [
      'two names',
      zipOf([{ ...a, local: { name: 'x/c' } }, b]),
      /contradicts .* the name of 'x\/a'/,
    ],
    ['two methods', zipOf([{ ...a, local: { method: 8 } }]), /contradicts .* the compression/],
    ['two checksums', zipOf([{ ...a, local: { crc: 1 } }]), /contradicts .* the checksum/],
    ['two sizes', zipOf([{ ...a, local: { bytes: 12 } }]), /contradicts .* the size/],
    ['two kinds of flags', zipOf([{ ...a, local: { flags: 2048 } }]), /contradicts .* the flags/],
    ['another content', zipOf([{ ...a, content: changed, crc: crc32(a.content) }]), /not what was/],
    ['a size of its own', zipOf([{ ...a, bytes: 12 }]), /stored in 13 bytes but should have 12/],
    ['one content for two', zipOf([a, { ...b, header: 0 }]), /lies inside another|contradicts/],
    ['a header that is none', zipOf([{ ...a, header: 3 }]), /begins at byte 3, where nothing does/],
    ['a header outside', zipOf([{ ...a, header: 1e9 }]), /points outside of the file/],
    ['more entries than it lists', zipOf([a], { count: 2 }), /should list 2 entries and lists 1/],
    ['fewer entries than it lists', zipOf([a, b], { count: 1 }), /should list 1 entries and/],
    ['encryption', zipOf([{ ...a, flags: 1 }]), /'x\/a' is encrypted\. Unpack the archive/],
    ['bzip2', zipOf([{ ...a, method: 12 }]), /compressed with bzip2, which is not read/],
    ['an unknown method', zipOf([{ ...a, method: 77 }]), /compressed with method 77/],
    ['what is not deflated', zipOf([{ ...a, method: 8 }]), /does not unpack to the 13 bytes/],
    [
      'more than it says',
      zipOf([{ ...deflated('x/a', a.content), bytes: 12 }]),
      /does not unpack to the 12 bytes/,
    ],
    [
      'less than it says',
      zipOf([{ ...deflated('x/a', a.content), bytes: 14 }]),
      /does not unpack to the 14 bytes/,
    ],
    ['something after the archive', Uint8Array.of(...zipOf([a]), 0), /does not end with its/],
  ])('refuses %s', (_, archive, message) => {
    expect(() => read(archive)).toThrow(FileError);
    expect(() => read(archive)).toThrow(message);
    expect(() => read(archive)).toThrow(/^some\.pt: /);
  });

  it('unpacks no bomb: 16 bytes for each byte of the archive, and 16 MiB', () => {
    const bomb = deflated('x/a', new Uint8Array(40_000_000));
    const start = performance.now();
    expect(() => read(zipOf([bomb]))).toThrow(/would take more than \d+ bytes, the bound/);
    expect(performance.now() - start).toBeLessThan(500);
    // Many small ones are counted together.
    const half = deflated('x/a', new Uint8Array(10_000_000));
    expect(read(zipOf([half])).get('x/a')).toHaveLength(10_000_000);
    expect(() => read(zipOf([half, { ...half, name: 'x/b' }]))).toThrow(/the bound for a file/);
  });

  it('refuses every truncation, and reads the same or refuses whatever bit is flipped', () => {
    const archive = zipOf([a, deflated('x/b', b.content)]);
    for (let length = 0; length < archive.length; length++) {
      expect(() => read(archive.subarray(0, length)), `${length}`).toThrow(FileError);
    }
    for (let bit = 0; bit < 8 * archive.length; bit++) {
      const copy = archive.slice();
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      try {
        expect(contents(copy), `bit ${bit}`).toEqual(BOTH);
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
      }
    }
  });
});
