/**
 * Reading the archives that data sets come in: .tar.gz as they are published, .tar.xz and .tar. What an archive
 * is, is told by its first bytes.
 */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Parser, ReadEntry } from 'tar';
import { loadForNode } from '../../packages.node.js';
import { FileError } from '../../errors.js';
import { fileKind, KIND_BYTES } from '../../formats/file-kind.js';
import { asFileError } from '../../formats/node/files.js';

/** An archive that unpacks to more bytes is refused: 256 MiB. The largest official one has 184 MB. */
export const LARGEST_ARCHIVE = 2 ** 28;

/** An archive of more entries is refused. The official ones have fewer than ten. */
export const MOST_ENTRIES = 10_000;

/** From the bytes of a file to those of the tar archive in it. */
const UNPACKERS: Readonly<Record<string, (path: string) => AsyncIterable<Uint8Array>>> = {
  'a tar archive': (path) => createReadStream(path),
  // Either stream's failure is the last one's.
  'a gzip archive': (path) =>
    pipeline(createReadStream(path), createGunzip(), () => undefined) as AsyncIterable<Uint8Array>,
  'an xz archive': async function* (path) {
    const { default: xz } = await loadForNode(() => import('xz-decompress'));
    yield* new xz.XzReadableStream(webStream(path));
  },
};

/** A file's bytes as the kind of stream that browsers have too. */
function webStream(path: string): ReadableStream<Uint8Array> {
  const chunks = createReadStream(path)[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const next = await chunks.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: async () => {
      await chunks.return?.();
    },
  });
}

/**
 * Reads some files of an archive into memory, in one pass that writes nothing. Only ordinary files count: a link
 * of that name is not followed, and no other entry is unpacked, wherever its name leads.
 *
 * @param archive path of a .tar.gz, .tar.xz or .tar file
 * @param wanted `folder/name` as in the archive
 * @returns those that the archive has
 * @throws FileError when the archive is missing, truncated, corrupt or of another kind, has a wanted file twice,
 *   or is larger than {@link LARGEST_ARCHIVE} or {@link MOST_ENTRIES} say
 */
export async function readMembers(
  archive: string,
  wanted: ReadonlySet<string>,
): Promise<Map<string, Uint8Array>> {
  const unpack = UNPACKERS[await kindOfArchive(archive)];
  if (unpack === undefined) throw await notAnArchive(archive);
  const { Parser } = await loadForNode(() => import('tar'));
  const members = new Members(archive, wanted, Parser);
  try {
    let unpacked = 0;
    // The first block, which tells whether this is a tar archive, may come in pieces.
    let head: Uint8Array[] = [];
    for await (const chunk of unpack(archive)) {
      const started = unpacked >= KIND_BYTES;
      unpacked += chunk.length;
      if (unpacked > LARGEST_ARCHIVE) {
        throw new FileError(
          `${archive}: expected the archive of a data set, but it unpacks to more than ` +
            `${LARGEST_ARCHIVE / 2 ** 20} MiB. It was not read further.`,
        );
      }
      if (started) {
        await members.write(chunk);
        continue;
      }
      head.push(chunk);
      if (unpacked < KIND_BYTES) continue;
      const first = Buffer.concat(head);
      head = [];
      checkTar(first, archive);
      await members.write(first);
    }
    if (unpacked < KIND_BYTES) checkTar(Buffer.concat(head), archive);
    return await members.end();
  } catch (error) {
    throw damaged(error, archive);
  }
}

/** The wanted files, out of the bytes of a tar archive. */
class Members {
  readonly #found = new Map<string, Uint8Array>();
  readonly #parser: Parser;
  #entries = 0;
  /** Bytes that the wanted files say they have. */
  #claimed = 0;
  #failure: Error | undefined;

