/**
 * One process at a time in the folder of a run or a comparison, by a lock of the operating system on
 * a file in it. The system lets go of it when the process ends, however it ends, and never before:
 * nothing has to be guessed from times or process numbers.
 */
import { open, rm, stat, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileError, FoveaError, RequestError } from '../../errors.js';
import { loadForNode } from '../../packages.node.js';
import { asFileError, readFileChecked } from '../../formats/node/files.js';

/** The file that is locked; while it is, it names the process. */
export const LOCK = 'lock';

/** A process that is being killed takes a moment to be gone. */
const PATIENCE_MS = 3000;
const PAUSE_MS = 50;

/** A folder that this process has for itself. */
export interface FolderLock {
  /** Lets others in. Doing it again does nothing. */
  release(): Promise<void>;
}

/**
 * Takes a folder for this process. If another one has it, waits some seconds for it to end.
 * @param folder one that exists
 * @throws RequestError if another process still has it; nothing in it is touched then
 * @throws FileError if the folder cannot be written, or its disk has no locks
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const file = join(folder, LOCK);
  const last = performance.now() + PATIENCE_MS;
  for (;;) {
    const handle = await tryToTake(file);
    if (handle) {
      let released: Promise<void> | undefined;
      return { release: () => (released ??= letGo(handle, file)) };
    }
    if (performance.now() > last) {
      throw new RequestError(
        `${await holder(file)} is at work in ${folder}. Wait for it to end, or choose another folder.`,
      );
    }
    await sleep(PAUSE_MS);
  }
}

/**
 * Does something in a folder that no other process is at work in meanwhile.
 * @throws what {@link lockFolder} does
 */
export async function withLock<T>(folder: string, body: () => Promise<T>): Promise<T> {
  const lock = await lockFolder(folder);
  try {
    return await body();
  } finally {
    await lock.release();
  }
}

/** The file's handle, locked; undefined if another process has it. */
async function tryToTake(file: string): Promise<FileHandle | undefined> {
  const { tryLock } = await loadForNode(() => import('fs-native-extensions')).catch(
    (error: unknown) => {
      if (error instanceof FoveaError) throw error;
      throw new FoveaError(
        `This platform (${process.platform}-${process.arch}) has no locks for files that Fovea knows, so nothing is trained on it.`,
        { cause: error },
      );
    },
  );
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'a+');
    if (tryLock(handle.fd) && (await isStill(handle, file))) {
      // Only for whoever is refused: a full disk is no reason not to work.
      await handle.truncate().catch(() => undefined);
      await handle.write(`${process.pid}\n${hostname()}\n`).catch(() => undefined);
      return handle;
    }
  } catch (error) {
    await handle?.close();
    throw handle === undefined ? asFileError(error, 'write', file) : withoutLocks(error, file);
  }
  await handle.close();
  return undefined;
}

/** Whether the name still means this file: the one before may have removed it in between. */
async function isStill(handle: FileHandle, file: string): Promise<boolean> {
  const own = await handle.stat({ bigint: true });
  const named = await stat(file, { bigint: true }).catch(() => undefined);
  return named?.ino === own.ino && named.dev === own.dev;
}

/** Removes the file while it is still locked, so that nobody else's is removed. */
async function letGo(handle: FileHandle, file: string): Promise<void> {
  await rm(file, { force: true }).catch(() => undefined);
  await handle.close();
}

async function holder(file: string): Promise<string> {
  const content = await readFileChecked(file).catch(() => undefined);
  const [pid, host] = new TextDecoder().decode(content).split('\n');
  if (!pid) return 'Another process';
  return host === undefined || host === '' || host === hostname()
    ? `Process ${pid}`
    : `Process ${pid} of ${host}`;
}

function withoutLocks(error: unknown, file: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!/^(ENOLCK|ENOSYS|ENOTSUP|EOPNOTSUPP|EINVAL)$/.test(code)) return error;
  return new FileError(
    `Cannot lock ${file}: its disk has no locks (${code}), and without one two processes might write the same run. Choose a folder on another disk.`,
    { cause: error },
  );
}
