import { describe, expect, it } from 'vitest';

import { makeRecipe } from '../training/recipe.js';
import { classification } from '../tasks/classification.js';
import type { StepProgress } from '../training/fit.js';
import { duration, TrainingProgress } from './progress.js';

const start = {
  recipe: makeRecipe({ epochs: 4, attention: 'se' }),
  folder: '/runs/one',
  primary: classification().primary,
  epochs: 4,
  trainImages: 1000,
  valImages: 200,
  parameters: 12345,
  macs: 2_500_000,
};

const step: StepProgress = {
  epoch: 1,
  phase: 'train',
  iteration: 5,
  iterations: 10,
  figures: { loss: 2.5, top1: 12.34, top5: 40 },
  imagesPerSecond: 100,
};

function printed(use: (progress: TrainingProgress) => void): string[] {
  const lines: string[] = [];
  use(new TrainingProgress(0, (line) => lines.push(line)));
  return lines;
}

describe('TrainingProgress without a terminal', () => {
  it('begins with what is trained, on what, and where it is kept', () => {
    expect(printed((progress) => progress.begin(start))).toEqual([
      'resnet18, se: 12,345 parameters, 2.5 M multiply-adds per image',
      'cifar100: 1,000 images to train, 200 to validate; 4 epochs on cpu',
      'Run folder: /runs/one',
    ]);
  });

  it.each([
    [{ epoch: 0, iteration: 0 }, 'Continuing from the beginning: no step was saved.'],
    [{ epoch: 2, iteration: 0 }, 'Continuing after epoch 2.'],
    [{ epoch: 2, iteration: 1 }, 'Continuing in epoch 3, after 1 step.'],
  ])('says where a run goes on: %o', (resumedAt, line) => {
    expect(printed((progress) => progress.begin({ ...start, resumedAt })).at(-1)).toBe(line);
  });

  it('tells of the first step at once, with the time left, and then only now and then', () => {
    const lines = printed((progress) => {
      progress.begin(start);
      progress.step(step);
      progress.step({ ...step, iteration: 6 });
    });
    // Half an epoch of 10 s, and three more.
    expect(lines.slice(3)).toEqual([
      'epoch 1/4 train 5/10  loss 2.500  top-1 12.3 %  100 images/s  35 s left',
    ]);
  });

  it('has a line for every epoch', () => {
    const [line] = printed((progress) =>
      progress.epoch({
        epoch: 3,
        lr: 0.0099999999,
        train_loss: 1.5,
        train_top1: 50,
        val_loss: 1.25,
        val_top1: 60.125,
        val_top5: 90,
        seconds: 12.34,
        images_per_second: 99.6,
      }),
    );
    expect(line).toBe(
      'epoch   3/?  lr 0.01    train loss 1.500 top-1 50.00 %' +
        '  val loss 1.250 top-1 60.13 % top-5 90.00 %  12.3 s  100 images/s',
    );
  });
});

describe('duration', () => {
  it.each([
    [0.4, '0 s'],
    [59.6, '1 min 00 s'],
    [200, '3 min 20 s'],
    [3900, '1 h 05 min'],
  ])('of %d s is %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
});
