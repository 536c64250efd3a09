import { createHash } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { FileError } from '../errors.js';
import type { HostTensor, HostTensors } from '../runtime/engine.js';
import { readSafetensors, writeSafetensors } from '../formats/safetensors.js';
import { seal, UNSEALED } from '../formats/seal.js';
import { checkSeal, checkState, readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { notFinite } from './step.js';
import type { Position } from './fit.js';

const state: HostTensors = {
  'conv1.weight': { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, -2.5, 3e-40, -0) },
  'bn1.num_batches_tracked': { dtype: 'int32', shape: [], data: Int32Array.of(7) },
  'optimizer.momentum.conv1.weight': {
    dtype: 'float32',
    shape: [2, 2],
    data: Float32Array.of(0.1, 0.2, 0.3, 0.4),
  },
};

const position: Position = {
  epoch: 1,
  iteration: 3,
  tally: { examples: 24, sums: { loss: [51.25], 'metric.top1': [4], 'metric.top5': [12] } },
  seconds: 0.75,
  metrics: [
    {
      epoch: 1,
      lr: 0.1,
      train_loss: 2.3,
      train_top1: 10,
      val_loss: 2.2,
      val_top1: 12.5,
      val_top5: 50,
      seconds: 1.5,
      images_per_second: 64,
    },
  ],
};

describe('a checkpoint', () => {
  it('gives back the state, bit by bit, the position and what was kept beside them', async () => {
    const bytes = await writeCheckpoint(state, position, { metadata: { by: 'a test' } });
    const back = await readCheckpoint(bytes, 'last.safetensors');
    expect(back).toMatchObject({ state, position, metadata: { by: 'a test' } });
    expect(Object.keys(back.state).sort()).toEqual(Object.keys(state).sort());
    expect(Object.is(back.state['conv1.weight']?.data[3], -0)).toBe(true);
  });

  it('counts batches in int64, as PyTorch does, and may leave the optimiser out', async () => {
    const { tensors } = readSafetensors(
      await writeCheckpoint(state, position, { optimizer: false }),
    );
    expect([...tensors.keys()].sort()).toEqual(['bn1.num_batches_tracked', 'conv1.weight']);
    expect(tensors.get('bn1.num_batches_tracked')?.dtype).toBe('I64');
  });

  it('carries the SHA-256 of itself with zeros in the place of the checksum', async () => {
    const bytes = await writeCheckpoint(state, position);
    const { metadata } = readSafetensors(bytes);
    const digits = metadata['fovea.sha256'] ?? '';
    expect(digits).toMatch(/^[0-9a-f]{64}$/);
    const blank = Buffer.from(bytes).toString('latin1').replace(digits, '0'.repeat(64));
    expect(createHash('sha256').update(blank, 'latin1').digest('hex')).toBe(digits);
  });

  it('is refused when any one of its bits is flipped', async () => {
    const bytes = await writeCheckpoint(state, position);
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
      const reading = readCheckpoint(damaged, 'last.safetensors');
      await expect(reading, `byte ${at}`).rejects.toThrow(FileError);
      await expect(reading, `byte ${at}`).rejects.toThrow(/^last.safetensors/);
    }
  });

  it('is refused when it is cut off anywhere, or something follows it', async () => {
    const bytes = await writeCheckpoint(state, position);
    for (let length = 0; length < bytes.length; length++) {
      const reading = readCheckpoint(bytes.subarray(0, length), 'x');
      await expect(reading, `${length} bytes`).rejects.toThrow(FileError);
    }
    const longer = Uint8Array.of(...bytes, 0);
    await expect(readCheckpoint(longer, 'x')).rejects.toThrow(/1 bytes follow/);
  });

  it('with a value changed says what is wrong with which file', async () => {
    const damaged = await writeCheckpoint(state, position);
    damaged[damaged.length - 1] = 1;
    await expect(readCheckpoint(damaged, 'runs/a/last.safetensors')).rejects.toThrow(
      'runs/a/last.safetensors is damaged: its content does not have the checksum (SHA-256) that ' +
        'it was written with.',
    );
  });

  it('with tensors called as properties of every object names them as unknown', async () => {
    const one: HostTensor = { dtype: 'float32', shape: [1], data: Float32Array.of(1) };
    const names = ['constructor', '__proto__', 'toString'];
    const entries = Object.fromEntries(names.map((name) => [name, one]));
    const read = await readCheckpoint(await writeCheckpoint(entries, position), 'x');
    expect(Object.keys(read.state).sort()).toEqual([...names].sort());
    for (const name of names) {
      expect(() => checkState(Object.fromEntries([[name, one]]), {}, 'x')).toThrow(
        `${name} is unknown`,
      );
    }
  });

  it('is not a file of mere weights, or one whose position cannot be read', async () => {
    const unreadable = await sealed({ 'fovea.position': '{"epoch": 1', 'fovea.format': '3' });
    const impossible = await sealed({
      'fovea.position': JSON.stringify({ ...position, epoch: -0.5 }),
      'fovea.format': '3',
    });
    for (const bytes of [writeSafetensors(new Map()), unreadable, impossible]) {
      await expect(readCheckpoint(bytes, 'x')).rejects.toThrow(FileError);
      await expect(readCheckpoint(bytes, 'x')).rejects.toThrow(/^x holds weights/);
    }
  });

  it('that is from before there were checksums or tasks, or of a format to come, says so', async () => {
    const text = { 'fovea.position': JSON.stringify(position) };
    const old = readCheckpoint(writeSafetensors(new Map(), text), 'x');
    await expect(old).rejects.toThrow(FileError);
    await expect(old).rejects.toThrow(/another version of Fovea, of format 1; .* reads format 3/);
    const last = readCheckpoint(await sealed({ ...text, 'fovea.format': '2' }), 'x');
    await expect(last).rejects.toThrow(/of format 2; .* Go on with the version that wrote it/);
    const next = readCheckpoint(await sealed({ ...text, 'fovea.format': '4' }), 'x');
    await expect(next).rejects.toThrow(/another version of Fovea, of format 4; .* reads format 3/);
  });
});

