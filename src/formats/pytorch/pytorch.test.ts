/** Against files that PyTorch 1.13 wrote, in both of its formats: tests/fixtures/make-pytorch-files.py. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FileError } from '../../errors.js';
import { isPytorch, readPytorch } from './pytorch.js';
import { readWeightsFile } from '../../weights/read.js';
import { writeSafetensors, type StoredTensor } from '../safetensors.js';

const bytesOf = (name: string): Uint8Array =>
  readFileSync(new URL(`../../../tests/fixtures/pytorch/${name}`, import.meta.url));
const read = (name: string, part?: string) =>
  readPytorch(bytesOf(name), name, part === undefined ? {} : { part });

interface Described {
  dtype: string;
  shape: number[];
  values: number[];
}
const contents = JSON.parse(Buffer.from(bytesOf('contents.json')).toString()) as Record<
  'tensors' | 'model',
  Record<string, Described>
>;

function described(tensors: ReadonlyMap<string, StoredTensor>): Record<string, Described> {
  return Object.fromEntries(
    [...tensors].map(([name, { dtype, shape, data }]) => [
      name,
      { dtype, shape: [...shape], values: Array.from(data, Number) },
    ]),
  );
}

/** A file with one byte changed. */
function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ 0x10;
  return copy;
}

describe('readPytorch', () => {
  it.each(['tensors.pt', 'tensors-old.pt'])(
    'reads every dtype, views, scalars, empty tensors and parameters: %s',
    (name) => {
      const { tensors, part, leftOut } = read(name);
      expect(described(tensors)).toEqual(contents.tensors);
      expect([...tensors.keys()]).toEqual(Object.keys(contents.tensors));
      expect({ part, leftOut }).toEqual({ part: '', leftOut: [] });
    },
  );

  it('finds the weights in a checkpoint, and says what else is there', () => {
    const { tensors, part, metadata, leftOut } = read('checkpoint.pt');
    expect(described(tensors)).toEqual(contents.model);
    expect(part).toBe('model');
    expect(metadata).toEqual({ epoch: '3', best_acc: '0.5', arch: 'tiny' });
    expect(leftOut).toEqual(['args (argparse.Namespace)', 'optimizer (4 tensors)']);
  });

  it('reads the part that it is told', () => {
    expect(described(read('two-parts.pt', 'critic').tensors)).toEqual(contents.model);
    const { tensors } = read('checkpoint.pt', 'optimizer');
    expect([...tensors.keys()]).toContain('state.0.momentum_buffer');
  });

  it.each<[string, () => unknown, RegExp]>([
    ['two parts', () => read('two-parts.pt'), /several parts .* --part: generator, critic\./],
    [
      'a part that is not there',
      () => read('checkpoint.pt', 'net'),
      /no tensors under 'net'.*model/,
    ],
    [
      'no tensors',
      () => read('no-tensors.pt'),
      /no-tensors.pt holds no state_dict, and no tensors/,
    ],
    [
      'a whole module',
      () => read('module.pt'),
      /a whole object of the class torch.nn.modules.container.Sequential.*Save its state_dict\(\)/,
    ],
    [
      'another zip archive',
      () =>
        readPytorch(
          Uint8Array.from([
            0x50,
            0x4b,
            3,
            4,
            ...new Uint8Array(18),
            0x50,
            0x4b,
            5,
            6,
            ...new Uint8Array(18),
          ]),
          'a.zip',
        ),
      /a.zip is a zip archive, but not one of torch.save/,
    ],
  ])('refuses %s', (_, act, message) => {
    expect(act).toThrow(FileError);
    expect(act).toThrow(message);
  });

  it.each(['tensors.pt', 'tensors-old.pt'])('refuses %s wherever it is cut off', (name) => {
    const bytes = bytesOf(name);
    for (let length = 20; length < bytes.length; length += 97) {
      expect(() => readPytorch(bytes.subarray(0, length), 'cut.pt'), `${length}`).toThrow(
        FileError,
      );
    }
  });

  it('notices a flipped bit in the contents of an archive', () => {
    const bytes = bytesOf('tensors.pt');
    const value = Buffer.from(Float64Array.from([-29]).buffer);
    const at = Buffer.from(bytes).indexOf(value);
    expect(at).toBeGreaterThan(0);
    expect(() => readPytorch(flipped(bytes, at), 'bad.pt')).toThrow(
      /bad.pt: .*the file is corrupt/,
    );
  });

  it('never fails in another way than a FileError, whatever byte is wrong', () => {
    const bytes = bytesOf('tensors-old.pt');
    for (let at = 15; at < bytes.length; at += 13) {
      try {
        readPytorch(flipped(bytes, at), 'bad.pt');
      } catch (error) {
        expect(error, `byte ${at}`).toBeInstanceOf(FileError);
      }
    }
  });
});

describe('readWeightsFile', () => {
  it('tells the formats apart by their first bytes', () => {
    const data = Float32Array.from([1, 2]);
    // A header of 0x..80 bytes begins as a pickle of the old format does.
    for (const padding of ['', 'x'.repeat(60), 'x'.repeat(570)]) {
      const file = writeSafetensors(new Map([['a', { dtype: 'F32', shape: [2], data }]]), {
        padding,
      });
      expect(isPytorch(file)).toBe(false);
      expect(readWeightsFile(file, 'f')).toMatchObject({ format: 'safetensors', part: '' });
    }
    for (const name of ['tensors.pt', 'tensors-old.pt']) {
      expect(readWeightsFile(bytesOf(name), name).format).toBe('pytorch');
    }
  });
});
