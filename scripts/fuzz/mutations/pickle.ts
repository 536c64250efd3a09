/**
 * Mutations of pickles, opcode by opcode, so that most of them get past the first bytes and into
 * what the objects are made of.
 *
 * Source: Lib/pickletools.py of CPython.
 */
import type { RandomStream } from '../../../src/random/index.js';
import { edgeNear, once, pick, place, shortLength, type Mutate } from '../dice.js';
import { concat, encode, mutateBytes, noise, numberBytes, replaceAt } from './bytes.js';
import { ODD_WORDS } from './text.js';

/** How long what follows an opcode is: a number of bytes, of lines, or a length that stands first. */
type Argument = number | { lines: number } | { lengthBytes: 1 | 4 | 8 };

const LINE: Argument = { lines: 1 };
const ARGUMENTS: ReadonlyMap<number, Argument> = new Map([
  ...'IFLSVPgpd'.split('').map((code): [number, Argument] => [code.charCodeAt(0), LINE]),
  ...'ci'.split('').map((code): [number, Argument] => [code.charCodeAt(0), { lines: 2 }]),
  ...'UC'.split('').map((code): [number, Argument] => [code.charCodeAt(0), { lengthBytes: 1 }]),
  ...'TBX'.split('').map((code): [number, Argument] => [code.charCodeAt(0), { lengthBytes: 4 }]),
  ...'Kqh'.split('').map((code): [number, Argument] => [code.charCodeAt(0), 1]),
  ...'Jrj'.split('').map((code): [number, Argument] => [code.charCodeAt(0), 4]),
  [0x4d /* M BININT2 */, 2],
  [0x47 /* G BINFLOAT */, 8],
  [0x64 /* d DICT */, 0],
  [0x80 /* PROTO */, 1],
  [0x82 /* EXT1 */, 1],
  [0x83 /* EXT2 */, 2],
  [0x84 /* EXT4 */, 4],
  [0x8a /* LONG1 */, { lengthBytes: 1 }],
  [0x8b /* LONG4 */, { lengthBytes: 4 }],
  [0x8c /* SHORT_BINUNICODE */, { lengthBytes: 1 }],
  [0x8d /* BINUNICODE8 */, { lengthBytes: 8 }],
  [0x8e /* BINBYTES8 */, { lengthBytes: 8 }],
  [0x95 /* FRAME */, 8],
  [0x96 /* BYTEARRAY8 */, { lengthBytes: 8 }],
]);

/** Opcodes that take nothing behind them. */
const PLAIN = Array.from('(.012NQRab]e)}stulod', (code) => code.charCodeAt(0));
const PLAIN_OF_LATER_PROTOCOLS = [
  0x81, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8f, 0x90, 0x91, 0x92, 0x93, 0x94, 0x97, 0x98,
];

const GLOBALS = [
  'collections OrderedDict',
  'collections defaultdict',
  'torch._utils _rebuild_tensor',
  'torch._utils _rebuild_tensor_v2',
  'torch._utils _rebuild_tensor_v3',
  'torch._utils _rebuild_parameter',
  'torch._utils _rebuild_parameter_with_state',
  'torch._utils _rebuild_qtensor',
  'torch._utils _rebuild_sparse_tensor',
  'torch._utils _rebuild_xla_tensor',
  'torch._utils _rebuild_device_tensor_from_numpy',
  'torch._utils _rebuild_meta_tensor_no_storage',
  'torch._tensor _rebuild_from_type_v2',
  'torch.storage _load_from_bytes',
  'torch.storage UntypedStorage',
  'torch FloatStorage',
  'torch LongStorage',
  'torch DoubleStorage',
  'torch ComplexFloatStorage',
  'torch BoolStorage',
  'torch Size',
  'torch device',
  'torch Tensor',
  'torch.nn.parameter Parameter',
  'numpy ndarray',
  'numpy dtype',
  'numpy.core.multiarray _reconstruct',
  'numpy.core.multiarray scalar',
  'numpy._core.multiarray _reconstruct',
  'numpy.core.numeric _frombuffer',
  '_codecs encode',
  'builtins set',
  'builtins getattr',
  'builtins eval',
  '__builtin__ object',
  'copyreg _reconstructor',
  'argparse Namespace',
  'types SimpleNamespace',
  'os system',
  '__main__ Net',
] as const;

/** The instructions of a pickle; undefined where it is none. */
export function instructions(bytes: Uint8Array, start = 0): Uint8Array[] | undefined {
  const found: Uint8Array[] = [];
  for (let at = start; at < bytes.length;) {
    const end = endOfInstruction(bytes, at);
    if (end === undefined || end > bytes.length) return undefined;
    found.push(bytes.slice(at, end));
    if (bytes[at] === 0x2e) return found;
    at = end;
  }
  return undefined;
}

