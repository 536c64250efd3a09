/** Writes TensorBoard's event file of a run folder. */
import { open, readdir, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

import { asFileError, makeFolder } from '../../formats/node/files.js';
import { fileVersionRecord, scalarsRecord, sessionStartRecord } from '../tensorboard.js';

/** Options of {@link EventWriter.open}. */
export interface EventWriterOptions {
  /**
   * The first step that a resumed run will write: TensorBoard forgets what earlier files of the
   * folder say of it and of later steps. Leave it out for a run that begins.
   */
  readonly resumeStep?: number;
}

/**
 * One event file, open for appending. Every call is flushed to the system before it resolves, so
 * that TensorBoard follows a run while it trains. Await a call before making the next.
 */
export class EventWriter {
  private constructor(
    /** The file being written. */
    readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /**
   * Begins a new event file in `folder`, which is made when it is missing. A resumed run has a
   * file of its own beside the earlier ones, as TensorBoard expects; those are left untouched.
   *
   * @throws FileError when the folder or the file cannot be made
   */
  static async open(folder: string, options: EventWriterOptions = {}): Promise<EventWriter> {
    await makeFolder(folder);
    const writer = await EventWriter.create(folder);
    try {
      await writer.append(fileVersionRecord(seconds()));
      if (options.resumeStep !== undefined) {
        await writer.append(sessionStartRecord(seconds(), options.resumeStep));
      }
    } catch (error) {
      await writer.close();
      throw error;
    }
    return writer;
  }

  /**
   * Appends some scalars of one step.
   *
   * @param step the epoch or iteration
   * @param scalars tag to value, such as `{ 'loss/train': 2.3 }`
   * @throws FileError when the file cannot be written
   */
  async scalars(step: number, scalars: Readonly<Record<string, number>>): Promise<void> {
    await this.append(scalarsRecord(seconds(), step, scalars));
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.file.close();
  }

  private static async create(folder: string): Promise<EventWriter> {
    try {
      const path = join(folder, await nextName(folder));
      return new EventWriter(path, await open(path, 'ax'));
    } catch (error) {
      throw asFileError(error, 'write an event file in', folder);
    }
  }

  private async append(record: Uint8Array): Promise<void> {
    try {
      await this.file.appendFile(record);
    } catch (error) {
      throw asFileError(error, 'write', this.path);
    }
  }
}

/**
 * TensorBoard reads a folder's files in the order of their names, so that a new name must follow
 * every old one, also when a run is resumed within the second or after the clock was set back.
 */
async function nextName(folder: string): Promise<string> {
  const old = (await readdir(folder)).flatMap((name) => {
    const time = /^events\.out\.tfevents\.(\d{10})\./.exec(name)?.[1];
    return time === undefined ? [] : [Number(time) + 1];
  });
  const time = Math.max(Math.floor(seconds()), ...old);
  return `events.out.tfevents.${String(time).padStart(10, '0')}.${hostname()}.${process.pid}.0`;
}

function seconds(): number {
  return Date.now() / 1000;
}
