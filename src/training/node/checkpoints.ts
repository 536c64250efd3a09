/**
 * The checkpoints of a run on the disk. Two generations of the last one are kept, so that a run can
 * go on when the newer one is found damaged, and the weights of the best epoch.
 */
import { z } from 'zod';
import { FileError } from '../../errors.js';
import type { HostTensors } from '../../runtime/engine.js';
import { readFileChecked } from '../../formats/node/files.js';
import { checkState, readCheckpoint, writeCheckpoint, type Checkpoint } from '../checkpoint.js';
import { notFinite } from '../step.js';
import { Diverged, type Position } from '../fit.js';
import { isBetter, valFigure, type EpochMetrics } from '../metrics.js';
import type { Primary } from '../../tasks/task.js';
import { versions, type RunFolder } from './run-folder.js';

export const LAST = 'last.safetensors';
const PREVIOUS = 'previous.safetensors';
export const BEST = 'best.safetensors';
/** A last checkpoint that could not be used is set aside under this name. */
const DAMAGED = 'last.damaged.safetensors';
/** And one under this name whose values lead to an infinite loss. */
const DIVERGED = 'last.diverged.safetensors';

/** The key of the metadata under which a checkpoint keeps what it was written with. */
const VERSIONS = 'fovea.versions';

/** Where a run goes on. */
export interface Found {
  readonly checkpoint: Checkpoint;
  /** The last checkpoint could not be used: this is the one before it. */
  readonly damaged: boolean;
  /** What a person should know about it, in sentences. */
  readonly notes: readonly string[];
}

/**
 * Saves a run: the last checkpoint comes after the best one, since from it alone the run goes on
 * and does again what is missing; the metrics can be written again from it.
 * @throws Diverged if a value is not finite, FileError if it cannot be written; what was saved
 *   before stays
 */
export async function saveCheckpoint(
  folder: RunFolder,
  position: Position,
  values: HostTensors,
  primary: Primary,
): Promise<void> {
  const broken = notFinite(values);
  if (broken !== undefined) {
    throw new Diverged(
      `The values of '${broken}' are no longer finite in epoch ${position.epoch + 1}. Try a smaller learning rate.`,
    );
  }
  const { metrics, iteration } = position;
  const metadata = { [VERSIONS]: JSON.stringify(versions()) };
  const latest = metrics.at(-1);
  const figure = (one: EpochMetrics): number => valFigure(one, primary.name);
  const improved =
    latest &&
    metrics.slice(0, -1).every((earlier) => isBetter(primary, figure(latest), figure(earlier)));
  if (improved && iteration === 0) {
    const best = await writeCheckpoint(values, position, { optimizer: false, metadata });
    await folder.writeBytes(BEST, best);
  }
  await folder.writeBytes(LAST, await writeCheckpoint(values, position, { metadata }), PREVIOUS);
  await folder.writeMetrics(metrics);
}

/**
 * The newest checkpoint of a run that is whole; undefined when the run was left before its first.
 * @param expected the state that the run would start with
 * @throws FileError if there are only damaged ones, or it does not fit what is expected
 */
export async function findCheckpoint(
  folder: RunFolder,
  expected: HostTensors,
): Promise<Found | undefined> {
  const problems: string[] = [];
  for (const name of [LAST, PREVIOUS].filter((one) => folder.has(one))) {
    const file = folder.file(name);
    const checkpoint = await readWhole(file, problems);
    if (checkpoint === undefined) continue;
    checkState(checkpoint.state, expected, file);
    const damaged = problems.length > 0;
    const fallback = `${problems.join(' ')} The run goes on from the checkpoint before it, ${PREVIOUS}.`;
    return { checkpoint, damaged, notes: [...(damaged ? [fallback] : []), ...changes(checkpoint)] };
  }
  if (problems.length === 0) return undefined;
  throw new FileError(
    `${problems.join(' ')} There is no other checkpoint of the run to go on from. Put back a copy ` +
      `of one, or remove ${problems.length > 1 ? 'both files' : 'the file'} to begin the run again with --resume.`,
  );
}

/** A checkpoint, unless it cannot be used; then the reason is added to `problems`. */
async function readWhole(file: string, problems: string[]): Promise<Checkpoint | undefined> {
  try {
    return await readCheckpoint(await readFileChecked(file), file);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    problems.push(error.message.replace(/\.?$/, '.'));
    return undefined;
  }
}

/** Sets a last checkpoint that was passed over aside, so that it never takes the place of the whole one. */
export async function setDamagedAside(folder: RunFolder): Promise<void> {
  await folder.rename(LAST, DAMAGED);
}

/**
 * Sets the newest checkpoint aside, whose values no longer give a finite loss.
 * @returns its new name
 */
export async function setDivergedAside(folder: RunFolder): Promise<string> {
  await folder.rename(newestCheckpoint(folder), DIVERGED);
  return DIVERGED;
}

/** The name of the file that holds the newest checkpoint. */
export function newestCheckpoint(folder: RunFolder): string {
  return folder.has(LAST) ? LAST : PREVIOUS;
}

/** What is not as it was when the checkpoint was written, in a sentence. */
function changes({ metadata }: Checkpoint): string[] {
  const then = versionsIn(metadata[VERSIONS]);
  const changed = Object.entries(versions()).flatMap(([name, now]) => {
    const before = then[name];
    return before === undefined || before === now ? [] : [`${name} ${before}, now ${now}`];
  });
  if (changed.length === 0) return [];
  return [
    `The checkpoint was written with ${changed.join('; ')}: figures may differ in their last ` +
      'digits from those of a run that was never stopped.',
  ];
}

/** What a checkpoint was written with; nothing where that cannot be read, since nothing depends on it. */
function versionsIn(text = '{}'): Readonly<Record<string, string>> {
  try {
    return z.record(z.string(), z.string()).parse(JSON.parse(text));
  } catch {
    return {};
  }
}
