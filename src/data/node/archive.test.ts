import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileError } from '../../errors.js';
import { LARGEST_ARCHIVE, MOST_ENTRIES, readMembers } from './archive.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-archive-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Entry {
  readonly name: string;
  readonly content?: string;
  /** What the header says, where that is not the content's size. */
  readonly size?: number;
  /** POSIX: '0' a file, '1' and '2' links. */
  readonly type?: string;
  readonly link?: string;
}

/** An entry of a tar archive (POSIX ustar). */
function entry({ name, content = '', size = content.length, type = '0', link = '' }: Entry) {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0' + '0000000\0'.repeat(2), 100);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write(`${'0'.repeat(11)}\0`, 136);
  header.write(' '.repeat(8), 148);
  header.write(type, 156);
  header.write(link, 157);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const body = Buffer.alloc(512 * Math.ceil(content.length / 512));
  body.write(content);
  return Buffer.concat([header, body]);
}

const tar = (...entries: Entry[]): Buffer =>
  Buffer.concat([...entries.map(entry), Buffer.alloc(1024)]);

async function read(bytes: Uint8Array, ...wanted: string[]): Promise<Record<string, string>> {
  const path = join(folder, 'archive');
  await writeFile(path, bytes);
  const members = await readMembers(path, new Set(wanted));
  return Object.fromEntries(
    [...members].map(([name, content]) => [name, Buffer.from(content).toString()]),
  );
}

const refused = async (reading: Promise<unknown>, reason: string | RegExp) => {
  await expect(reading).rejects.toThrow(FileError);
  await expect(reading).rejects.toThrow(reason);
  await expect(reading).rejects.not.toThrow(/delete/i);
};

describe('readMembers', () => {
  const plain = tar(
    { name: 'd/', type: '5' },
    { name: './d/a', content: 'one' },
    { name: 'd/b', content: 'x'.repeat(1000) },
    { name: '/d/a', content: 'absolute' },
    { name: 'd/../d/a', content: 'dots' },
  );

  it('gives the files asked for, packed or not, and no others', async () => {
    for (const archive of [plain, gzipSync(plain)]) {
      expect(await read(archive, 'd/a', 'd/c')).toEqual({ 'd/a': 'one' });
    }
  });

  it('takes an archive that unpacks in small pieces', async () => {
    const pieces = [plain.subarray(0, 0), plain.subarray(0, 5), plain.subarray(5, 500)];
    const rest = [plain.subarray(500, 700), plain.subarray(700)];
    const packed = Buffer.concat([...pieces, ...rest].map((piece) => gzipSync(piece)));
    expect(await read(packed, 'd/a')).toEqual({ 'd/a': 'one' });
  });

  it('tells what an archive is by its bytes', async () => {
    const cases = new URL('../../../tests/fixtures/cases/cifar-tar-xz/', import.meta.url);
    const bytes = (name: string) => readFile(new URL(name, cases));
    expect(
      Object.keys(await read(await bytes('tiny.tar.xz'), 'cifar-100-binary/test.bin')),
    ).toEqual(['cifar-100-binary/test.bin']);
    const told = 'expected a .tar.gz, .tar.xz or .tar archive, but it is ';
    await refused(read(await bytes('tiny.tar.bz2')), `${told}a bzip2 archive. Unpack it`);
    await refused(read(Buffer.from('PK\x03\x04', 'latin1')), `${told}a zip archive. Unpack it`);
    await refused(read(Buffer.from('7z\xbc\xaf\x27\x1c', 'latin1')), `${told}a 7z archive.`);
    await refused(read(Buffer.from('<!doctype html>')), `${told}a web page (HTML).`);
    await refused(read(Buffer.from('not found')), `${told}a text that begins with "not found".`);
    await refused(read(Buffer.alloc(0)), `${told}an empty file.`);
    await refused(read(gzipSync(gzipSync(plain))), 'it holds a gzip archive');
    await refused(read(gzipSync('text and more')), 'it holds a text');
    await refused(read(gzipSync('')), 'it holds an empty file');
    await refused(readMembers(join(folder, 'none'), new Set()), 'there is no such file');
    await refused(readMembers(folder, new Set()), 'it is a folder');
  });

  it('says that an xz archive is of a variety that is not read, and not that it is damaged', async () => {
    const name = '../../../tests/fixtures/cases/cifar-tar-xz/tiny-sha256.tar.xz';
    const bytes = await readFile(new URL(name, import.meta.url));
    await refused(read(bytes), /a filter, a checksum or a dictionary that is not read.*tar -xf/);
  });

  it('notices an archive that was cut off or changed', async () => {
    const packed = gzipSync(plain);
    await refused(read(packed.subarray(0, -5)), 'it is truncated or corrupt');
    await refused(read(Buffer.concat([packed.subarray(0, 30), Buffer.alloc(9)])), 'corrupt');
    await refused(read(plain.subarray(0, 1300), 'd/a'), 'it is truncated or corrupt');
    const name = '../../../tests/fixtures/cases/cifar-tar-xz/tiny.tar.xz';
    const xz = await readFile(new URL(name, import.meta.url));
    await refused(read(xz.subarray(0, -40)), 'it is truncated or corrupt');
    xz[200] = (xz[200] ?? 0) ^ 1;
    await refused(read(xz), 'it is truncated or corrupt');
  });

  it('does not take links for files, nor choose between two of one name', async () => {
    for (const type of ['1', '2']) {
      const archive = tar({ name: 'd/a', type, link: '/etc/hostname' });
      await refused(read(archive, 'd/a'), 'd/a in it is a link or a device');
      expect(await read(archive, 'd/b')).toEqual({});
    }
    const twice = tar({ name: 'd/a', content: 'one' }, { name: './d/a', content: 'two' });
    await refused(read(twice, 'd/a'), 'it holds d/a twice');
  });

  it('stops at its bounds, soon', async () => {
    const start = performance.now();
    const zeros = Buffer.alloc(2 ** 20);
    const bomb = Buffer.concat([
      gzipSync(entry({ name: 'd/big', size: 2 ** 33 - 512 })),
      ...Array<Buffer>(LARGEST_ARCHIVE / zeros.length + 1).fill(gzipSync(zeros)),
    ]);
    expect(bomb.length).toBeLessThan(2 ** 20);
    await refused(read(bomb, 'd/a'), 'unpacks to more than 256 MiB');
    await refused(read(bomb, 'd/big'), 'say that they have 8589934080 bytes');
    const crowd = Buffer.concat([
      ...Array<Buffer>(MOST_ENTRIES + 1).fill(entry({ name: 'd/a' })),
      Buffer.alloc(1024),
    ]);
    await refused(read(crowd), `more than ${MOST_ENTRIES} entries`);
    expect(performance.now() - start).toBeLessThan(20_000);
  });
});
