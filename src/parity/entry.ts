import type { GoldenSubject } from './golden.js';

/** How a module of the documents is made of ours. */
export interface ParityEntry {
  /**
   * Builds the counterpart of a case.
   * @param config the constructor's arguments in the document, by their Python names
   * @throws RequestError for arguments that the document's class does not have or cannot take
   */
  build(config: Readonly<Record<string, unknown>>): GoldenSubject;
}

/** Counterparts by the id of the document's module. */
export type ParityTable = Readonly<Record<string, ParityEntry>>;
