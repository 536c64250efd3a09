/** The folder of an explanation: what was there of another is replaced, nothing else is touched. */
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RequestError } from '../../errors.js';
import {
  asFileError,
  makeFolder,
  readFileChecked,
  writeJsonFile,
} from '../../formats/node/files.js';
import { explanationPage } from '../explanation-page.js';
import { explanationSchema, type Explanation } from '../explanation.js';
import { checkInside } from './inside.js';

const INDEX = 'index.json';
const PAGE = 'index.html';

export class ExplanationFolder {
  private constructor(private readonly path: string) {}

  /**
   * Makes the folder if it is not there, and removes the files of an earlier explanation in it.
   * @throws RequestError if it holds an index.json that is not of an explanation
   */
  static async open(path: string): Promise<ExplanationFolder> {
    await makeFolder(path);
    await checkInside(path, join(path, INDEX));
    await removeOld(path);
    return new ExplanationFolder(path);
  }

  /** @throws FileError for a file that cannot be written, or a link that leads out of the folder */
  async write(file: string, content: Uint8Array | string): Promise<void> {
    const path = join(this.path, file);
    await checkInside(this.path, path);
    try {
      await writeFile(path, content);
    } catch (error) {
      throw asFileError(error, 'write', path);
    }
  }

  /** Writes the page, and index.json last, so that a folder that has it is complete. */
  async finish(explanation: Explanation, title: string): Promise<void> {
    await this.write(PAGE, explanationPage(explanation, title));
    await writeJsonFile(join(this.path, INDEX), explanation);
  }
}

async function removeOld(path: string): Promise<void> {
  const index = join(path, INDEX);
  if (!existsSync(index)) return;
  const old = explanationSchema.safeParse(parsed(await readFileChecked(index)));
  if (!old.success) {
    throw new RequestError(
      `${index} is in the way, and is not of an explanation. Choose another --output.`,
    );
  }
  const { images, maps, masks = [], gates } = old.data;
  const files = [...images, ...maps, ...masks, ...gates].flatMap(({ file }) => file ?? []);
  await rm(index);
  for (const file of files) {
    try {
      await rm(join(path, file), { force: true });
    } catch (error) {
      throw asFileError(error, 'remove', join(path, file));
    }
  }
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