function endOfInstruction(bytes: Uint8Array, at: number): number | undefined {
  const argument = ARGUMENTS.get(bytes[at] ?? 0) ?? 0;
  if (typeof argument === 'number') return at + 1 + argument;
  if ('lines' in argument) {
    let end = at;
    for (let line = 0; line < argument.lines; line++) {
      end = bytes.indexOf(0x0a, end + 1);
      if (end < 0) return undefined;
    }
    return end + 1;
  }
  let length = 0;
  for (let i = argument.lengthBytes; i > 0; i--) length = length * 256 + (bytes[at + i] ?? 0);
  return at + 1 + argument.lengthBytes + length;
}

/** Edits one pickle, or the first of several that follow one another. */
export const mutatePickle: Mutate = (random, bytes, other) => {
  const code = instructions(bytes);
  if (code === undefined) return mutateBytes(random, bytes, other);
  const before = code.reduce((total, { length }) => total + length, 0);
  for (let edits = shortLength(random, 2); edits > 0; edits--) editCode(random, code, other);
  return concat(...code, bytes.subarray(before));
};

/** Edits any one of some pickles that follow one another. */
export const mutatePickles: Mutate = (random, bytes, other) => {
  const starts = [0];
  for (let n = random.integer(6); n > 0; n--) {
    const start = starts.at(-1) ?? 0;
    const code = instructions(bytes, start);
    if (code === undefined) break;
    starts.push(code.reduce((total, { length }) => total + length, start));
  }
  const start = pick(random, starts) ?? 0;
  return replaceAt(bytes, start, bytes.length, mutatePickle(random, bytes.subarray(start), other));
};

function editCode(random: RandomStream, code: Uint8Array[], other: Uint8Array): void {
  const at = place(random, code.length);
  const now = code[at] ?? new Uint8Array();
  const length = shortLength(random, 12);
  switch (random.integer(9)) {
    case 0:
      code.splice(at, once(random, 2) ? 1 : length);
      return;
    case 1:
    case 2:
      code.splice(at, 0, instruction(random));
      return;
    case 3:
      code.splice(at, 1, instruction(random));
      return;
    case 4: {
      // The same again: nested deeper, or memoised and doubled.
      const piece = code.slice(at, at + length);
      const times = once(random, 4) ? shortLength(random, 400) : 1 + random.integer(3);
      for (let n = 0; n < times; n++) code.splice(at, 0, ...piece);
      return;
    }
    case 5: {
      const to = place(random, code.length);
      code.splice(to, 0, ...code.splice(at, length));
      return;
    }
    case 6: {
      const theirs = instructions(other) ?? [];
      const from = place(random, theirs.length);
      code.splice(at, once(random, 2) ? length : 0, ...theirs.slice(from, from + length));
      return;
    }
    case 7:
      // Only what follows the opcode, so that it stays what it is.
      if (now.length > 1) {
        code[at] = concat(now.subarray(0, 1), mutateBytes(random, now.subarray(1), other));
      }
      return;
    default:
      code[at] = changedNumber(random, now);
  }
}

/** Another number in an instruction that has one; else the instruction as it was. */
function changedNumber(random: RandomStream, now: Uint8Array): Uint8Array {
  const width = now.length - 1;
  if (width !== 1 && width !== 2 && width !== 4 && width !== 8) return now;
  const current = now.subarray(1).reduceRight((value, byte) => value * 256 + byte, 0);
  const value = edgeNear(random, current);
  return concat(now.subarray(0, 1), numberBytes(value, width, true));
}

function instruction(random: RandomStream): Uint8Array {
  const code = (opcode: string | number, ...argument: Uint8Array[]): Uint8Array =>
    concat(typeof opcode === 'string' ? encode(opcode) : Uint8Array.of(opcode), ...argument);
  const word = once(random, 3) ? pick(random, ODD_WORDS) : pick(random, NAMES);
  const text = encode(word);
  const memo = Uint8Array.of(random.integer(once(random, 2) ? 8 : 256));
  switch (random.integer(12)) {
    case 0:
    case 1:
      return Uint8Array.of(pick(random, PLAIN) ?? 0x4e);
    case 2:
      return Uint8Array.of(pick(random, PLAIN_OF_LATER_PROTOCOLS) ?? 0x94);
    case 3:
      return code('c', encode(`${pick(random, GLOBALS).replace(' ', '\n')}\n`));
    case 4:
      return code('h', memo);
    case 5:
      return code('q', memo);
    case 6:
      return code('X', numberBytes(BigInt(text.length), 4, true), text);
    case 7:
      return code('U', Uint8Array.of(text.length), text);
    case 8:
      return code('J', numberBytes(edgeNear(random, 3), 4, true));
    case 9:
      return code('K', Uint8Array.of(random.integer(6)));
    case 10: {
      const length = once(random, 6) ? 255 : random.integer(12);
      return code(0x8a, Uint8Array.of(length), noise(random, length));
    }
    default:
      return code('I', encode(`${edgeNear(random, 3)}\n`));
  }
}

const NAMES = [
  'storage',
  'state_dict',
  'weight',
  '0',
  '1',
  'cpu',
  'latin1',
  'data',
  'a.b',
] as const;