/** A file without tensors that carries a checksum. */
async function sealed(metadata: Readonly<Record<string, string>>): Promise<Uint8Array> {
  const file = writeSafetensors(new Map(), { ...UNSEALED, ...metadata });
  await seal(file);
  return file;
}

describe('checkSeal', () => {
  it('lets weights of other programs pass, which carry none', async () => {
    await expect(checkSeal(writeSafetensors(new Map()), {}, 'x')).resolves.toBeUndefined();
  });
});

describe('checkState', () => {
  it('accepts the state that was expected, in any order', () => {
    const reversed = Object.fromEntries(Object.entries(state).reverse());
    expect(() => checkState(state, reversed, 'f')).not.toThrow();
  });

  it('names what is missing, unknown or of another shape', () => {
    const other: HostTensors = {
      'optimizer.momentum.conv1.weight': state['optimizer.momentum.conv1.weight']!,
      'conv1.weight': { dtype: 'float32', shape: [4], data: new Float32Array(4) },
      extra: { dtype: 'float32', shape: [], data: new Float32Array(1) },
    };
    expect(() => checkState(other, state, 'f')).toThrow(FileError);
    expect(() => checkState(other, state, 'f')).toThrow(
      "f does not fit the run's config.json: conv1.weight is float32 [4], expected float32 [2, 2]; " +
        'bn1.num_batches_tracked is missing; extra is unknown.',
    );
  });
});

describe('notFinite', () => {
  it('finds the first tensor with a NaN or an infinity', () => {
    expect(notFinite(state)).toBeUndefined();
    const bad = { dtype: 'float32', shape: [2], data: Float32Array.of(1, -Infinity) } as const;
    expect(notFinite({ ...state, bad })).toBe('bad');
  });
});
