import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { checkNormalization } from './normalization.js';

describe('checkNormalization', () => {
  it('takes statistics of pixels from 0 to 1', () => {
    for (const [mean, std] of [
      [
        [0.485, 0.456, 0.406],
        [0.229, 0.224, 0.225],
      ],
      [
        [0, 0, 0],
        [1, 1, 1],
      ],
      [
        [1, 0.5, 0],
        [1 / 255, 0.5, 1e-9],
      ],
    ] as const) {
      expect(checkNormalization({ mean, std }, 3)).toEqual({ mean, std });
    }
    expect(checkNormalization({ mean: [0.1307], std: [0.3081] }, 1)).toBeDefined();
  });

  it.each([
    [[0.5], [0.5], 'mean of the pixels has 1 values (0.5): expected 3'],
    [[0.5, 0.5, 0.5], [0.5, 0.5], 'std of the pixels has 2 values'],
    [[0.5, 0.5, 0.5, 0.5], [1, 1, 1, 1], 'has 4 values'],
    [[0.5, -0.1, 0.5], [1, 1, 1], 'the value -0.1: expected numbers from 0 to 1'],
    [[0.5, NaN, 0.5], [1, 1, 1], 'the value NaN'],
    [[0.5, 0.5, Infinity], [1, 1, 1], 'the value Infinity'],
    [[0.5, 0.5, 0.5], [1, 0, 1], 'the value 0: expected numbers above 0 and up to 1'],
    [[0.5, 0.5, 0.5], [1, -1, 1], 'the value -1'],
    [[123.7, 116.3, 103.5], [58.4, 57.1, 57.4], 'from 0 to 255 are to be divided by 255'],
    [[0.5, 0.5, 0.5], [58.4, 57.1, 57.4], 'from 0 to 255 are to be divided by 255'],
    [[103.9, 116.8, 123.7], [1, 1, 1], 'from 0 to 255 are to be divided by 255'],
  ])('refuses the mean %j with the deviation %j', (mean, std, reason) => {
    const checking = () => checkNormalization({ mean, std }, 3);
    expect(checking).toThrow(RequestError);
    expect(checking).toThrow(reason);
  });
});
