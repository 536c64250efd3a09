import { describe, expect, it } from 'vitest';
import { CLASS_COLORS, classColor } from './class-colors.js';
import { predictedMask, rankedClasses } from './predicted.js';

const tensor = (shape: number[], values: number[]) =>
  ({ dtype: 'float32', shape, data: Float32Array.from(values) }) as const;

describe('rankedClasses', () => {
  it('names the most probable first, and of equals the first', () => {
    const probabilities = tensor([4], [0.25, 0.5, 0.125, 0.125]);
    expect(rankedClasses({ probabilities }, ['a', 'b', 'c'], 4)).toEqual([
      { class: 'b', index: 1, probability: 0.5 },
      { class: 'a', index: 0, probability: 0.25 },
      { class: 'c', index: 2, probability: 0.125 },
      { class: 'class 3', index: 3, probability: 0.125 },
    ]);
    expect(rankedClasses({ probabilities }, [], 1)).toHaveLength(1);
  });

  it('says nothing where there are no probabilities of classes', () => {
    expect(rankedClasses({ features: tensor([2], [1, 2]) }, [], 5)).toBeUndefined();
    expect(rankedClasses({ probabilities: tensor([1, 2], [1, 2]) }, [], 5)).toBeUndefined();
  });
});

it('a mask is predicted by classes with rows and columns', () => {
  const classes = { dtype: 'int32', shape: [1, 3], data: Int32Array.of(0, 2, 1) } as const;
  expect(predictedMask({ classes })).toEqual({
    height: 1,
    width: 3,
    data: Uint8Array.of(0, 2, 1),
  });
  expect(predictedMask({ classes: { ...classes, shape: [3] } })).toBeUndefined();
});

it('the colours are those of the PASCAL VOC development kit', () => {
  // VOClabelcolormap: background, aeroplane, bicycle, bird, .., tv/monitor, void.
  const known: [number, number[]][] = [
    [0, [0, 0, 0]],
    [1, [128, 0, 0]],
    [2, [0, 128, 0]],
    [3, [128, 128, 0]],
    [4, [0, 0, 128]],
    [8, [64, 0, 0]],
    [15, [192, 128, 128]],
    [20, [0, 64, 128]],
    [255, [224, 224, 192]],
  ];
  for (const [number, color] of known) {
    expect(Array.from(CLASS_COLORS.subarray(3 * number, 3 * number + 3))).toEqual(color);
  }
  expect(classColor(15)).toBe('rgb(192 128 128)');
});
