import { describe, expect, it } from 'vitest';

import { FileError } from '../errors.js';
import type { HostTensors } from '../runtime/engine.js';
import { readSafetensors, writeSafetensors } from '../weights/safetensors.js';
import { checkState, readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { notFinite } from './step.js';
import type { Position } from './train.js';

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
  tally: { images: 24, loss: 51.25, top1: 4, top5: 12 },
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
  it('gives back the state, bit by bit, and the position', () => {
    const back = readCheckpoint(writeCheckpoint(state, position), 'last.safetensors');
    expect(back).toEqual({ state, position });
    expect(Object.is(back.state['conv1.weight']?.data[3], -0)).toBe(true);
  });

  it('counts batches in int64, as PyTorch does, and may leave the optimiser out', () => {
    const { tensors } = readSafetensors(writeCheckpoint(state, position, { optimizer: false }));
    expect([...tensors.keys()].sort()).toEqual(['bn1.num_batches_tracked', 'conv1.weight']);
    expect(tensors.get('bn1.num_batches_tracked')?.dtype).toBe('I64');
  });

  it('is not a file of mere weights, or one whose position is damaged', () => {
    const text = { 'fovea.position': '{"epoch": 1' };
    for (const bytes of [writeSafetensors(new Map()), writeSafetensors(new Map(), text)]) {
      expect(() => readCheckpoint(bytes, 'x.safetensors')).toThrow(FileError);
      expect(() => readCheckpoint(bytes, 'x.safetensors')).toThrow(/^x.safetensors holds weights/);
    }
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
