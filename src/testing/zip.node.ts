/** Zip archives made by hand, so that they can lie. */
import { crc32 } from 'node:zlib';

/** An entry, and what is said of it in the two places. */
export interface ZipEntry {
  readonly name: string;
  /** As stored: already compressed, if `method` says so. */
  readonly content: Uint8Array;
  /** Of the unpacked content; default: of what is stored. */
  readonly crc?: number;
  readonly bytes?: number;
  readonly method?: number;
  readonly flags?: number;
  /** What the header before the content says instead. */
  readonly local?: Partial<{
    name: string;
    crc: number;
    bytes: number;
    method: number;
    flags: number;
  }>;
  /** Where the directory says that the header is; default: where it is. */
  readonly header?: number;
}

/** The bytes of an archive with these entries. */
export function zipOf(
  entries: readonly ZipEntry[],
  { prefix = '', comment = '', count = entries.length, wide = false } = {},
): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = 0;
  const add = (bytes: Uint8Array) => {
    parts.push(bytes);
    at += bytes.length;
  };
  const directory: Uint8Array[] = [];
  for (const entry of entries) {
    const { name, content, method = 0, flags = 0 } = entry;
    const said = {
      name,
      method,
      flags,
      crc: entry.crc ?? crc32(content),
      bytes: entry.bytes ?? content.length,
    };
    const local = { ...said, ...entry.local };
    const header = entry.header ?? at;
    add(
      fields(
        [4, 0x04034b50],
        [2, 20],
        [2, local.flags],
        [2, local.method],
        [4, 0],
        [4, local.crc],
        [4, content.length],
        [4, local.bytes],
        [2, local.name.length],
        [2, 0],
      ),
    );
    add(text(local.name));
    add(content);
    const elsewhere = 0xffffffff;
    directory.push(
      fields(
        [4, 0x02014b50],
        [2, 20],
        [2, 20],
        [2, said.flags],
        [2, said.method],
        [4, 0],
        [4, said.crc],
        [4, wide ? elsewhere : content.length],
        [4, wide ? elsewhere : said.bytes],
        [2, name.length],
        [2, wide ? 28 : 0],
        [2, 0],
        [4, 0],
        [4, 0],
        [4, wide ? elsewhere : header],
      ),
      text(name),
      ...(wide ? [fields([2, 1], [2, 24], [8, said.bytes], [8, content.length], [8, header])] : []),
    );
  }
  const start = at;
  for (const part of directory) add(part);
  const length = at - start;
  if (wide) {
    const end = at;
    add(fields([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0]));
    add(fields([8, count], [8, count], [8, length], [8, start]));
    add(fields([4, 0x07064b50], [4, 0], [8, end], [4, 1]));
  }
  const narrow = wide ? 0xffffffff : undefined;
  add(fields([4, 0x06054b50], [4, 0], [2, wide ? 0xffff : count], [2, wide ? 0xffff : count]));
  add(fields([4, narrow ?? length], [4, narrow ?? start], [2, comment.length]));
  add(text(comment));
  return new Uint8Array(Buffer.concat([text(prefix), ...parts]));
}

function fields(...values: readonly [size: 2 | 4 | 8, value: number][]): Uint8Array {
  const bytes = new Uint8Array(values.reduce((total, [size]) => total + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of values) {
    if (size === 2) view.setUint16(at, value, true);
    else if (size === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += size;
  }
  return bytes;
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
