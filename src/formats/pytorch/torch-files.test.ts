/** What people save, in every container: tests/fixtures/make-weight-files.py, with PyTorch 1.13. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FileError, RequestError } from '../../errors.js';
import { zipOf } from '../../testing/zip.node.js';
import { readPytorch, type ReadOptions } from './pytorch.js';
import type { StoredTensor } from '../safetensors.js';

const bytesOf = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../../../tests/fixtures/weights/${name}`, import.meta.url)));
const read = (name: string, options?: ReadOptions) => readPytorch(bytesOf(name), name, options);

/** The values of each tensor, with its type and shape. */
function listed({ tensors }: ReturnType<typeof read>): Record<string, [string, ...number[][]]> {
  return Object.fromEntries(
    [...tensors].map(([name, { dtype, shape, data }]) => [
      name,
      [dtype, [...shape], Array.from(data, Number)],
    ]),
  );
}

const STATE = {
  'conv1.weight': ['F32', [2, 3], [0, 1, 2, 3, 4, 5]],
  'conv1.bias': ['F32', [2], [1, 2]],
};

describe('containers', () => {
  it.each([
    'stream-protocol-1.pt',
    'stream-protocol-3.pt',
    'stream-protocol-4.pt',
    'stream-protocol-5.pt',
    'zip-protocol-5.pt',
    'pickle-protocol-0.pkl',
    'pickle-protocol-2.pkl',
    'pickle-protocol-5.pkl',
    'numpy.pkl',
  ])('%s is read', (name) => {
    expect(listed(read(name))).toEqual(STATE);
  });

  it('parts of storages, which old streams name, are where PyTorch 1.13 finds them', () => {
    expect(listed(read('parts.pt'))).toEqual({
      'a.weight': ['F32', [4], [2, 3, 4, 5]],
      'b.weight': ['F32', [3], [1, 3, 5]],
      'c.weight': ['F32', [2], [3, 4]],
    });
  });

  it.each<[string, RegExp]>([
    ['part-outside', /a part of the storage '7' lies outside of it/i],
    ['part-root', /'7' stands for two storages/],
    ['part-twice', /'8' stands for two parts/],
    ['missing', /no content for the storage '7'/],
    ['twice', /lists the storage '7' twice/],
    ['unknown', /lists the storage '9' twice, or for no tensor/],
    ['short', /'7' has 5 elements where 10 are named/],
    ['length', /'7' has 4611686018427387904 elements where 10 are named/],
    ['negative', /'7' has -10 elements where 10 are named/],
    ['tail', /7 bytes follow after the end/],
    ['beyond', /a\.weight: the storage '7' is missing or too short/],
    ['stride', /not described as PyTorch describes it/],
    ['two-types', /named as FloatStorage of 10 and as FloatStorage of 11/],
  ])('a stream that lies is refused: %s', (name, message) => {
    expect(() => read(`bad-${name}.pt`)).toThrow(FileError);
    expect(() => read(`bad-${name}.pt`)).toThrow(message);
    expect(() => read(`bad-${name}.pt`)).toThrow(/^bad-/);
  });
});

describe('tensors', () => {
  it('are read however they are built, where that is plain', () => {
    expect(listed(read('built.pt'))).toEqual({
      'subclass.weight': ['F32', [2], [1, 1]],
      'parameter.weight': ['F32', [2], [1, 1]],
      'storage.weight': ['F32', [3], [0, 1, 2]],
      'big.weight': ['F32', [2, 3], [0, 1, 2, 3, 4, 5]],
      'fortran.weight': ['F64', [2, 3], [0, 1, 2, 3, 4, 5]],
      'unsigned.weight': ['U16', [3], [0, 1, 2]],
      'half.weight': ['F16', [2], [0.5, -2]],
      'flags.weight': ['BOOL', [2], [1, 0]],
      // 1 and 2 as float32, the bytes that they are.
      'complex.weight': ['C64', [1], [0, 0, 128, 63, 0, 0, 0, 64]],
    });
  });

  it('of another device are of the type that they had there', () => {
    expect(listed(read('device-bfloat16.pt'))).toEqual({
      'x.weight': ['BF16', [3], [1.5, -0.25, 3.140625]],
    });
  });

  it.each<[string, RegExp]>([
    ['sparse', /x\.weight: it is sparse: save it after to_dense\(\)/],
    ['quantised', /x\.weight: it is quantised: save it after dequantize\(\)/],
    ['meta', /x\.weight: it is on the meta device/],
    ['complex128', /x\.weight: its elements, of a ComplexDoubleStorage/],
    ['foreign', /x\.weight: it is built by __main__\.wrapped/],
  ])('whose values are not to be had stop the reading, unless left out: %s', (name, message) => {
    const file = `unread-${name}.pt`;
    expect(() => read(file)).toThrow(FileError);
    expect(() => read(file)).toThrow(message);
    expect(() => read(file)).toThrow(/--leave-out 'x\.weight'/);
    const { tensors, leftOut } = read(file, { leaveOut: ['x.*'] });
    expect([...tensors.keys()]).toEqual(['y.weight']);
    expect(leftOut).toEqual(['x.weight (as asked)']);
  });

  it('that are to be left out must be there', () => {
    const leave = () => read('unread-sparse.pt', { leaveOut: ['x.wieght'] });
    expect(leave).toThrow(RequestError);
    expect(leave).toThrow(/No tensor is called 'x\.wieght'.*'x\.weight'/);
  });
});

