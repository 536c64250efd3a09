import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FileError, RequestError } from '../../errors.js';
import {
  asFileError,
  makeFolder,
  readFileChecked,
  removeTemporaryFiles,
  writeFileAtomic,
  writeJsonFile,
} from '../../formats/node/files.js';
import { makeRecipe, type Recipe, type RecipeInput } from '../recipe.js';
import { refuseOccupied } from './occupied.js';
import type { EpochMetrics } from '../metrics.js';

/** What a run is summed up to when it has ended. */
export interface Summary {
  readonly best_top1: number;
  readonly mean_best5_top1: number;
  readonly last_top1: number;
  readonly params: number;
  readonly macs: number;
  readonly seed: number;
  readonly epochs: number;
  /** Share of the training loop's time spent outside ONNX Runtime; null if no step was left to do. */
  readonly overhead: number | null;
  readonly versions: Readonly<Record<string, string>>;
}

/** What a run writes besides its TensorBoard events. */
const RUN_FILES = [
  'config.json',
  'metrics.jsonl',
  'last.safetensors',
  'previous.safetensors',
  'best.safetensors',
  'summary.json',
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

  /** An existing run's folder and its recipe. */
  static async open(path: string): Promise<{ folder: RunFolder; recipe: Recipe }> {
    const folder = new RunFolder(resolve(path));
    if (!folder.has('config.json')) {
      throw new RequestError(
        `${path} is not the folder of a run: ${existsSync(path) ? 'it has no config.json' : 'there is no such folder'}.`,
      );
    }
    const text = new TextDecoder().decode(await readFileChecked(folder.file('config.json')));
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
