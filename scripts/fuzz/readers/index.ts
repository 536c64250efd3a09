/** All readers of bytes or text from outside. A new reader is one line in one of these tables. */
import { RequestError } from '../../../src/errors.js';
import { suggestion } from '../../../src/suggest.js';
import type { Reader } from '../reader.js';
import { dataReaders } from './data.js';
import { sickReaders } from './sick.js';
import { runsReaders } from './runs.js';
import { weightsReaders } from './weights.js';
import { wordsReaders } from './words.js';

export const readers: readonly Reader[] = [
  ...weightsReaders,
  ...dataReaders,
  ...runsReaders,
  ...wordsReaders,
];

/**
 * The reader of a name, the sick ones of the harness's own tests among them.
 * @throws RequestError if there is none of this name
 */
export function readerOf(name: string): Reader {
  const reader = [...readers, ...sickReaders].find((one) => one.name === name);
  if (reader !== undefined) return reader;
  const names = readers.map((one) => one.name);
  throw new RequestError(`There is no reader '${name}'. ${suggestion(name, names)}`);
}
