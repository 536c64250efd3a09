/** How the modules of the documents map to ours: every id of a golden case, in one table. */
import { RequestError } from '../errors.js';
import { suggestion } from '../suggest.js';
import { cbam } from './cbam.js';
import { channel } from './channel.js';
import type { ParityEntry, ParityTable } from './entry.js';
import { fusion } from './fusion.js';
import { hybrid } from './hybrid.js';
import { networks } from './networks.js';
import { spatial } from './spatial.js';
import { tokens } from './tokens.js';

/** Counterparts by the id of the document's module: `se.conv`, `osra`. */
export const parityTable: ParityTable = {
  ...channel,
  ...spatial,
  ...cbam,
  ...hybrid,
  ...fusion,
  ...tokens,
  ...networks,
};

/**
 * The counterpart of a module.
 * @throws RequestError if there is none of this id; names the nearest ones
 */
export function parityEntry(id: string): ParityEntry {
  const entry = Object.hasOwn(parityTable, id) ? parityTable[id] : undefined;
  if (entry) return entry;
  throw new RequestError(`Unknown module '${id}'. ${suggestion(id, Object.keys(parityTable))}`);
}
