/** What is said when a run ends before its time: what is kept of it, and how it goes on. */
import { FileError, FoveaError } from '../../errors.js';
import { MAY_CHANGE } from '../changes.js';
import { Diverged, Interrupted, type Position } from '../fit.js';
import { newestCheckpoint, setDivergedAside } from './checkpoints.js';
import type { RunFolder } from './run-folder.js';

/** The checkpoint that a run has kept. */
interface Saved {
  readonly position: Position;
  /** Training steps that were done since, with a loss that was finite. */
  readonly stepsSince: number;
}

/** The error that ended a run, with what is kept of the run and how to go on. */
export async function withWayOn(
  error: unknown,
  folder: RunFolder,
  saved: Saved | undefined,
): Promise<unknown> {
  const command = `fovea train --resume ${quoted(folder.path)}`;
  if (error instanceof Interrupted) {
    return new Interrupted(`${error.message} It is saved; continue with: ${command}`);
  }
  if (error instanceof Diverged) {
    // The step just after a checkpoint reads nothing but it: values that gave no finite loss then
    // would give none the next time, at any rate.
    const kept =
      saved?.stepsSince === 0 ? await withoutNewest(folder, saved) : keptOf(folder, saved);
    return new Diverged(`${error.message} ${kept} Go on with ${MAY_CHANGE}: ${command} --lr RATE`);
  }
  // The request was right, the disk was not: not a FileError, which says the opposite.
  if (error instanceof FileError) {
    return new FoveaError(
      `${error.message} ${keptOf(folder, saved)} To go on afterwards: ${command}`,
      { cause: error },
    );
  }
  return error;
}

function keptOf(folder: RunFolder, saved: Saved | undefined): string {
  if (saved === undefined) return 'The run has no checkpoint yet, so it would begin again.';
  return `The checkpoint from ${placeOf(saved)} is kept in ${folder.file(newestCheckpoint(folder))}.`;
}

async function withoutNewest(folder: RunFolder, saved: Saved): Promise<string> {
  const name = await setDivergedAside(folder);
  return `The checkpoint from ${placeOf(saved)} leads to nothing else, and is set aside as ${name}: the run goes on from the one before it, or begins again.`;
}

function placeOf({ position: { epoch, iteration } }: Saved): string {
  return `after epoch ${epoch}${iteration > 0 ? `, step ${iteration},` : ''}`;
}

/** A path as a shell takes it. */
function quoted(path: string): string {
  return /^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
