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

  test('says what is compared, what is imported, and options in the grammar of names', () => {
    const given = makeSettings({
      axis: 'fusion',
      variants: parseVariants('msaa:ratio=4', 'fusion'),
      seeds: [1, 2],
      recipe: {
        imports: ['./my zoo.js', '/home/somebody/zoo.js', 'shared-zoo'],
        task: 'segmentation',
        taskOptions: { dice: 0.5 },
        attention: 'cbam',
        attentionOptions: { ratio: 8 },
        stages: [2, 3],
        head: 'danet-head',
        dataset: 'folder',
        data: 'photos',
        size: [64, 48],
        channels: 1,
        skipBroken: true,
        clipNorm: 1,
        augment: [
          { name: 'randomResizedCrop', options: { scale: [0.35, 1] } },
          { name: 'flip', options: {} },
        ],
      },
    });
    expect(commandOf(given)).toBe(
      "fovea compare --import './my zoo.js' --import ./zoo.js --import shared-zoo --fusion add,msaa:ratio=4 --seeds 2 " +
        '--task segmentation:dice=0.5 --model resnet18 --attention cbam:ratio=8@2+3 --head danet-head ' +
        '--dataset folder --size 64x48 --channels 1 --skip-broken ' +
        '--augment randomResizedCrop:scale=0.35+1,flip --clip-norm 1 --data data',
    );
  });
});
