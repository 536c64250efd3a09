/**
 * Downloading one large file so that it is either there, whole and right, or not there.
 *
 * The bytes go to `NAME.part`. A later call asks the server for the rest (HTTP Range) and takes the whole
 * if that is what the server sends. Only a file with the right MD5 gets the final name.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { FoveaError } from '../../errors.js';
import { asFileError } from '../../formats/node/files.js';

/** What is to be downloaded, to where. */
export interface FetchRequest {
  readonly url: string;
  /** Of the whole file, in hexadecimal. */
  readonly md5: string;
  /** The final name; its folder must exist. */
  readonly path: string;
  /** Called now and then: bytes there so far, and in the end, where the server says. */
  readonly onProgress?: (received: number, total: number | undefined) => void;
  /** Stops the download; what has come stays for the next call. */
  readonly signal?: AbortSignal;
}

/** The MD5 of a file, in hexadecimal. @throws FileError when it cannot be read */
export async function md5OfFile(path: string): Promise<string> {
  return (await hashFile(path)).digest('hex');
}

/**
 * Downloads a file.
 *
 * @throws FoveaError when the server is not to be reached, refuses, or stops early (the part that came
 *   is kept), or when the MD5 is wrong (nothing is kept); FileError when the disk cannot take it; the
 *   signal's reason when stopped
 */
export async function fetchFile(request: FetchRequest): Promise<void> {
  const part = `${request.path}.part`;
  const resumed = await fetchPart(request, part);
  let found = resumed.md5;
  if (found !== request.md5 && resumed.from > 0) {
    // The part may have come from another version of the file: once more, from the beginning.
    await rm(part, { force: true });
    found = (await fetchPart(request, part)).md5;
  }
  if (found !== request.md5) {
    await rm(part, { force: true });
    throw new FoveaError(
      `${request.url}: expected a file with MD5 ${request.md5}, received one with ${found}. Nothing was kept: ` +
        'what the server or a proxy sends is damaged or another file. Try again, or another address.',
    );
  }
  try {
    await rename(part, request.path);
  } catch (error) {
    throw asFileError(error, 'write', request.path);
  }
}

/** Completes the part file. Returns its MD5, and how many bytes of it were there before. */
async function fetchPart(
  request: FetchRequest,
  part: string,
): Promise<{ md5: string; from: number }> {
  const { url, signal } = request;
  const have = await sizeOf(part);
  const response = await ask(request, have);

  if (response.status === 416 && have > 0) {
    await response.body?.cancel();
    const total = Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1]);
    if (total === have) return { md5: await md5OfFile(part), from: have };
    await rm(part, { force: true });
    return fetchPart(request, part);
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new FoveaError(
      `${url}: expected the file, the server answered ${response.status} ${response.statusText}.`.replace(
        / \.$/,
        '.',
      ),
    );
  }

  const start = Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1]);
  const continues = response.status === 206 && start === have;
  if (response.status === 206 && !continues) {
    await response.body.cancel();
    throw new FoveaError(
      `${url}: asked for the bytes from ${have} on, the server sent those from ${start}. Delete ${part} and try again.`,
    );
  }
  const from = continues ? have : 0;
  const hash = from > 0 ? await hashFile(part) : createHash('md5');
  const length = response.headers.has('content-encoding')
    ? undefined
    : response.headers.get('content-length');
  const total = length ? from + Number(length) : undefined;
  const received = await store(response.body, part, from, hash, total, request);
  signal?.throwIfAborted();
  if (total !== undefined && received !== total) throw cutShort(request, received, total);
  return { md5: hash.digest('hex'), from };
}

/** Sends the request, for the bytes from `have` on. */
async function ask({ url, signal }: FetchRequest, have: number): Promise<Response> {
  try {
    return await fetch(url, {
      // Compressing what is compressed already gains nothing and hides the length.
      headers: { 'accept-encoding': 'identity', ...(have > 0 && { range: `bytes=${have}-` }) },
      ...(signal && { signal }),
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw new FoveaError(`${url}: cannot reach the server (${reasonOf(error)}).`, {
      cause: error,
    });
  }
}

/** Appends a body to the part file. Returns the size of the file then. */
async function store(
  body: ReadableStream<Uint8Array>,
  part: string,
  from: number,
  hash: Hash,
  total: number | undefined,
  request: FetchRequest,
): Promise<number> {
  const { signal, onProgress } = request;
  const fail = (error: unknown): never => {
    throw asFileError(error, 'write', part);
  };
  const file = await open(part, from > 0 ? 'a' : 'w').catch(fail);
  const reader = body.getReader();
  let received = from;
  try {
    for (;;) {
      const next = await reader.read().catch((error: unknown) => {
        signal?.throwIfAborted();
        throw cutShort(request, received, total, error);
      });
      if (next.done) break;
      await file.writeFile(next.value).catch(fail);
      hash.update(next.value);
      received += next.value.length;
      onProgress?.(received, total);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
    await file.close();
  }
  return received;
}

function cutShort(
  { url, path }: FetchRequest,
  received: number,
  total: number | undefined,
  cause?: unknown,
): FoveaError {
  const reason = cause === undefined ? '' : ` (${reasonOf(cause)})`;
  return new FoveaError(
    `${url}: the connection ended after ${received} of ${total ?? 'an unknown number of'} bytes${reason}. ` +
      `They are kept in ${path}.part: run the same command again to go on from there.`,
    { cause },
  );
}

/** The reason that `fetch` hides behind 'fetch failed' or 'terminated'. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  return cause.message || ('code' in cause ? String(cause.code) : error.message);
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? found.size : 0;
}

async function hashFile(path: string): Promise<Hash> {
  const hash = createHash('md5');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  } catch (error) {
    throw asFileError(error, 'read', path);
  }
  return hash;
}
