/** One process at a time in a comparison's folder. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RequestError } from '../../errors.js';
import { asFileError } from '../../weights/node/files.js';

/**
 * Runs `body` while a file `lock` in the folder holds this process's number. One that a killed
 * process left behind is taken over.
 * @throws RequestError if another process that is alive has the folder
 */
export async function withLock<T>(folder: string, body: () => Promise<T>): Promise<T> {
  const file = join(folder, 'lock');
  if (!(await take(file))) {
    const owner = Number(await readFile(file, 'utf8').catch(() => ''));
    if (isAlive(owner)) {
      throw new RequestError(
        `Process ${owner} is at work in ${folder}. Wait for it to end, or choose another folder; if that is another program, delete ${file}.`,
      );
    }
    await rm(file, { force: true });
    await take(file);
  }
  try {
    return await body();
  } finally {
    await rm(file, { force: true });
  }
}

async function take(file: string): Promise<boolean> {
  try {
    await writeFile(file, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw asFileError(error, 'write', file);
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid < 1) return false;
  try {
    // Signal 0 asks whether the process is there, and sends nothing.
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
