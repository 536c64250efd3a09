/** Files of weights from the field: what is right for each was found with PyTorch or by construction. */
import { readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseCifarPython } from '../../src/data/cifar-python.js';
import { CIFAR10 } from '../../src/data/cifar.js';
import { FileError } from '../../src/errors.js';
import { readWeightsFile, type ReadOptions } from '../../src/weights/read.js';

const bytesOf = (path: string) =>
  new Uint8Array(readFileSync(new URL(`../fixtures/cases/${path}`, import.meta.url)));
const expectedOf = (name: string): unknown =>
  JSON.parse(
    readFileSync(new URL(`../fixtures/cases/${name}/expected.json`, import.meta.url), 'utf8'),
  ) as unknown;
const read = (path: string, options?: ReadOptions) => readWeightsFile(bytesOf(path), path, options);
const shapes = ({ tensors }: ReturnType<typeof read>) =>
  [...tensors].map(([name, { shape }]) => [name, shape]);
const values = ({ tensors }: ReturnType<typeof read>, name: string) =>
  Array.from(tensors.get(name)?.data ?? [], Number);

interface State {
  tensors: [string, number[]][];
  part?: string;
}
type Linear = Record<'fc.weight' | 'fc.bias', number[] | number[][]>;
const expectedState = (name: string) => expectedOf(name) as State;

describe('checkpoints of PyTorch', () => {
  it.each([
    ['pt-complex-beside', 'complex.pth', 'fft (1 tensor)'],
    ['pt-config-dict-subclass', 'easydict.pth', 'cfg (easydict.EasyDict)'],
    ['pt-tensor-beside-state-dict', 'tensoracc.pth', 'optimizer (1 tensor)'],
    ['pt-tensor-beside-state-dict', 'misc.pth', 'rng (1 tensor)'],
  ])('%s: %s is read, and what lies beside it is named', (folder, file, beside) => {
    const { tensors, part } = expectedState(folder);
    const found = read(`${folder}/${file}`);
    expect(shapes(found)).toEqual(tensors);
    expect(found.part).toBe(part);
    expect(found.leftOut).toContain(beside);
  });

  it('a measure that is a tensor of one number is a number beside the weights', () => {
    const { metadata } = read('pt-tensor-beside-state-dict/tensoracc.pth');
    expect(metadata['best_acc1']).toBe('77.25');
  });

  it('an object with state as a configuration does no harm', () => {
    const found = read('pt-config-dict-subclass/objcfg.pth');
    expect(shapes(found)).toEqual([['w', [2]]]);
    expect(found.leftOut).toEqual(['config (omegaconf.DictConfig)']);
  });

  it('pt-deflated: a checkpoint zipped again with compression', () => {
    expect(shapes(read('pt-deflated/deflate.pth'))).toEqual(expectedState('pt-deflated').tensors);
  });

  it('pt-legacy-tar: the format before PyTorch 0.1.10', () => {
    const expected = expectedOf('pt-legacy-tar') as Linear;
    const found = read('pt-legacy-tar/legacytar.pth');
    expect(shapes(found)).toEqual([
      ['fc.weight', [3, 4]],
      ['fc.bias', [3]],
    ]);
    expect(values(found, 'fc.weight')).toEqual(expected['fc.weight'].flat());
    expect(values(found, 'fc.bias')).toEqual(expected['fc.bias']);
  });

  it('pt-legacy-tar: numbers in it may be anything', () => {
    const whole = bytesOf('pt-legacy-tar/legacytar.pth');
    for (let at = 512; at + 8 <= whole.length; at++) {
      // Between the members there is nothing.
      if (whole.subarray(at, at + 8).every((byte) => byte === 0)) continue;
      for (const number of [-1n, -(2n ** 63n), 2n ** 62n]) {
        const damaged = whole.slice();
        new DataView(damaged.buffer).setBigInt64(at, number, true);
        try {
          readWeightsFile(damaged, 'legacy.pth');
        } catch (error) {
          expect(error, `byte ${at}`).toBeInstanceOf(FileError);
        }
      }
    }
  });

  it('pt-list-of-tensors: the tensors of a list are called by their places', () => {
    expect(shapes(read('pt-list-of-tensors/list.pth'))).toEqual([
      ['0', [2]],
      ['1', [3]],
    ]);
    expect(shapes(read('pt-list-of-tensors/list.pth', { part: '1' }))).toEqual([['1', [3]]]);
  });

  it.each(['namespace.pth', 'tvref.pth'])('pt-namespace: %s', (file) => {
    const found = read(`pt-namespace/${file}`);
    expect(shapes(found)).toEqual(expectedState('pt-deflated').tensors);
    expect(found.leftOut).toContain('args (argparse.Namespace)');
  });

  it('pt-nested-two-deep: the part is found, or named', () => {
    const { tensors } = expectedState('pt-nested-two-deep');
    for (const options of [{}, { part: 'model.state_dict' }]) {
      const found = read('pt-nested-two-deep/nested.pth', options);
      expect(shapes(found)).toEqual(tensors);
      expect(found.part).toBe('model.state_dict');
    }
  });

  it('pt-swa-n-averaged: the counter can be left out', () => {
    const { tensors } = expectedState('pt-swa-n-averaged');
    const found = read('pt-swa-n-averaged/swa.pth', { leaveOut: ['n_averaged'] });
    expect(shapes(found)).toEqual(tensors.map(([name, shape]) => [`module.${name}`, shape]));
    expect(found.leftOut).toEqual(['n_averaged (as asked)']);
  });

  it('pt-torchscript: is called by its name', () => {
    expect(() => read('pt-torchscript/jit.pt')).toThrow(/is TorchScript.*save its state_dict\(\)/);
  });

  it('pt-xla-tensors: weights that are kept as arrays of NumPy', () => {
    const found = read('pt-xla-tensors/xla.pth');
    const expected = expectedOf('pt-xla-tensors') as Linear;
    expect(values(found, 'fc.weight')).toEqual(expected['fc.weight'].flat());
    expect(values(found, 'fc.bias')).toEqual(expected['fc.bias']);
    expect(found.leftOut).toEqual([]);
  });
});

