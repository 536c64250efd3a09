/** The directory at the end of a zip archive. See zip.ts for the rules and the source. */

const END_OF_DIRECTORY = 0x06054b50;
const END_64 = 0x06064b50;
const END_64_LOCATOR = 0x07064b50;
const DIRECTORY_ENTRY = 0x02014b50;
export const LOCAL_HEADER = 0x04034b50;

/** Bytes of the records without what varies. */
const END_BYTES = 22;
const END_64_BYTES = 56;
const LOCATOR_BYTES = 20;
const ENTRY_BYTES = 46;

/** A field of 32 bits that says: the value is in one of 64 elsewhere. */
const ELSEWHERE = 0xffffffff;

/** What the directory says of one entry. */
export interface DirectoryEntry {
  readonly name: string;
  readonly nameBytes: Uint8Array;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  /** Bytes in the archive, and unpacked. */
  readonly packedBytes: number;
  readonly bytes: number;
  /** Where its header begins in the file. */
  readonly header: number;
}

interface Extent {
  readonly start: number;
  readonly end: number;
  readonly count: number;
}

type Refuse = (problem: string) => never;

/**
 * All entries of the directory, and where it begins in the file.
 * @throws RangeError where it points outside of the file
 */
export function readDirectory(
  bytes: Uint8Array,
  refuse: Refuse,
): { entries: DirectoryEntry[]; start: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { start, end, count, before } = extent(view, refuse);
  const entries: DirectoryEntry[] = [];
  let at = start;
  while (at < end) {
    if (view.getUint32(at, true) !== DIRECTORY_ENTRY) refuse('the zip directory is corrupt');
    const nameBytes = view.getUint16(at + 28, true);
    const extraBytes = view.getUint16(at + 30, true);
    const extra = at + ENTRY_BYTES + nameBytes;
    const next = extra + extraBytes + view.getUint16(at + 32, true);
    if (next > end) refuse('the zip directory is corrupt: an entry passes its end');
    const name = bytes.subarray(at + ENTRY_BYTES, extra);
    const [size, packed, header] = wideFields(
      view,
      [at + 24, at + 20, at + 42],
      extra,
      extra + extraBytes,
      refuse,
    );
    entries.push({
      name: new TextDecoder().decode(name),
      nameBytes: name,
      flags: view.getUint16(at + 8, true),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packedBytes: packed,
      bytes: size,
      header: header + before,
    });
    at = next;
  }
  if (entries.length !== count) {
    refuse(`the zip directory should list ${count} entries and lists ${entries.length}`);
  }
  return { entries, start };
}

/** Whether bytes end as a zip archive does, though they may begin with something else. */
export function endsAsZip(bytes: Uint8Array): boolean {
  return endRecord(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)) !== undefined;
}

/** Where the directory lies, and how many bytes stand before the archive in the file. */
function extent(view: DataView, refuse: Refuse): Extent & { before: number } {
  const at = endRecord(view);
  if (at === undefined) {
    return refuse(
      'the zip archive does not end with its directory: the file is truncated, or something was ' +
        'added to it',
    );
  }
  const wide = endRecord64(view, at, refuse);
  const disks = view.getUint16(at + 4, true) + view.getUint16(at + 6, true);
  if (disks !== 0 && disks !== 0x1fffe)
    refuse('the zip archive is one of several parts: join them');
  const count = wide?.count ?? view.getUint16(at + 10, true);
  const bytes = wide?.bytes ?? view.getUint32(at + 12, true);
  const offset = wide?.offset ?? view.getUint32(at + 16, true);
  // The directory ends where the record about it begins, so what stands before the archive shows.
  const end = wide?.at ?? at;
  const start = end - bytes;
  const before = start - offset;
  if (start < 0 || before < 0) refuse('the zip directory points outside of the file');
  return { start, end, count, before };
}

/** Where the record at the end begins: last in the file, but for a comment of the length it names. */
function endRecord(view: DataView): number | undefined {
  const last = view.byteLength - END_BYTES;
  for (let at = last; at >= 0 && at >= last - 0xffff; at--) {
    const found = view.getUint32(at, true) === END_OF_DIRECTORY;
    if (found && at + view.getUint16(at + 20, true) === last) return at;
  }
  return undefined;
}

interface End64 {
  readonly at: number;
  readonly count: number;
  readonly bytes: number;
  readonly offset: number;
}

/** The record of 64 bits, if there is one, which must not contradict the one of 32. */
function endRecord64(view: DataView, end: number, refuse: Refuse): End64 | undefined {
  const locator = end - LOCATOR_BYTES;
  if (locator < 0 || view.getUint32(locator, true) !== END_64_LOCATOR) return undefined;
  // Nothing but the locator stands between the two; where the file has a prefix, offsets are off.
  const at = locator - END_64_BYTES;
  if (at < 0 || view.getUint32(at, true) !== END_64) {
    return refuse('the zip archive names a second directory end that is not there');
  }
  const wide = {
    at,
    count: Number(view.getBigUint64(at + 32, true)),
    bytes: Number(view.getBigUint64(at + 40, true)),
    offset: Number(view.getBigUint64(at + 48, true)),
  };
  const agrees = (narrow: number, value: number, elsewhere: number) =>
    narrow === value || narrow === elsewhere;
  if (
    !agrees(view.getUint16(end + 10, true), wide.count, 0xffff) ||
    !agrees(view.getUint32(end + 12, true), wide.bytes, ELSEWHERE) ||
    !agrees(view.getUint32(end + 16, true), wide.offset, ELSEWHERE)
  ) {
    refuse('the two ends of the zip directory contradict each other');
  }
  return wide;
}

/** Fields of 32 bits, those that say so from the extra field of 64 (header id 1), in its order. */
function wideFields(
  view: DataView,
  places: readonly [number, number, number],
  extra: number,
  extraEnd: number,
  refuse: Refuse,
): [number, number, number] {
  const narrow = places.map((place) => view.getUint32(place, true));
  let from = extraEnd;
  let to = extraEnd;
  for (let at = extra; at + 4 <= extraEnd; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    from = at + 4;
    to = from + view.getUint16(at + 2, true);
    break;
  }
  const [size = 0, packed = 0, header = 0] = narrow.map((value) => {
    if (value !== ELSEWHERE) return value;
    if (from + 8 > Math.min(to, extraEnd)) {
      return refuse('the zip directory is corrupt: a size of 64 bits is missing');
    }
    from += 8;
    return Number(view.getBigUint64(from - 8, true));
  });
  return [size, packed, header];
}
