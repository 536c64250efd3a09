/** The files that a command's arguments name: files, folders and patterns. */
import { stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { RequestError } from '../errors.js';

/** What a command looks for in folders. */
export interface FileKind {
  /** For messages: 'golden case'. */
  readonly what: string;
  /** As `png`; upper and lower case are the same. */
  readonly extensions: readonly string[];
}

/** Pictures, in the formats that are read. */
export const PICTURES: FileKind = { what: 'picture', extensions: ['png', 'jpg', 'jpeg', 'webp'] };

/**
 * The files that some arguments name, each once. A folder stands for the files of the kind that are
 * in it and below it, sorted; a pattern that is no file itself (`cases/*.safetensors`, `**` for any
 * folders) for what it describes, sorted. Any other name is taken as it is, whether it is there or
 * not, so that whoever reads it says what is wrong with it.
 *
 * @throws RequestError for a folder or a pattern that gives nothing
 */
export async function filesOf(args: readonly string[], kind: FileKind): Promise<string[]> {
  const found = new Map<string, string>();
  for (const arg of args) {
    for (const file of await filesOfOne(arg, kind)) {
      if (!found.has(resolve(file))) found.set(resolve(file), file);
    }
  }
  return [...found.values()];
}

async function filesOfOne(arg: string, { what, extensions }: FileKind): Promise<string[]> {
  const there = await stat(arg).catch(() => undefined);
  if (there?.isDirectory()) {
    const endings = extensions.map((extension) => `.${extension}`);
    const pattern = `**/*@(${endings.join('|')})`;
    const options = { cwd: arg, caseSensitiveMatch: false, followSymbolicLinks: false };
    const names = await glob(pattern, options);
    if (names.length > 0) return names.sort().map((name) => join(arg, name));
    throw new RequestError(`There is no ${what} (${endings.join(', ')}) in the folder ${arg}.`);
  }
  if (there !== undefined || !isDynamicPattern(arg)) return [arg];
  const options = { expandDirectories: false, followSymbolicLinks: false };
  const files = await glob(arg, { ...options, absolute: isAbsolute(arg) });
  if (files.length > 0) return files.sort();
  throw new RequestError(`No file is described by the pattern '${arg}', and none is called so.`);
}