  constructor(
    readonly archive: string,
    readonly wanted: ReadonlySet<string>,
    Tar: typeof Parser,
  ) {
    // Told to look for no compression of its own: what is within was counted already.
    this.#parser = new Tar({
      strict: true,
      brotli: false,
      zstd: false,
      onReadEntry: (entry) => this.#read(entry),
    });
    this.#parser.on('error', (error: Error) => (this.#failure ??= error));
    this.#parser.on('meta', () => this.#count());
  }

  async write(chunk: Uint8Array): Promise<void> {
    const flows = this.#parser.write(Buffer.from(chunk));
    if (this.#failure !== undefined) throw this.#failure;
    if (!flows) await once(this.#parser, 'drain');
  }

  async end(): Promise<Map<string, Uint8Array>> {
    const ended = once(this.#parser, 'end');
    this.#parser.end();
    await ended;
    if (this.#failure !== undefined) throw this.#failure;
    return this.#found;
  }

  #read(entry: ReadEntry): void {
    this.#count();
    const name = entry.path.replace(/^(\.\/)+/, '');
    if (this.wanted.has(name) && entry.type !== 'Directory') this.#keep(name, entry);
    entry.resume();
  }

  #keep(name: string, entry: ReadEntry): void {
    const { type, size } = entry;
    this.#claimed += size;
    if (type !== 'File' && type !== 'OldFile' && type !== 'ContiguousFile') {
      this.#refuse(`${name} in it is a link or a device, not a file.`);
    } else if (this.#found.has(name)) {
      this.#refuse(`it holds ${name} twice.`);
    } else if (this.#claimed > LARGEST_ARCHIVE) {
      this.#refuse(`its files up to ${name} say that they have ${this.#claimed} bytes.`);
    } else {
      const content = new Uint8Array(size);
      let at = 0;
      entry.on('data', (chunk) => {
        content.set(chunk, at);
        at += chunk.length;
      });
      this.#found.set(name, content);
    }
  }

  #count(): void {
    this.#entries += 1;
    if (this.#entries > MOST_ENTRIES) {
      this.#refuse(`it holds more than ${MOST_ENTRIES} entries.`);
    }
  }

  #refuse(reason: string): void {
    this.#failure ??= new FileError(
      `${this.archive}: expected the archive of a data set, but ${reason}`,
    );
  }
}

async function kindOfArchive(archive: string): Promise<string> {
  return fileKind(await firstBytes(archive))?.what ?? 'of an unknown kind';
}

async function firstBytes(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(new Uint8Array(KIND_BYTES), 0, KIND_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw asFileError(error, 'read', path);
  }
}

async function notAnArchive(archive: string): Promise<FileError> {
  const kind = await kindOfArchive(archive);
  const advice = kind.endsWith(' archive') ? ' Unpack it and give the folder.' : '';
  return new FileError(
    `${archive}: expected a .tar.gz, .tar.xz or .tar archive, but it is ${kind}.${advice}`,
  );
}

function checkTar(head: Uint8Array, archive: string): void {
  const kind = fileKind(head)?.what;
  if (kind === 'a tar archive') return;
  throw new FileError(
    `${archive}: expected a tar archive in it, but it holds ${kind ?? 'something else'}.`,
  );
}

function damaged(error: unknown, archive: string): unknown {
  if (error instanceof FileError) return error;
  if (error instanceof Error && 'syscall' in error) return asFileError(error, 'read', archive);
  const reason = error instanceof Error ? error.message : String(error);
  // MEMLIMIT and OPTIONS of the decoder's xz_ret: a whole file, but not one for it.
  if (/^get_next_output failed with error code [346]$/.test(reason)) {
    return new FileError(
      `${archive}: expected an archive as xz makes it by default, but it uses a filter, a checksum or a ` +
        'dictionary that is not read here. Unpack it (tar -xf) and give the folder.',
      { cause: error },
    );
  }
  return new FileError(
    `${archive}: expected a whole archive, but it is truncated or corrupt (${reason}). ` +
      'Get it again from where it came from.',
    { cause: error },
  );
}
