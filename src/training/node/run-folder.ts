import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FileError, RequestError } from '../../errors.js';
import {
  asFileError,
  makeFolder,
  readFileChecked,
  readJsonFile,
  removeTemporaryFiles,
  writeFileAtomic,
  writeJsonFile,
} from '../../formats/node/files.js';
import { makeRecipe, type Recipe, type RecipeInput } from '../recipe.js';
import { refuseOccupied } from './occupied.js';
import type { Primary } from '../../tasks/task.js';
import type { EpochMetrics } from '../metrics.js';

/**
 * What a run is summed up to when it has ended. Of the task's primary figure, `top1` say, it has
 * `best_top1`, `mean_best5_top1` and `last_top1`.
 */
export interface Summary {
  readonly task: string;
  readonly primary: Primary;
  readonly params: number;
  readonly macs: number;
  /** Images that it was trained on. */
  readonly train_examples: number;
  readonly seed: number;
  readonly epochs: number;
  /** Share of the training loop's time spent outside ONNX Runtime; null if no step was left to do. */
  readonly overhead: number | null;
  /** Share of it spent waiting for data, likewise. */
  readonly waiting: number | null;
  readonly versions: Readonly<Record<string, string>>;
  readonly [figure: `${'best' | 'mean_best5' | 'last'}_${string}`]: number;
}

/** The best value of a run's figure. */
export function bestFigure(summary: Pick<Summary, 'primary'> & Partial<Summary>): number {
  return summary[`best_${summary.primary.name}`] ?? NaN;
}

/** What config.json says of a training by a program, whose parts have no names. */
export interface Program {
  readonly program: true;
  readonly task: string;
  /** The model's class. */
  readonly model: string;
  readonly dataset: string;
  readonly epochs: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly optimizer: string;
  readonly info: NonNullable<Recipe['info']>;
}

/** What a run writes besides its TensorBoard events. */
const RUN_FILES = [
  'config.json',
  'metrics.jsonl',
  'last.safetensors',
  'previous.safetensors',
  'best.safetensors',
  'summary.json',
  'evaluation.json',
] as const;

/** The files of one training run; every one of them is written whole or not at all. */
export class RunFolder {
  private constructor(readonly path: string) {}

  /**
   * A new run's folder, with its config.json.
   * @throws FileError if it cannot be written to
   * @throws RequestError if it already holds a run, or anything else
   */
  static async create(path: string, recipe: Recipe): Promise<RunFolder> {
    await refuseOccupied(path);
    const folder = new RunFolder(resolve(path));
    await makeFolder(folder.path);
    await folder.writeJson('config.json', recipe);
    return folder;
  }

  /**
   * The folder of a training by a program: a new one, or the one of the same training.
   * @throws RequestError if it holds another, or anything else
   */
  static async ofProgram(path: string, program: Program): Promise<RunFolder> {
    const folder = new RunFolder(resolve(path));
    if (!folder.has('config.json')) {
      await refuseOccupied(path);
      await folder.writeJson('config.json', program);
      return folder;
    }
    const there = await readJsonFile(folder.file('config.json'));
    // More epochs than before are no other training.
    const same = (one: object): string => JSON.stringify({ ...one, epochs: undefined });
    if (typeof there !== 'object' || there === null || same(there) !== same(program)) {
      throw new RequestError(
        `${path} holds another training. Choose another output, or go on with the model, data and settings that it was begun with.`,
      );
    }
    await folder.writeJson('config.json', program);
    return folder;
  }

  /** An existing run's folder and its recipe. */
  static async open(path: string): Promise<{ folder: RunFolder; recipe: Recipe }> {
    const folder = new RunFolder(resolve(path));
    if (!folder.has('config.json')) {
      throw new RequestError(
        `${path} is not the folder of a run: ${existsSync(path) ? 'it has no config.json' : 'there is no such folder'}.`,
      );
    }
    const text = new TextDecoder().decode(await readFileChecked(folder.file('config.json')));
    if (/^\s*\{\s*"program": true/.test(text)) {
      throw new RequestError(
        `The run in ${path} was made by a program, with a model, data or a task that have no names here. ` +
          'Use it in that program: loadRun(model, folder) gives a model its weights.',
      );
    }
    try {
      return { folder, recipe: makeRecipe(JSON.parse(text) as RecipeInput) };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new FileError(
        `${folder.file('config.json')} cannot be used: it is damaged, or of another version of Fovea ` +
          `than this one, ${versions()['fovea'] ?? ''}. ${reason}`,
        { cause: error },
      );
    }
  }

  /** Whether the folder has a file of this name. */
  has(name: string): boolean {
    return existsSync(this.file(name));
  }

  /** The path of one of the folder's files. */
  file(name: string): string {
    return join(this.path, name);
  }

  /**
   * The path of weights of the run.
   * @param called what the message calls the run
   * @throws RequestError if it has none yet
   */
  weights(which: 'best' | 'last', called: string): string {
    const name = `${which}.safetensors`;
    if (this.has(name)) return this.file(name);
    throw new RequestError(
      `The run in ${called} has no ${name} yet: it ends its first epoch with one.`,
    );
  }

  async writeMetrics(metrics: readonly EpochMetrics[]): Promise<void> {
    const lines = metrics.map((line) => `${JSON.stringify(line)}\n`).join('');
    await writeFileAtomic(this.file('metrics.jsonl'), lines);
  }

  async writeJson(name: string, value: unknown): Promise<void> {
    await writeJsonFile(this.file(name), value);
  }

  /** @param keepAs the name under which the content before is kept; without it, it is not */
  async writeBytes(name: string, bytes: Uint8Array, keepAs?: string): Promise<void> {
    await writeFileAtomic(this.file(name), bytes, keepAs && this.file(keepAs));
  }

  /**
   * Gives a file another name, in the place of whatever has it.
   * @throws FileError if that cannot be done
   */
  async rename(name: string, to: string): Promise<void> {
    try {
      await rename(this.file(name), this.file(to));
    } catch (error) {
      throw asFileError(error, 'rename', this.file(name));
    }
  }

  /** Removes one of the folder's files, if it is there. */
  async remove(name: string): Promise<void> {
    try {
      await rm(this.file(name), { force: true });
    } catch (error) {
      throw asFileError(error, 'remove', this.file(name));
    }
  }

  /** Removes what a process that was killed left half-written. */
  async removeTemporaryFiles(): Promise<void> {
    await removeTemporaryFiles(this.path, RUN_FILES);
  }
}

/**
 * Makes the first of runs/NAME, runs/NAME-2, runs/NAME-3, ... that is free.
 * @throws FileError if it cannot be made
 */
export async function makeFreeRunFolder(name: string): Promise<string> {
  await makeFolder('runs');
  for (let n = 1; ; n++) {
    const path = join('runs', n === 1 ? name : `${name}-${n}`);
    try {
      await mkdir(path);
      return path;
    } catch (error) {
      // Another program may have been faster.
      if (!existsSync(path)) throw asFileError(error, 'make the folder', path);
    }
  }
}

/** Versions and machine that a result depends on. */
export function versions(): Record<string, string> {
  const require = createRequire(import.meta.url);
  const version = (name: string) => (require(name) as { version: string }).version;
  const [cpu] = cpus();
  return {
    fovea: version('../../../package.json'),
    'onnxruntime-node': version('onnxruntime-node/package.json'),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    cpu: `${cpu?.model.trim() ?? 'unknown'} x ${cpus().length}`,
  };
}
