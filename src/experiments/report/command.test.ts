import { describe, expect, test } from 'vitest';
import { makeSettings, parseVariants, type CompareSettings } from '../settings.js';
import { commandOf } from './command.js';

function settings(attention: string, seeds: number[], recipe: object): CompareSettings {
  return makeSettings({ variants: parseVariants(attention), seeds, recipe });
}

describe('the command that makes a comparison again', () => {
  test('names model and data set, and every setting that is not a default', () => {
    const given = settings('se,cbam:ratio=8,sagan@3', [1, 2, 3], {
      batchSize: 64,
      augment: false,
      nesterov: true,
      milestones: [6, 9],
      data: '/home/somebody/cifar',
    });
    expect(commandOf(given)).toBe(
      'fovea compare --attention none,se,cbam:ratio=8,sagan@3 --seeds 3 --model resnet18 --dataset cifar100 --batch-size 64 --nesterov --milestones 6,9 --no-augment --data data',
    );
  });

  test('lists seeds that are not 1 to n', () => {
    expect(commandOf(settings('se', [2, 5], { dataset: 'shapes' }))).toContain('--seeds 2,5 ');
  });
});
