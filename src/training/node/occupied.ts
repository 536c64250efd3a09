/** Whether a folder is free for a new run or comparison. */
import { readdir, stat } from 'node:fs/promises';
import { RequestError } from '../../errors.js';
import { asFileError, isTemporary } from '../../formats/node/files.js';
import { LOCK } from './lock.js';

/**
 * Refuses a place that holds anything: a run writes files of certain names and removes some, which
 * might be another's. What a process that was killed at its beginning left does not count.
 * @param path a folder that is empty or does not exist
 * @throws RequestError naming what is there
 * @throws FileError if it cannot be looked into
 */
export async function refuseOccupied(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  // What stands in the way of making it is said when it is made.
  if (found === undefined) return;
  if (!found.isDirectory()) {
    throw new RequestError(`${path} is a file, not a folder. Choose another --output.`);
  }
  const names = await readdir(path).catch((error: unknown) => {
    throw asFileError(error, 'look into', path);
  });
  const held = names.filter((name) => name !== LOCK && !isTemporary(name));
  if (held.length === 0) return;
  if (held.includes('compare.json')) {
    throw new RequestError(
      `${path} already holds a comparison. Go on with it by \`fovea compare --output ${path}\`, or choose another --output.`,
    );
  }
  if (held.includes('config.json')) {
    throw new RequestError(
      `${path} already holds a run. Continue it with --resume ${path}, or choose another --output.`,
    );
  }
  const more = held.length > 3 ? ` and ${held.length - 3} more` : '';
  throw new RequestError(
    `${path} already has ${held.slice(0, 3).join(', ')}${more} in it. A run, like a comparison, needs a folder of its own: choose another --output.`,
  );
}