describe('safetensors', () => {
  it('st-float8: types beyond the usual ones', () => {
    const expected = expectedOf('st-float8') as Record<'w' | 'b', number[]>;
    const found = read('st-float8/s_f8.safetensors');
    expect(found.tensors.get('w')).toMatchObject({ dtype: 'F8_E4M3', shape: [4] });
    expect(values(found, 'w')).toEqual(expected.w);
    expect(values(found, 'b')).toEqual(expected.b);
    expect(values(read('st-float8/s_u16.safetensors'), 'w')).toEqual([1, 2]);
    expect(values(read('st-float8/s_u64.safetensors'), 'w')).toEqual([1]);
  });

  it('st-unaligned: data at any place, tensors of nothing, metadata', () => {
    const found = read('st-unaligned/s_unal.safetensors');
    expect(values(found, 'mask')).toEqual([1, 0, 1]);
    expect(values(found, 'w')).toEqual([1, 2, 3]);
    expect(values(found, 'n')).toEqual([-5]);
    expect(shapes(read('st-unaligned/s_empty.safetensors'))).toEqual([
      ['e', [0, 4]],
      ['w', [3]],
      ['e2', [2, 0]],
    ]);
    expect(read('st-unaligned/s_meta.safetensors').metadata).toEqual({ format: 'pt' });
  });
});

describe('hostile and damaged files', () => {
  it.each<[string, RegExp]>([
    ['one-bit-checkpoint.pt', /two entries|contradicts itself/],
    ['zip-dup.pt', /two entries of the zip archive are called 'archive\/data\/0'/],
    ['expand-512MB.pt', /w: the tensors would take more than \d+ bytes, the bound/],
    ['expand-256GB.pt', /w: the tensors would take more than \d+ bytes, the bound/],
    ['collide.pt', /two tensors would be called 'a\.b': \["a\.b"\] and \["a"\]\["b"\]/],
    ['two-dtypes.pt', /'0' is named as FloatStorage .* and as DoubleStorage/],
    ['billion-laughs.pt', /several parts with tensors.*a, b/],
    ['laughs-2M.pt', /several parts with tensors.*a, b/],
    ['dtype-object.safetensors', /a dtype that is an object/],
  ])('%s is refused at once', (file, message) => {
    const bytes = bytesOf(`hostile/${file}`);
    const start = performance.now();
    expect(() => readWeightsFile(bytes, file)).toThrow(FileError);
    expect(performance.now() - start).toBeLessThan(500);
    expect(() => readWeightsFile(bytes, file)).toThrow(message);
  });

  it.each(['billion-laughs.pt', 'laughs-2M.pt'])(
    '%s: no more names are made of it than the file may stand for',
    (file) => {
      const bytes = bytesOf(`hostile/${file}`);
      const start = performance.now();
      for (const part of ['.', 'a']) {
        expect(() => readWeightsFile(bytes, file, { part })).toThrow(/would take more than/);
      }
      expect(performance.now() - start).toBeLessThan(2000);
    },
  );

  it('a dict that contains itself is gone round once', () => {
    expect(shapes(read('hostile/cycle.pt'))).toEqual([['w', [2]]]);
  });

  it('the file without the flipped bit is read', () => {
    expect(read('hostile/one-bit-original.pt').part).toBe('model');
  });

  it('a tensor may be called constructor', () => {
    expect([...read('hostile/constructor.safetensors').tensors.keys()]).toEqual(['constructor']);
  });
});

describe('cifar-protocol-5', () => {
  it('is read as at the other protocols', () => {
    const { labels, sha256 } = expectedOf('cifar-protocol-5') as {
      labels: number[];
      sha256: string;
    };
    const part = parseCifarPython(
      bytesOf('cifar-protocol-5/data_batch_1'),
      CIFAR10,
      'data_batch_1',
    );
    expect([...part.labels]).toEqual(labels);
    expect(createHash('sha256').update(part.images).digest('hex')).toBe(sha256);
  });
});