describe('objects beside the weights', () => {
  it.each(['beside-2.pt', 'beside-4.pt', 'beside-0.pkl'])(
    'of every kind do no harm and are named: %s',
    (name) => {
      const found = read(name);
      expect(listed(found)).toEqual(STATE);
      expect(found.part).toBe('net');
      expect(found.metadata).toEqual({
        device: 'cuda:1',
        best: '0.25',
        count: '3',
        good: 'true',
        big: String(2n ** 70n),
        negative: String(-(2 ** 40)),
      });
      for (const beside of [
        'average (__main__.Average)',
        'config (__main__.Config)',
        'names (__main__.Names)',
        'set (a set of 2)',
        'bytes (3 bytes)',
        'counter (a dict of 2)',
        'size (a list of 2)',
        'dtype (torch.float16)',
        'class (argparse.Namespace)',
        'nothing (nothing)',
      ]) {
        expect(found.leftOut).toContain(beside);
      }
    },
  );
});

describe('the state_dict', () => {
  it.each<[string, string, Record<string, string>, string[]]>([
    ['in-dict-subclass', 'state_dict', { epoch: '1' }, []],
    ['in-tuple', '0', {}, ['1 (1 tensor)']],
    ['in-list', '1', { 0: '3' }, ['2 (1 tensor)']],
    ['with-measures', 'backbone', { best_acc: '1.5' }, ['rng (1 tensor)', 'optimizer (1 tensor)']],
    ['with-average', 'weights', {}, ['shadow (2 tensors)']],
    ['with-loss-weight', 'state_dict', {}, ['loss_weight (1 tensor)']],
    ['alone-with-optimizer', '', {}, ['optimizer (1 tensor)']],
  ])('is found: %s', (name, part, metadata, leftOut) => {
    const found = read(`place-${name}.pt`);
    expect(listed(found)).toEqual(STATE);
    expect(found).toMatchObject({ part, metadata, leftOut });
  });

  it.each([
    ['deep', 'a.b.c', STATE],
    [
      'deep',
      'a.b',
      { 'c.conv1.weight': STATE['conv1.weight'], 'c.conv1.bias': STATE['conv1.bias'] },
    ],
    ['deep', 'a.b.c.conv1.bias', { 'conv1.bias': STATE['conv1.bias'] }],
    ['unclear', 'backbone', STATE],
    ['unclear-usual', 'state_dict', STATE],
    ['in-tuple', '1.state.0', { momentum_buffer: ['F32', [2], [1, 1]] }],
  ])('is named: %s, --part %s', (name, part, expected) => {
    expect(listed(read(`place-${name}.pt`, { part }))).toEqual(expected);
  });

  it('is the whole file if that is named', () => {
    expect([...read('place-unclear.pt', { part: '.' }).tensors.keys()]).toEqual([
      'backbone.conv1.weight',
      'backbone.conv1.bias',
      'mean',
    ]);
  });

  it('may have dicts in dicts for its names, of which none is lost', () => {
    expect([...read('place-nested-names.pt').tensors.keys()]).toEqual([
      'net.conv1.weight',
      'net.conv1.bias',
      'head.weight',
    ]);
  });

  it('that two parts share is read under both names', () => {
    expect(listed(read('place-shared-dict.pt', { part: '.' }))).toEqual({
      'left.weight': ['F32', [2], [1, 1]],
      'right.weight': ['F32', [2], [1, 1]],
    });
  });

  it.each<[string, RegExp]>([
    ['unclear', /under 'backbone' and others beside it.*--part backbone, or --part \. for all/],
    ['unclear-usual', /under 'state_dict' and others beside it.*--part state_dict/],
    ['optimizer-only', /only that of an optimiser.*--part: optimizer/],
    ['module', /under 'model' a whole object of the class torch\.nn\.modules\.linear\.Linear/],
    ['none', /holds no state_dict, and no tensors/],
    ['integer-key', /two tensors would be called '1': \[1\] and \["1"\]/],
    ['bytes-key', /a dict has the key 'a' twice/],
    ['shared-dict', /several parts with tensors.*--part: left, right/],
  ])('is not guessed, and nothing of it is lost: %s', (name, message) => {
    expect(() => read(`place-${name}.pt`)).toThrow(FileError);
    expect(() => read(`place-${name}.pt`)).toThrow(message);
  });
});

