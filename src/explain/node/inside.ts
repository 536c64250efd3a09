/** Folders that came from elsewhere: nothing in them leads out of them. */
import { lstat, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { FileError } from '../../errors.js';

/**
 * Checks that a file, or the place for one, lies in a folder when every symbolic link on the way is followed. What
 * is read there may be shown to others, and what is written there would replace what the link leads to.
 *
 * @param root the folder; that it is a link itself does no harm
 * @param path of a file under it, which need not exist
 * @throws FileError for a path or a link that leads out of the folder
 */
export async function checkInside(root: string, path: string): Promise<void> {
  const within = await realpath(root).catch(() => undefined);
  const real = await target(path);
  if (within === undefined || real === undefined) return;
  if (real !== within && !real.startsWith(within.endsWith(sep) ? within : within + sep)) {
    throw new FileError(
      `${path} leads out of ${root}, to ${real}: it is not followed. Put the file itself there.`,
    );
  }
}

/** Where a path leads, or would lead if there were a file; undefined where even its folder is missing. */
async function target(path: string): Promise<string | undefined> {
  const found = await realpath(path).catch(() => undefined);
  if (found !== undefined) return found;
  // A link to what is not there: writing would make it.
  const link = await lstat(path).catch(() => undefined);
  if (link?.isSymbolicLink()) return resolve(dirname(path), await readlink(path));
  const folder = await realpath(dirname(path)).catch(() => undefined);
  return folder === undefined ? undefined : join(folder, basename(path));
}
