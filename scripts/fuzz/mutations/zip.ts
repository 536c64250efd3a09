/**
 * Mutations of zip archives: entry by entry with checksums that hold, and field by field with headers
 * that disagree.
 *
 * Source: PKWARE, APPNOTE.TXT 6.3.10.
 */
import { crc32, deflateRawSync } from 'node:zlib';
import type { RandomStream } from '../../../src/random/index.js';
import { edgeNear, once, pick, place, type Mutate } from '../dice.js';
import { concat, encode, mutateBytes, noise, numberBytes, replaceAt } from './bytes.js';
import { ODD_WORDS } from './text.js';

interface Entry {
  readonly name: Uint8Array;
  /** As it lies in the archive. */
  readonly stored: Uint8Array;
  readonly method: number;
  readonly crc: number;
  /** Unpacked. */
  readonly size: number;
}

const END_BYTES = 22;
const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;

/** A field of a header: place and width. */
type Field = readonly [at: number, width: 2 | 4];

const LOCAL_FIELDS: readonly Field[] = [
  [4, 2],
  [6, 2],
  [8, 2],
  [14, 4],
  [18, 4],
  [22, 4],
  [26, 2],
  [28, 2],
];
const CENTRAL_FIELDS: readonly Field[] = [
  [8, 2],
  [10, 2],
  [16, 4],
  [20, 4],
  [24, 4],
  [28, 2],
  [30, 2],
  [32, 2],
  [38, 4],
  [42, 4],
];
const END_FIELDS: readonly Field[] = [
  [4, 2],
  [8, 2],
  [10, 2],
  [12, 4],
  [16, 4],
  [20, 2],
];

/**
 * Mutations of archives.
 * @param content edits an entry's content, by its name
 */
export function mutateZip(content: (name: string) => Mutate): Mutate {
  return (random, bytes, other) => {
    const entries = parse(bytes);
    if (entries === undefined || entries.length === 0) return mutateBytes(random, bytes, other);
    if (once(random, 3)) return tampered(random, bytes);
    editEntries(random, entries, content, other);
    const built = build(entries);
    return once(random, 5) ? tampered(random, built) : built;
  };
}

/** An archive of stored entries. */
export function zip(files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  return build(Object.entries(files).map(([name, bytes]) => entryOf(encode(name), bytes)));
}

function entryOf(name: Uint8Array, content: Uint8Array, deflate = false): Entry {
  return {
    name,
    stored: deflate ? deflateRawSync(content, { level: 1 }) : content,
    method: deflate ? 8 : 0,
    crc: crc32(content),
    size: content.length,
  };
}

function editEntries(
  random: RandomStream,
  entries: Entry[],
  content: (name: string) => Mutate,
  other: Uint8Array,
): void {
  const at = place(random, entries.length);
  const entry = entries[at];
  if (entry === undefined) return;
  switch (random.integer(12)) {
    case 0:
      entries.splice(at, 1);
      return;
    case 1:
      entries.splice(place(random, entries.length), 0, entry);
      return;
    case 2: {
      const name = once(random, 2) ? encode(pick(random, ODD_WORDS)) : noise(random, 3);
      entries[at] = { ...entry, name: once(random, 2) ? name : concat(entry.name, name) };
      return;
    }
    case 3:
      entries[at] = { ...entry, name: (pick(random, entries) ?? entry).name };
      return;
    case 4:
      entries[at] = entryOf(entry.name, entry.stored, true);
      return;
    case 5:
      // A bomb, small enough to be packed in no time.
      entries[at] = entryOf(entry.name, new Uint8Array(1 << (10 + random.integer(9))), true);
      return;
    case 6:
      entries.reverse();
      return;
    default: {
      const name = new TextDecoder().decode(entry.name);
      const theirs = parse(other) ?? [];
      const same = theirs.find((one) => new TextDecoder().decode(one.name).endsWith(name));
      const changed = content(name)(random, entry.stored, (same ?? entry).stored);
      entries[at] = entryOf(entry.name, changed, once(random, 8));
    }
  }
}

/** Headers that lie, and pieces that stand where none should. */
function tampered(random: RandomStream, bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = bytes.length - END_BYTES;
  const headers = places(view);
  switch (random.integer(6)) {
    case 0:
      return concat(noise(random, random.integer(8)), bytes, noise(random, random.integer(8)));
    case 1: {
      // Two central entries that point to one place.
      const central = headers.filter(({ fields }) => fields === CENTRAL_FIELDS);
      const [one, two] = [pick(random, central), pick(random, central)];
      if (one === undefined || two === undefined) return bytes;
      const offset = bytes.slice(two.at + 42, two.at + 46);
      return replaceAt(bytes, one.at + 42, one.at + 46, offset);
    }
    default: {
      const { at, fields } = pick(random, headers) ?? { at: end, fields: END_FIELDS };
      const [offset, width] = pick(random, fields) ?? [0, 4];
      const start = at + offset;
      if (start < 0 || start + width > bytes.length) return bytes;
      const now = width === 2 ? view.getUint16(start, true) : view.getUint32(start, true);
      return replaceAt(
        bytes,
        start,
        start + width,
        numberBytes(edgeNear(random, now), width, true),
      );
    }
  }
}

function places(view: DataView): { at: number; fields: readonly Field[] }[] {
  const found: { at: number; fields: readonly Field[] }[] = [];
  for (let at = 0; at + 4 <= view.byteLength; at++) {
    const signature = view.getUint32(at, true);
    if (signature === LOCAL) found.push({ at, fields: LOCAL_FIELDS });
    if (signature === CENTRAL) found.push({ at, fields: CENTRAL_FIELDS });
    if (signature === END) found.push({ at, fields: END_FIELDS });
  }
  return found;
}

/** The entries of an archive that is in order; undefined for another. */
function parse(bytes: Uint8Array): Entry[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = bytes.length - END_BYTES;
  if (end < 0 || view.getUint32(end, true) !== END) return undefined;
  const entries: Entry[] = [];
  let at = view.getUint32(end + 16, true);
  for (let n = view.getUint16(end + 10, true); n > 0; n--) {
    if (at + 46 > end || view.getUint32(at, true) !== CENTRAL) return undefined;
    const local = view.getUint32(at + 42, true);
    if (local + 30 > end) return undefined;
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const nameBytes = view.getUint16(at + 28, true);
    entries.push({
      name: bytes.slice(at + 46, at + 46 + nameBytes),
      stored: bytes.slice(start, start + view.getUint32(at + 20, true)),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      size: view.getUint32(at + 24, true),
    });
    at += 46 + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return entries;
}

function build(entries: readonly Entry[]): Uint8Array {
  const u16 = (value: number): Uint8Array => numberBytes(BigInt(value), 2, true);
  const u32 = (value: number): Uint8Array => numberBytes(BigInt(value), 4, true);
  const locals: Uint8Array[] = [];
  const centrals: Uint8Array[] = [];
  let at = 0;
  for (const { name, stored, method, crc, size } of entries) {
    const common = concat(
      u16(20),
      u16(0),
      u16(method),
      u32(0),
      u32(crc),
      u32(stored.length),
      u32(size),
      u16(name.length),
      u16(0),
    );
    const local = concat(u32(LOCAL), common, name, stored);
    centrals.push(
      concat(u32(CENTRAL), u16(20), common, u16(0), u16(0), u16(0), u32(0), u32(at), name),
    );
    locals.push(local);
    at += local.length;
  }
  const directory = concat(...centrals);
  const count = u16(entries.length);
  const end = concat(u32(END), u32(0), count, count, u32(directory.length), u32(at), u16(0));
  return concat(...locals, directory, end);
}
