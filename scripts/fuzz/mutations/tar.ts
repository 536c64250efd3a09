/** Mutations of tar archives, with checksums that hold, and of gzip around them. POSIX.1-2017, pax. */
import { gunzipSync, gzipSync } from 'node:zlib';
import type { RandomStream } from '../../../src/random/index.js';
import { EDGES, once, pick, place, shortLength, type Mutate } from '../dice.js';
import { concat, encode, mutateBytes, noise } from './bytes.js';
import { ODD_WORDS } from './text.js';

const BLOCK = 512;
const CHECKSUM = 148;
const SIZE = 124;
const TYPE = 156;
/** Files, links, devices, folders, and what announces long names. */
const TYPES = Array.from('\x001234567xgLKSVMN', (type) => type.charCodeAt(0));

interface Member {
  readonly header: Uint8Array;
  readonly content: Uint8Array;
}

/** An archive of plain files. */
export function tar(files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  return build(Object.entries(files).map(([name, bytes]) => member(name, '0', bytes)));
}

function member(name: string, type: string, content: Uint8Array): Member {
  const header = new Uint8Array(BLOCK);
  header.set(encode(name).subarray(0, 100));
  header.set(encode('0000644\0' + '0000000\0'.repeat(2)), 100);
  header.set(encode(`${content.length.toString(8).padStart(11, '0')}\0`), SIZE);
  header.set(encode('00000000000\0'), 136);
  header.set(encode(type), TYPE);
  header.set(encode('ustar\x0000'), 257);
  return { header: withChecksum(header), content };
}

function withChecksum(header: Uint8Array): Uint8Array {
  const fixed = header.slice();
  fixed.fill(0x20, CHECKSUM, CHECKSUM + 8);
  const sum = fixed.reduce((total, byte) => total + byte, 0);
  fixed.set(encode(`${sum.toString(8).padStart(6, '0')}\0 `), CHECKSUM);
  return fixed;
}

function build(members: readonly Member[]): Uint8Array {
  const parts = members.flatMap(({ header, content }) => [
    header,
    content,
    new Uint8Array((BLOCK - (content.length % BLOCK)) % BLOCK),
  ]);
  return concat(...parts, new Uint8Array(2 * BLOCK));
}

function parse(bytes: Uint8Array): Member[] {
  const members: Member[] = [];
  for (let at = 0; at + BLOCK <= bytes.length;) {
    const header = bytes.slice(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) break;
    const digits = new TextDecoder().decode(header.subarray(SIZE, SIZE + 11));
    const size = /^[0-7]+$/.test(digits) ? parseInt(digits, 8) : 0;
    at += BLOCK;
    members.push({ header, content: bytes.slice(at, at + size) });
    at += Math.ceil(size / BLOCK) * BLOCK;
  }
  return members;
}

/** Edits a tar archive that is not compressed. */
export const mutateTar: Mutate = (random, bytes, other) => {
  const members = parse(bytes);
  const at = place(random, members.length);
  const chosen = members[at];
  if (chosen === undefined) return mutateBytes(random, bytes, other);
  switch (random.integer(8)) {
    case 0:
      members.splice(at, 1);
      break;
    case 1:
      members.splice(place(random, members.length), 0, chosen);
      break;
    case 2:
      members.splice(at, 0, member('pax', pick(random, ['x', 'g', 'L', 'K', 'S']), pax(random)));
      break;
    case 3:
      members.splice(at, 0, member(`${random.integer(99)}/`, '5', new Uint8Array()));
      break;
    case 4: {
      const content = mutateBytes(random, chosen.content, other);
      const header = chosen.header.slice();
      header.set(encode(`${content.length.toString(8).padStart(11, '0')}\0`), SIZE);
      members[at] = { header: withChecksum(header), content };
      break;
    }
    default:
      members[at] = {
        header: withChecksum(editHeader(random, chosen.header)),
        content: chosen.content,
      };
  }
  const built = build(members);
  return once(random, 10) ? built.subarray(0, place(random, built.length)) : built;
};

function editHeader(random: RandomStream, header: Uint8Array): Uint8Array {
  const edited = header.slice();
  const octal = (value: bigint): Uint8Array =>
    encode(value.toString(8).slice(-11).padStart(11, '0'));
  switch (random.integer(5)) {
    case 0: {
      edited.fill(0, 0, 100);
      edited.set(encode(pick(random, ODD_WORDS)).subarray(0, 100));
      break;
    }
    case 1:
      edited[TYPE] = pick(random, TYPES) ?? 0;
      if (once(random, 2)) edited.set(encode('../../../etc/passwd'), 157);
      break;
    case 2:
      edited.set(octal(pick(random, EDGES)), SIZE);
      break;
    case 3:
      // A size in base 256.
      edited.set(concat(Uint8Array.of(0x80), noise(random, 11)), SIZE);
      break;
    default:
      return mutateHeaderBytes(random, edited);
  }
  return edited;
}

function mutateHeaderBytes(random: RandomStream, header: Uint8Array): Uint8Array {
  header.set(noise(random, shortLength(random, 12)).subarray(0, 12), place(random, BLOCK - 12));
  return header;
}

/** Records of a pax header: `length key=value`. */
function pax(random: RandomStream): Uint8Array {
  const key = pick(random, ['path', 'size', 'linkpath', 'mtime', 'GNU.sparse.size', '__proto__']);
  const value = once(random, 2) ? String(pick(random, EDGES)) : pick(random, ODD_WORDS);
  const rest = ` ${key}=${value}\n`;
  const length = encode(rest).length + 2;
  return encode(`${once(random, 6) ? pick(random, EDGES) : length}${rest}`);
}

/** Edits what is inside of gzip, or gzip itself. */
export function mutateGzip(inside: Mutate): Mutate {
  return (random, bytes, other) => {
    const [inner, theirs] = [unpacked(bytes), unpacked(other)];
    if (inner === undefined || once(random, 6)) return mutateBytes(random, bytes, other);
    const packed = gzipSync(inside(random, inner, theirs ?? inner), { level: 1 });
    if (once(random, 20)) return concat(packed, once(random, 2) ? packed : noise(random, 9));
    return packed;
  };
}

function unpacked(bytes: Uint8Array): Uint8Array | undefined {
  try {
    return gunzipSync(bytes, { maxOutputLength: 1 << 20 });
  } catch {
    return undefined;
  }
}
