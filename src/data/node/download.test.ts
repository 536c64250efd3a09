import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from 'tar';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FileError, FoveaError, RequestError } from '../../errors.js';
import { CIFAR100, type CifarSpec } from '../cifar.js';
import { downloadCifar, downloadDataset, type DownloadProgress } from './download.js';
import { loadCifar } from './load-cifar.js';

const FOLDER = 'cifar-100-binary';
const ARCHIVE = `${FOLDER}.tar.gz`;

let base = '';
let dir = '';
let archive = Buffer.alloc(0);
let spec: CifarSpec = CIFAR100;
/** The ranges that the server was asked for, and how it answers. */
let asked: (string | undefined)[] = [];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

const server = createServer((request, response) => {
  asked.push(request.headers.range);
  answer(request, response);
});
const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${ARCHIVE}`;

/** A well-behaved file server. */
function serve(request: IncomingMessage, response: ServerResponse): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? NaN);
  if (Number.isNaN(from)) {
    response.writeHead(200, { 'content-length': archive.length }).end(archive);
  } else if (from >= archive.length) {
    response.writeHead(416, { 'content-range': `bytes */${archive.length}` }).end();
  } else {
    const range = `bytes ${from}-${archive.length - 1}/${archive.length}`;
    response
      .writeHead(206, { 'content-range': range, 'content-length': archive.length - from })
      .end(archive.subarray(from));
  }
}

const download = (options: Parameters<typeof downloadCifar>[2] = {}) =>
  downloadCifar(spec, dir, { url: url(), ...options });

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'fovea-download-'));
  const source = join(base, 'source', FOLDER);
  await mkdir(source, { recursive: true });
  // Random pixels, so that the archive is about as large as its content.
  const records = randomBytes(20 * 3074);
  for (let at = 0; at < records.length; at += 3074) records.fill(0, at, at + 2);
  await writeFile(join(source, 'train.bin'), records);
  await writeFile(join(source, 'test.bin'), records.subarray(0, 5 * 3074));
  await writeFile(join(source, 'fine_label_names.txt'), 'name\n'.repeat(100));
  await writeFile(join(source, 'coarse_label_names.txt'), 'name\n'.repeat(20));
  await create({ gzip: true, file: join(base, ARCHIVE), cwd: join(base, 'source') }, [FOLDER]);
  archive = await readFile(join(base, ARCHIVE));
  const md5 = createHash('md5').update(archive).digest('hex');
  spec = {
    ...CIFAR100,
    recordsPerFile: { train: 20, val: 5 },
    layouts: { ...CIFAR100.layouts, binary: { ...CIFAR100.layouts.binary, md5 } },
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(base, { recursive: true, force: true });
});
beforeEach(async () => {
  dir = await mkdtemp(join(base, 'dir-'));
  asked = [];
  answer = serve;
});
afterEach(async () => {
  // Whatever happened, no temporary folder is left behind.
  if (existsSync(dir)) {
    expect((await readdir(dir)).filter((name) => name.startsWith('.'))).toEqual([]);
  }
});

describe('downloading a data set', () => {
  it('fetches, checks and unpacks it, so that it can be loaded', async () => {
    const progress: DownloadProgress[] = [];
    const result = await download({ onProgress: (step) => progress.push(step) });
    expect(result).toEqual({ folder: join(dir, FOLDER), changed: true });
    expect((await loadCifar(spec, { data: dir, split: 'train' })).labels).toHaveLength(20);
    expect((await readdir(dir)).sort()).toEqual([FOLDER, ARCHIVE]);
    const total = archive.length;
    expect(progress.at(-1)).toEqual({ phase: 'unpack', received: total, total });
    expect(progress.at(-2)).toEqual({ phase: 'download', received: total, total });
  });

  it('makes the folder, and does nothing the second time', async () => {
    dir = join(dir, 'deep', 'down');
    await download();
    expect(await download()).toEqual({ folder: join(dir, FOLDER), changed: false });
    expect(asked).toHaveLength(1);
  });

  it('unpacks an archive that is there already without asking the server', async () => {
    await writeFile(join(dir, ARCHIVE), archive);
    expect((await download()).changed).toBe(true);
    expect(asked).toEqual([]);
  });

  it('replaces a file that is not the official one, keeps it, and leaves the others', async () => {
    await download();
    await writeFile(join(dir, FOLDER, 'train.bin'), 'short');
    await writeFile(join(dir, FOLDER, 'notes.txt'), 'mine');
    expect((await download()).changed).toBe(true);
    expect((await readFile(join(dir, FOLDER, 'train.bin'))).length).toBe(20 * 3074);
    expect(await readFile(join(dir, FOLDER, 'train.bin.old'), 'utf8')).toBe('short');
    expect(await readFile(join(dir, FOLDER, 'notes.txt'), 'utf8')).toBe('mine');
  });

  it('keeps what came of a connection that ended early, and goes on from there', async () => {
    let hangUp = (): void => undefined;
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': archive.length });
      response.write(archive.subarray(0, 20_000));
      hangUp = () => response.destroy();
    };
    const cut = download({ onProgress: () => hangUp() });
    await expect(cut).rejects.toThrow(FoveaError);
    await expect(cut).rejects.toThrow(
      new RegExp(`connection ended after \\d+ of ${archive.length} bytes.*run the same command`),
    );
    expect(await readdir(dir)).toEqual([`${ARCHIVE}.part`]);
    const kept = (await readFile(join(dir, `${ARCHIVE}.part`))).length;
    expect(kept).toBeGreaterThan(0);

    answer = serve;
    await download();
    expect(asked).toEqual([undefined, `bytes=${kept}-`]);
    expect(await readFile(join(dir, ARCHIVE))).toEqual(archive);
  });

  it('starts again where the server ignores the range', async () => {
    await writeFile(join(dir, `${ARCHIVE}.part`), archive.subarray(0, 1000));
    answer = (_, response) => response.writeHead(200).end(archive);
    await download();
    expect(asked).toEqual(['bytes=1000-']);
    expect(await readFile(join(dir, ARCHIVE))).toEqual(archive);
  });

  it('takes a part that is whole already', async () => {
    await writeFile(join(dir, `${ARCHIVE}.part`), archive);
    await download();
    expect(asked).toEqual([`bytes=${archive.length}-`]);
    expect(existsSync(join(dir, ARCHIVE))).toBe(true);
  });

  it('starts again where the part is longer than the file', async () => {
    await writeFile(join(dir, `${ARCHIVE}.part`), Buffer.concat([archive, archive]));
    await download();
    expect(asked).toEqual([`bytes=${2 * archive.length}-`, undefined]);
  });

  it('starts again where the part was of another file', async () => {
    await writeFile(join(dir, `${ARCHIVE}.part`), Buffer.alloc(1000, 1));
    await download();
    expect(asked).toEqual(['bytes=1000-', undefined]);
    expect(await readFile(join(dir, ARCHIVE))).toEqual(archive);
  });

  it('keeps nothing of a file with another MD5', async () => {
    const wrong = Buffer.from(archive).fill(0, 100, 110);
    answer = (_, response) => response.writeHead(200).end(wrong);
    const downloading = download();
    await expect(downloading).rejects.toThrow(FoveaError);
    await expect(downloading).rejects.toThrow(
      `expected a file with MD5 ${spec.layouts.binary.md5}, received one with ` +
        createHash('md5').update(wrong).digest('hex'),
    );
    expect(await readdir(dir)).toEqual([]);
  });

  it('leaves an archive of that name alone that is another file, and says so', async () => {
    await writeFile(join(dir, ARCHIVE), 'mine');
    await expect(download()).rejects.toThrow(
      /expected the official archive with MD5 .* Move it elsewhere/,
    );
    expect(await readFile(join(dir, ARCHIVE), 'utf8')).toBe('mine');
  });

  it('says what the server answered', async () => {
    answer = (_, response) => response.writeHead(404).end('gone');
    const downloading = download();
    await expect(downloading).rejects.toThrow(FoveaError);
    await expect(downloading).rejects.toThrow(
      `${url()}: expected the file, the server answered 404 Not Found.`,
    );
    expect(await readdir(dir)).toEqual([]);
  });

  it('says that a server is not to be reached', async () => {
    const downloading = download({ url: 'http://127.0.0.1:1/x.tar.gz' });
    await expect(downloading).rejects.toThrow(
      'http://127.0.0.1:1/x.tar.gz: cannot reach the server (',
    );
  });

  it('refuses a range that was not asked for', async () => {
    await writeFile(join(dir, `${ARCHIVE}.part`), archive.subarray(0, 1000));
    answer = (_, response) =>
      response.writeHead(206, { 'content-range': `bytes 5-9/${archive.length}` }).end('12345');
    await expect(download()).rejects.toThrow('asked for the bytes from 1000 on');
  });

  it('stops when told to, keeping the part', async () => {
    const controller = new AbortController();
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': archive.length });
      response.write(archive.subarray(0, 5000));
    };
    const downloading = download({
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('stopped by hand')),
    });
    await expect(downloading).rejects.toThrow('stopped by hand');
    expect(await readdir(dir)).toEqual([`${ARCHIVE}.part`]);
  });

  it('says that the folder is a file', async () => {
    await writeFile(join(dir, 'file'), '');
    const downloading = downloadCifar(spec, join(dir, 'file'), { url: url() });
    await expect(downloading).rejects.toThrow(FileError);
    await expect(downloading).rejects.toThrow(join(dir, 'file'));
  });

  it.skipIf(!existsSync('/dev/full'))('says that the disk is full', async () => {
    await symlink('/dev/full', join(dir, `${ARCHIVE}.part`));
    const downloading = download();
    await expect(downloading).rejects.toThrow(FileError);
    await expect(downloading).rejects.toThrow('the disk is full');
  });

  it('refuses names that are unknown or need no download', async () => {
    await expect(downloadDataset('cifar1000', dir)).rejects.toThrow("Did you mean 'cifar100'");
    await expect(downloadDataset('shapes', dir)).rejects.toThrow(RequestError);
    await expect(downloadDataset('shapes', dir)).rejects.toThrow('nothing to download');
  });
});