describe('a pickle in an archive', () => {
  const FLOATS =
    'ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK';

  /** An archive of this pickle, written as latin-1, with one storage of floats. */
  function archive(pickle: string, floats: number): Uint8Array {
    const content = Uint8Array.from(`\x80\x02${pickle}.`, (character) => character.charCodeAt(0));
    const data = new Uint8Array(Float32Array.from({ length: floats }, (_, i) => i).buffer);
    return zipOf([
      { name: 'a/data.pkl', content },
      { name: 'a/data/0', content: data },
    ]);
  }
  /** A tensor of `size` and `stride` over a storage of so many floats, from `offset` on. */
  const tensor = (floats: number, offset: string, size: string, stride: string) =>
    `${FLOATS}${String.fromCharCode(floats)}tQ${offset}${size}${stride}\x89}tR`;

  const state = (value: string) => `}U\x01w${value}s`;
  const BIG = 'J\xff\xff\xff\x7f';

  it('with an ordinary view is read', () => {
    const { tensors } = readPytorch(
      archive(state(tensor(6, 'K\x01', 'K\x02K\x02\x86', 'K\x03K\x01\x86')), 6),
      'a.pt',
    );
    expect(tensors.get('w')).toMatchObject({ shape: [2, 2], data: Float32Array.of(1, 2, 4, 5) });
  });

  const PLAIN = tensor(2, 'K\0', 'K\x02\x85', 'K\x01\x85');
  const V3 = FLOATS.replace('_v2', '_v3').replace(
    'torch\nFloatStorage',
    'torch.storage\nUntypedStorage',
  );
  const untyped = (dtype: string, size: string) =>
    `${V3}\x08tQK\0K${size}\x85K\x01\x85\x89}ctorch\n${dtype}\ntR`;
  it.each<[string, string, StoredTensor['dtype'], number[]]>([
    [
      'of a Parameter of PyTorch 0.3',
      `ctorch.nn.parameter\nParameter\n)\x81(${PLAIN}\x89}tb`,
      'F32',
      [0, 1],
    ],
    [
      'of a Variable',
      `ctorch.autograd.variable\nVariable\n${PLAIN}\x85R(\x89\x89}tb`,
      'F32',
      [0, 1],
    ],
    [
      'of a Parameter with state',
      `ctorch._utils\n_rebuild_parameter_with_state\n(${PLAIN}\x89}}tR`,
      'F32',
      [0, 1],
    ],
    ['of an untyped storage, uint16', untyped('uint16', '\x04'), 'U16', [0, 0, 0, 16256]],
    // The bytes of 0 and 1 as float32.
    [
      'of an untyped storage, float8',
      untyped('float8_e5m2', '\x08'),
      'F8_E5M2',
      [0, 0, 0, 0, 0, 0, -0, 1.75],
    ],
    [
      'that wrote itself before PyTorch 0.1.10',
      PLAIN.replace('_utils\n_rebuild_tensor_v2', '\nFloatTensor')
        .replace('torch.\n', 'torch\n')
        .replace('\x89}tR', 'tR'),
      'F32',
      [0, 1],
    ],
  ])('with a tensor %s is read', (_, value, dtype, values) => {
    const { tensors } = readPytorch(archive(state(value), 2), 'a.pt');
    expect(tensors.get('w')?.dtype).toBe(dtype);
    expect(Array.from(tensors.get('w')?.data ?? [], Number)).toEqual(values);
  });

  it('with an OrderedDict as Python 2 writes it is read', () => {
    const pairs = (second: string) =>
      `ccollections\nOrderedDict\n](](U\x01w${PLAIN}e](U\x01${second}${PLAIN}ee\x85R`;
    expect([...readPytorch(archive(pairs('v'), 2), 'a.pt').tensors.keys()]).toEqual(['w', 'v']);
    expect(() => readPytorch(archive(pairs('w'), 2), 'a.pt')).toThrow(/a dict has a key twice/i);
  });

  it.each<[string, string, RegExp]>([
    ['a stride of 0 beyond the bound', tensor(1, 'K\0', `${BIG}\x85`, 'K\0\x85'), /the bound for/],
    [
      'more elements than can be counted',
      tensor(1, 'K\0', `(${BIG.repeat(40)}t`, `(${'K\0'.repeat(40)}t`),
      /the bound for/,
    ],
    [
      'more axes than PyTorch has',
      tensor(1, 'K\0', `(${'K\x01'.repeat(65)}t`, `(${'K\x01'.repeat(65)}t`),
      /not described/,
    ],
    ['a stride beyond the storage', tensor(4, 'K\0', 'K\x02\x85', 'K\x04\x85'), /too short/],
    ['an offset beyond the storage', tensor(4, 'K\x04', 'K\x01\x85', 'K\x01\x85'), /too short/],
    [
      'a negative offset',
      tensor(4, 'J\xff\xff\xff\xff', 'K\x01\x85', 'K\x01\x85'),
      /not described/,
    ],
    ['a negative size', tensor(4, 'K\0', 'J\xff\xff\xff\xff\x85', 'K\x01\x85'), /not described/],
    ['a size that is no number', tensor(4, 'K\0', 'N\x85', 'K\x01\x85'), /not described/],
    ['fewer strides than sizes', tensor(4, 'K\0', 'K\x02K\x02\x86', 'K\x01\x85'), /not described/],
    [
      'more elements in the storage than there are',
      tensor(9, 'K\0', 'K\x09\x85', 'K\x01\x85'),
      /too short/,
    ],
  ])('with %s is refused at once', (_, value, message) => {
    const start = performance.now();
    expect(() => readPytorch(archive(state(value), 4), 'a.pt')).toThrow(FileError);
    expect(() => readPytorch(archive(state(value), 4), 'a.pt')).toThrow(message);
    expect(performance.now() - start).toBeLessThan(500);
  });

  it('with elements that the storage does not count as its own is refused', () => {
    const beyond = tensor(2, 'K\0', 'K\x03\x85', 'K\x01\x85');
    expect(() => readPytorch(archive(state(beyond), 4), 'a.pt')).toThrow(/too short/);
  });

  it('nested deeper than any program recurses is read', () => {
    const depth = 20_000;
    const inner = state(tensor(1, 'K\0', 'K\x01\x85', 'K\x01\x85'));
    const deep = `${'}U\x01k'.repeat(depth)}${inner}${'s'.repeat(depth)}`;
    const { tensors } = readPytorch(archive(deep, 1), 'a.pt');
    // The first dict has one part, which is the state_dict.
    expect([...tensors.keys()]).toEqual([`${'k.'.repeat(depth - 1)}w`]);
  });

  it.each([
    [
      'dicts in each other',
      `}q\x01U\x01ah\x01sU\x01b${tensor(1, 'K\0', 'K\x01\x85', 'K\x01\x85')}s`,
    ],
    [
      'a list in itself',
      `}U\x01a]q\x01h\x01asU\x01b${tensor(1, 'K\0', 'K\x01\x85', 'K\x01\x85')}s`,
    ],
    [
      'an object that is its own item',
      `}U\x01acx\nY\n)\x81q\x01U\x01kh\x01ssU\x01b${tensor(1, 'K\0', 'K\x01\x85', 'K\x01\x85')}s`,
    ],
  ])('with a circle is read: %s', (_, pickle) => {
    expect([...readPytorch(archive(pickle, 1), 'a.pt').tensors.keys()]).toEqual(['b']);
  });

  it.each([
    // One text of 100 KB, made into bytes again and again.
    [
      'copies of bytes',
      `]q\x01(X\xa0\x86\x01\0${'x'.repeat(100_000)}q\x02${'c_codecs\nencode\nh\x02U\x06latin1\x86R'.repeat(2000)}e`,
    ],
    ['dicts', '}'.repeat(400_000)],
    ['sets', '\x8f'.repeat(400_000)],
    ['stored values', `N${'\x94'.repeat(2_000_000)}`],
    ['objects', `cx\nY\nq\x01)q\x02${'h\x01h\x02R'.repeat(400_000)}`],
    [
      'arrays of a shape',
      `(${'K\x01'.repeat(50_000)}tq\x01${'ctorch\nSize\nh\x01\x85R'.repeat(5000)}`,
    ],
  ])('may not build more than it may stand for: %s', (_, pickle) => {
    const bytes = archive(pickle, 1);
    const start = performance.now();
    expect(() => readPytorch(bytes, 'a.pt')).toThrow(/what the pickle builds would take more/);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it.each([
    [
      'whole numbers of a megabyte',
      `\x8b\0\0\x10\0${'x'.repeat(2 ** 20)}`,
      /a whole number of 1048576 bytes/,
    ],
    ['digits of a megabyte', `L${'9'.repeat(2 ** 20)}L\n`, /expected a decimal number/],
    ['names of classes of a megabyte', `c${'x'.repeat(2 ** 20)}\ny\n`, /whose name has more than/],
  ])('may not have %s', (_, pickle, message) => {
    expect(() => readPytorch(archive(pickle, 1), 'a.pt')).toThrow(FileError);
    expect(() => readPytorch(archive(pickle, 1), 'a.pt')).toThrow(message);
  });
});
