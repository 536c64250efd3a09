import { existsSync, readdirSync, readFileSync } from 'node:fs';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { RequestError } from '../errors.js';
import { readSafetensors, writeSafetensors } from './safetensors.js';
import type { SafetensorsDtype, StoredTensor } from './safetensors.js';

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

function tensor(dtype: SafetensorsDtype, shape: number[], data: StoredTensor['data']) {
  return { dtype, shape, data } as StoredTensor;
}

const ONE_OF_EACH = new Map<string, StoredTensor>([
  ['i64', tensor('I64', [2], BigInt64Array.of(-1n, 2n ** 62n))],
  ['f64', tensor('F64', [1, 2], Float64Array.of(Math.PI, -0))],
  ['f32', tensor('F32', [2, 1], Float32Array.of(1.5, Infinity))],
  ['i32', tensor('I32', [], Int32Array.of(-7))],
  ['bf16', tensor('BF16', [2], Float32Array.of(3.140625, -1))],
  ['f16', tensor('F16', [2], Float32Array.of(0.333251953125, 65504))],
  ['i16', tensor('I16', [1], Int16Array.of(-300))],
  ['i8', tensor('I8', [3], Int8Array.of(-128, 0, 127))],
  ['u8', tensor('U8', [1], Uint8Array.of(255))],
  ['bool', tensor('BOOL', [2], Uint8Array.of(0, 1))],
  ['empty', tensor('F32', [0, 3], new Float32Array(0))],
]);

describe('readSafetensors', () => {
  it('reads a file written by hand', () => {
    const data = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
    const header = `{"__metadata__":{"by":"hand"},"b":${f32(8, 16)},"a":${f32(0, 8, '[1,2]')}}  `;
    const { tensors, metadata } = readSafetensors(file(header, data));
    expect(metadata).toEqual({ by: 'hand' });
    expect([...tensors.keys()]).toEqual(['a', 'b']);
    expect(tensors.get('a')).toEqual(tensor('F32', [1, 2], Float32Array.of(1, 2)));
    expect(tensors.get('b')).toEqual(tensor('F32', [2], Float32Array.of(3, 4)));
  });

  it('reads data at an odd address, from a view into a larger buffer', () => {
    const bytes = file(`{"x":${f32(0, 4)}} `, new Uint8Array(Float32Array.of(-2.5).buffer));
    const shifted = new Uint8Array(bytes.length + 3).subarray(3);
    shifted.set(bytes);
    expect(readSafetensors(shifted).tensors.get('x')?.data).toEqual(Float32Array.of(-2.5));
  });

  it('gives copies that do not change with the bytes', () => {
    const bytes = file(`{"x":${f32(0, 4)}}`, new Uint8Array(Float32Array.of(1).buffer));
    const { tensors } = readSafetensors(bytes);
    bytes.fill(0);
    expect(tensors.get('x')?.data).toEqual(Float32Array.of(1));
  });

  it('reads an empty table, scalars and tensors without elements', () => {
    expect(readSafetensors(file('{}')).tensors.size).toBe(0);
    const none = readSafetensors(file(`{"none":${f32(0, 0, '[3,0]')}}`)).tensors.get('none');
    expect(none).toEqual(tensor('F32', [3, 0], new Float32Array(0)));
    expect(readSafetensors(file(`{"s":${f32(0, 4, '[]')}}`, 4)).tensors.get('s')?.shape).toEqual(
      [],
    );
  });

  it('takes __proto__ for a name like any other', () => {
    const { tensors, metadata } = readSafetensors(
      file(`{"__metadata__":{"__proto__":"m"},"__proto__":${f32(0, 4)}}`, 4),
    );
    expect([...tensors.keys()]).toEqual(['__proto__']);
    expect(Object.entries(metadata)).toEqual([['__proto__', 'm']]);
  });
});

