import { describe, expect, it } from 'vitest';

import { RequestError } from '../errors.js';
import { makeRecipe, milestonesOf, optimizerOf, scheduleOf } from './recipe.js';

describe('makeRecipe', () => {
  it("is the documents' recipe where nothing is said", () => {
    expect(makeRecipe({})).toEqual({
      imports: [],
      task: 'classification',
      taskOptions: {},
      model: 'resnet18',
      modelOptions: {},
      attention: 'none',
      attentionOptions: {},
      placement: 'before-addition',
      dataset: 'cifar100',
      skipBroken: false,
      epochs: 160,
      batchSize: 128,
      optimizer: 'sgd',
      lr: 0.1,
      momentum: 0.9,
      nesterov: false,
      weightDecay: 1e-4,
      schedule: 'multistep',
      gamma: 0.1,
      warmupEpochs: 1,
      labelSmoothing: 0,
      augment: [
        { name: 'randomCrop', options: { padding: 4 } },
        { name: 'flip', options: {} },
      ],
      dropLast: false,
      seed: 1,
      device: 'cpu',
    });
    expect(milestonesOf(makeRecipe({}))).toEqual([80, 120]);
  });

  it('moves the milestones with the number of epochs, unless they are given', () => {
    expect(milestonesOf(makeRecipe({ epochs: 12 }))).toEqual([6, 9]);
    expect(milestonesOf(makeRecipe({ epochs: 12, milestones: [3] }))).toEqual([3]);
  });

  it('survives being written to a file and read again', () => {
    const recipe = makeRecipe({
      attention: 'se',
      attentionOptions: { ratio: 8 },
      stages: [2, 3],
      milestones: [1],
    });
    expect(makeRecipe(JSON.parse(JSON.stringify(recipe)) as object)).toEqual(recipe);
  });

  it('refuses unknown settings and impossible values, and names them', () => {
    const wrong = { learningRate: 1, epochs: 0, optimizer: 'lion' } as object;
    expect(() => makeRecipe(wrong)).toThrow(RequestError);
    expect(() => makeRecipe(wrong)).toThrow(/epochs: .*optimizer: .*learningRate/);
    expect(() => makeRecipe({ stages: [0] })).toThrow(/stages\.0: /);
    expect(() => makeRecipe({ stages: [] })).toThrow(/stages: /);
  });
});

describe('scheduleOf', () => {
  it('warms up over the first epoch, step by step, and falls at the milestones', () => {
    const schedule = scheduleOf(makeRecipe({}));
    const rates = [0, 195, 390].map((iteration) => schedule.lr(0, iteration, 391));
    expect(rates[0]).toBeGreaterThan(0);
    expect(rates[0]).toBeLessThan(0.001);
    expect(rates[1]).toBeCloseTo(0.05, 3);
    expect(rates[2]).toBeCloseTo(0.1, 9);
    const epochs = [1, 79, 80, 119, 120, 159].map((epoch) => schedule.lr(epoch, 0, 391));
    [0.1, 0.1, 0.01, 0.01, 0.001, 0.001].forEach((rate, i) =>
      expect(epochs[i]).toBeCloseTo(rate, 12),
    );
  });

  it('may be cosine, or constant', () => {
    const cosine = scheduleOf(makeRecipe({ schedule: 'cosine', warmupEpochs: 0, epochs: 10 }));
    expect([0, 5, 10].map((epoch) => cosine.lr(epoch, 0, 4))).toEqual([
      expect.closeTo(0.1),
      expect.closeTo(0.05),
      expect.closeTo(0),
    ]);
    const constant = scheduleOf(makeRecipe({ schedule: 'constant', warmupEpochs: 0 }));
    expect([0, 100].map((epoch) => constant.lr(epoch, 0, 4))).toEqual([0.1, 0.1]);
  });
});

describe('optimizerOf', () => {
  it('is SGD with one slot, or AdamW with two', () => {
    expect(optimizerOf(makeRecipe({})).slots).toHaveLength(1);
    expect(optimizerOf(makeRecipe({ optimizer: 'adamw' })).slots).toHaveLength(2);
  });
});
