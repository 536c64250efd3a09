/** Malicious samples and fuzzing: whatever the bytes are, they are read or refused in words. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FileError } from '../errors.js';
import { readSafetensors, writeSafetensors } from './safetensors.js';
import type { StoredTensor } from './safetensors.js';

/** A file from its parts, right or wrong, without the writer under test. */
function file(header: string | Uint8Array, data: Uint8Array | number = 0, length?: bigint) {
  const head = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const body = typeof data === 'number' ? new Uint8Array(data) : data;
  const bytes = new Uint8Array(8 + head.length + body.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(head.length), true);
  bytes.set(head, 8);
  bytes.set(body, 8 + head.length);
  return bytes;
}

const f32 = (begin: number, end: number, shape = `[${(end - begin) / 4}]`) =>
  `{"dtype":"F32","shape":${shape},"data_offsets":[${begin},${end}]}`;

describe('a safetensors header', () => {
  const utf8 = (text: string) => new TextEncoder().encode(text);
  const MALICIOUS: [string, Uint8Array, RegExp][] = [
    ['an empty file', new Uint8Array(0), /0 bytes are too few/],
    ['half a length', new Uint8Array(7), /7 bytes are too few/],
    ['a length beyond the file', file('{}', 0, 3n), /should have 3 bytes but only 2 follow/],
    ['a length beyond the limit', file('{}', 0, 100_000_001n), /100000001, more than/],
    ['the largest length', file('{}', 0, 2n ** 64n - 1n), /18446744073709551615, more than/],
    ['a header of no bytes', file('', 4), /does not begin with "\{"/],
    ['a zip archive', utf8('PK\x03\x04\0\0\0\0\0\0'), /does not begin|should have|more than/],
    ['a space before the header', file(' {}'), /does not begin with "\{"/],
    ['a byte order mark', file('\uFEFF{}'), /does not begin with "\{"/],
    ['a list for a header', file('[]'), /does not begin with "\{"/],
    ['bytes that are not UTF-8', file(Uint8Array.of(0x7b, 0xff, 0x7d)), /not valid UTF-8/],
    ['broken JSON', file('{"a":'), /not valid JSON/],
    ['text after the object', file('{} x'), /not valid JSON/],
    ['a very deep header', file('{"a":' + '['.repeat(200_000)), /nests more than 16 deep/],
    [
      'deep nesting that closes',
      file(`{"a":${'['.repeat(5e4)}${']'.repeat(5e4)}}`),
      /nests more than 16 deep/,
    ],
    ['a name twice', file(`{"a":${f32(0, 4)},"a":${f32(0, 4)}}`, 4), /"a" twice/],
    ['a name twice, escaped', file(`{"a":${f32(0, 4)},"\\u0061":${f32(0, 4)}}`, 4), /"a" twice/],
    ['a field twice', file('{"a":{"dtype":"F32","dtype":"I32"}}'), /"dtype" twice/],
    ['metadata twice', file('{"__metadata__":{},"__metadata__":{}}'), /"__metadata__" twice/],
    ['a metadata key twice', file('{"__metadata__":{"k":"1","k" : "2"}}'), /"k" twice/],
    ['metadata that is a list', file('{"__metadata__":[]}'), /__metadata__ is a list/],
    ['metadata that is null', file('{"__metadata__":null}'), /__metadata__ is null/],
    ['a number in the metadata', file('{"__metadata__":{"n":1}}'), /"n" is a number/],
    ['a tensor that is a string', file('{"a":"F32"}'), /"a" is a string in the header/],
    ['a tensor that is null', file('{"a":null}'), /"a" is null in the header/],
    ['a name of half a character', file(`{"\\ud800":${f32(0, 0)}}`), /not valid Unicode/],
    ['no dtype', file('{"a":{"shape":[],"data_offsets":[0,4]}}', 4), /a dtype that is missing/],
    ['a dtype of another world', file(f('Q4_K', '[1]', '[0,1]'), 1), /dtype.*Q4_K.*reads/],
    [
      'a dtype that is an object',
      file('{"a":{"dtype":{"toString":1},"shape":[],"data_offsets":[0,4]}}', 4),
      /a dtype that is an object/,
    ],
    [
      'packed elements that do not fill a byte',
      file(f('F4', '[3]', '[0,2]'), 2),
      /needs 1.5 bytes/,
    ],
    ['an inherited property', file(f('toString', '[1]', '[0,1]'), 1), /dtype.*toString/],
    ['a shape that is a number', file(f('F32', '1', '[0,4]'), 4), /shape that is not a list/],
    ['a negative dimension', file(f('F32', '[-1]', '[0,4]'), 4), /shape that is not a list/],
    ['minus nothing', file(f('F32', '[-0]', '[0,0]')), /shape that is not a list/],
    ['half a dimension', file(f('F32', '[0.5]', '[0,2]'), 2), /shape that is not a list/],
    ['a dimension past 2^53', file(f('F32', '[9007199254740993]', '[0,4]'), 4), /shape that is/],
    [
      'a product past 2^53',
      file(f('F32', '[4294967296,4294967296]', '[0,4]'), 4),
      /can be counted/,
    ],
    ['an overflow times 0', file(f('F32', '[4294967296,4294967296,0]', '[0,0]')), /be counted/],
    ['bytes past 2^53', file(f('F32', '[9007199254740991]', '[0,4]'), 4), /can be counted/],
    ['one offset', file(f('F32', '[1]', '[0]'), 4), /not two whole numbers/],
    ['three offsets', file(f('F32', '[1]', '[0,4,4]'), 4), /not two whole numbers/],
    ['a negative offset', file(f('F32', '[1]', '[-4,0]'), 4), /not two whole numbers/],
    ['an end before its begin', file(f('F32', '[1]', '[4,0]'), 4), /ends at byte 0, before/],
    ['too few bytes for the shape', file(f('F32', '[2]', '[0,4]'), 4), /needs 8 bytes.*hold 4/],
    ['too many bytes for the shape', file(f('F16', '[1]', '[0,4]'), 4), /needs 2 bytes.*hold 4/],
    [
      'an overlap',
      file(`{"a":${f32(0, 8)},"b":${f32(4, 12)}}`, 12),
      /"b" begins at byte 4, inside/,
    ],
    ['the same bytes twice', file(`{"a":${f32(0, 4)},"b":${f32(0, 4)}}`, 4), /begins at byte 0/],
    ['a hole', file(`{"a":${f32(0, 4)},"b":${f32(8, 12)}}`, 12), /bytes 4 to 8, before tensor "b"/],
    ['a hole at the start', file(`{"a":${f32(4, 8)}}`, 8), /bytes 0 to 4, before tensor "a"/],
    ['data cut short', file(`{"a":${f32(0, 8)}}`, 7), /ends at byte 8 but the data has only 7/],
    ['trailing bytes', file(`{"a":${f32(0, 8)}}`, 11), /3 bytes follow after the last tensor/],
    ['data without tensors', file('{}', 1), /1 bytes follow/],
  ];

  function f(dtype: string, shape: string, offsets: string): string {
    return `{"a":{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}}`;
  }

  it.each(MALICIOUS)('refuses %s', (_, bytes, message) => {
    const read = () => readSafetensors(bytes, 'some.safetensors');
    expect(read).toThrow(FileError);
    expect(read).toThrow(message);
    expect(read).toThrow(/^some\.safetensors: /);
  });

  it('never repeats an endless name in a message', () => {
    const bytes = file(`{"${'n'.repeat(1e6)}":1}`);
    try {
      readSafetensors(bytes);
      expect.unreachable();
    } catch (error) {
      expect(String(error).length).toBeLessThan(300);
    }
  });

  const tensors = new Map<string, StoredTensor>([
    ['i64', { dtype: 'I64', shape: [2], data: BigInt64Array.of(-1n, 2n ** 62n) }],
    ['f32', { dtype: 'F32', shape: [2, 1], data: Float32Array.of(1.5, Infinity) }],
    ['f16', { dtype: 'F16', shape: [], data: Float32Array.of(65504) }],
    ['bool', { dtype: 'BOOL', shape: [3], data: Uint8Array.of(0, 1, 1) }],
    ['empty', { dtype: 'F64', shape: [0, 3], data: new Float64Array(0) }],
  ]);
  const whole = writeSafetensors(tensors, { key: 'välue "quoted"', other: '\\' });

  it('refuses every truncation', () => {
    for (let length = 0; length < whole.length; length++) {
      expect(() => readSafetensors(whole.subarray(0, length))).toThrow(FileError);
    }
  });

  it('reads or refuses whatever bit is flipped in the header', () => {
    const dataStart = 8 + Number(new DataView(whole.buffer).getBigUint64(0, true));
    let refused = 0;
    for (let bit = 0; bit < dataStart * 8; bit++) {
      const bytes = whole.slice();
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      refused += refusedWithFileError(bytes) ? 1 : 0;
    }
    expect(refused).toBeGreaterThan(dataStart);
  });

  it('reads or refuses arbitrary bytes and arbitrary JSON', () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    fc.assert(fc.property(bytes, (anything) => void refusedWithFileError(anything)));
    const property = fc.property(fc.json(), fc.nat(40), (json, dataBytes) => {
      refusedWithFileError(file(`{"a":${json}}`, dataBytes));
    });
    fc.assert(property);
  });

  it('reads or refuses headers that are nearly right', () => {
    const number = fc.oneof(fc.nat(16), fc.constantFrom(-1, 2 ** 53, 1.5, 2 ** 40));
    const entry = fc.record(
      {
        dtype: fc.constantFrom('F32', 'U8', 'I64', 'F16', 'X'),
        shape: fc.array(number, { maxLength: 3 }),
        data_offsets: fc.array(number, { minLength: 1, maxLength: 3 }),
      },
      { requiredKeys: [] },
    );
    const table = fc.dictionary(fc.string(), entry, { maxKeys: 3 });
    const property = fc.property(table, fc.nat(20), (header, dataBytes) => {
      refusedWithFileError(file(JSON.stringify(header), dataBytes));
    });
    fc.assert(property, { numRuns: 500 });
  });

  /** Whether the bytes are refused; any other error than FileError goes through to the test. */
  function refusedWithFileError(bytes: Uint8Array): boolean {
    try {
      readSafetensors(bytes);
      return false;
    } catch (error) {
      if (error instanceof FileError) return true;
      throw error;
    }
  }
});