describe('writeSafetensors', () => {
  it('writes the bytes of the format', () => {
    const values = Float32Array.of(0, 1, 2, 3, 4, 5);
    const header = '{"attn.0":{"dtype":"F32","shape":[1,2,3],"data_offsets":[0,24]}}';
    expect(writeSafetensors(new Map([['attn.0', tensor('F32', [1, 2, 3], values)]]))).toEqual(
      file(header, new Uint8Array(values.buffer)),
    );
  });

  it('pads the header with spaces so that the data begins at a multiple of 8', () => {
    const bytes = writeSafetensors(new Map([['x', tensor('U8', [1], Uint8Array.of(9))]]));
    const header = '{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}   ';
    expect(bytes).toEqual(file(header, Uint8Array.of(9)));
  });

  it('gives every dtype back as it was', () => {
    const { tensors, metadata } = readSafetensors(writeSafetensors(ONE_OF_EACH, { a: 'b' }));
    expect(metadata).toEqual({ a: 'b' });
    expect(tensors.size).toBe(ONE_OF_EACH.size);
    for (const [name, expected] of ONE_OF_EACH) expect(tensors.get(name)).toEqual(expected);
  });

  it('writes the widest dtype first, then by name, so that every tensor is aligned', () => {
    const { tensors } = readSafetensors(writeSafetensors(ONE_OF_EACH));
    const order = ['i64', 'f64', 'empty', 'f32', 'i32', 'bf16', 'f16', 'i16', 'i8', 'u8', 'bool'];
    expect([...tensors.keys()]).toEqual(order);
  });

  it('writes the same bytes whatever the order of what it is given', () => {
    const backwards = new Map([...ONE_OF_EACH].reverse());
    expect(writeSafetensors(backwards, { b: '2', a: '1' })).toEqual(
      writeSafetensors(ONE_OF_EACH, { a: '1', b: '2' }),
    );
  });

  it('writes a view, not the buffer behind it', () => {
    const view = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
    const { tensors } = readSafetensors(
      writeSafetensors(new Map([['v', tensor('F32', [2], view)]])),
    );
    expect(tensors.get('v')?.data).toEqual(Float32Array.of(1, 2));
  });

  it('gives any names, values and metadata back', () => {
    const name = fc.string({ unit: 'binary' }).filter((s) => s !== '__metadata__');
    const values = fc.float32Array({ maxLength: 8 });
    const strings = fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }));
    const property = fc.property(
      fc.uniqueArray(fc.tuple(name, values), { selector: ([n]) => n, maxLength: 5 }),
      strings,
      (list, metadata) => {
        const tensors = new Map(list.map(([n, v]) => [n, tensor('F32', [v.length], v)]));
        const back = readSafetensors(writeSafetensors(tensors, metadata));
        expect(Object.entries(back.metadata).sort()).toEqual(Object.entries(metadata).sort());
        expect(back.tensors).toEqual(tensors);
      },
    );
    fc.assert(property);
  });

  const one = Float32Array.of(1);
  const WRONG: [string, string, StoredTensor, RegExp][] = [
    ['an array that does not fill its shape', 'x', tensor('F32', [2], one), /\[2\] and 1 values/],
    ['a negative dimension', 'x', tensor('F32', [-1, -1], one), /whole numbers/],
    ['an array of another dtype', 'x', tensor('F64', [1], one), /F64 wants a Float64Array/],
    ['the reserved name', '__metadata__', tensor('F32', [1], one), /reserves the name/],
    ['half a character', '\ud800', tensor('F32', [1], one), /not valid Unicode/],
    ['an unknown dtype', 'x', tensor('F8' as 'F32', [1], one), /dtype F8/],
  ];

  it.each(WRONG)('refuses %s', (_, name, wrong, message) => {
    const write = () => writeSafetensors(new Map([[name, wrong]]));
    expect(write).toThrow(RequestError);
    expect(write).toThrow(message);
  });

  it('refuses metadata that is not a string', () => {
    const metadata = { epoch: 3 } as unknown as Record<string, string>;
    expect(() => writeSafetensors(new Map(), metadata)).toThrow(/"epoch" is a number/);
  });
});

describe("PyTorch's golden cases", () => {
  const folder = new URL('../../../shared/fixtures/', import.meta.url);
  const names = existsSync(folder)
    ? readdirSync(folder).filter((name) => name.endsWith('.safetensors'))
    : [];

  it.skipIf(names.length === 0)('are all read, and come back from the writer', () => {
    for (const name of names) {
      const golden = readSafetensors(readFileSync(new URL(name, folder)), name);
      const back = readSafetensors(writeSafetensors(golden.tensors, golden.metadata));
      expect(golden.tensors.size, name).toBeGreaterThan(0);
      expect(Object.fromEntries(back.tensors), name).toEqual(Object.fromEntries(golden.tensors));
      expect(back.metadata, name).toEqual(golden.metadata);
    }
  });
});
