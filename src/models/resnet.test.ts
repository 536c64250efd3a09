import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { Identity } from '../nn/layers/container.js';
import { input } from '../ops/index.js';
import { ResNet, type ResNetOptions } from './resnet.js';

function resNet(options: Partial<ResNetOptions> = {}): ResNet {
  return new ResNet({
    block: 'basic',
    depths: [1, 1, 1],
    width: 4,
    classes: 10,
    shortcut: 'projection',
    ...options,
  });
}

describe('ResNet', () => {
  it.each([
    [
      'cifar',
      'basic',
      [32, 32],
      [
        [4, 32, 32],
        [8, 16, 16],
        [16, 8, 8],
      ],
    ],
    [
      'cifar',
      'bottleneck',
      [25, 38],
      [
        [16, 25, 38],
        [32, 13, 19],
        [64, 7, 10],
      ],
    ],
    [
      'imagenet',
      'basic',
      [50, 71],
      [
        [4, 13, 18],
        [8, 7, 9],
        [16, 4, 5],
      ],
    ],
  ] as const)(
    'with the %s stem and %s blocks gives the maps of all stages, and says their sizes beforehand',
    (stem, block, imageSize, expected) => {
      const model = resNet({ stem, block, imageSize });
      const maps = model.features(input('x', [2, 3, ...imageSize]));
      expect(maps.map(({ shape }) => shape)).toEqual(expected.map((map) => [2, ...map]));
      const told = model.featureChannels.map((count, i) => [
        count,
        ...(model.featureSizes[i] ?? []),
      ]);
      expect(told).toEqual(expected);
    },
  );

  it('tells attention the sizes of its maps under the ImageNet stem, too', () => {
    const seen: number[][] = [];
    resNet({
      stem: 'imagenet',
      imageSize: [64, 32],
      attention: (...map) => {
        seen.push(map);
        return new Identity();
      },
    });
    expect(seen).toEqual([
      [4, 16, 8],
      [8, 8, 4],
      [16, 4, 2],
    ]);
  });

  it.each([1, 3, 4])('takes images of %i channels', (channels) => {
    const model = resNet({ channels });
    expect(model.forward(input('x', [2, channels, 8, 8])).shape).toEqual([2, 10]);
    expect(model.conv1.weight.shape).toEqual([4, channels, 3, 3]);
  });

  it('without classes gives the pooled features, and has no classifier in its state', () => {
    const [plain, features] = [resNet(), resNet({ classes: 0 })];
    expect(features.forward(input('x', [2, 3, 8, 8])).shape).toEqual([2, 16]);
    const keys = [...plain.stateDict().keys()];
    expect([...features.stateDict().keys()]).toEqual(
      keys.filter((key) => !key.startsWith('linear.')),
    );
    expect([plain.outFeatures, features.outFeatures]).toEqual([10, 16]);
  });

  it.each([
    [{ classes: -1 }, /classes must be 0 or a positive integer, not -1/],
    [{ channels: 0 }, /channels must be a positive integer, not 0/],
    [{ stem: 'large' as 'cifar' }, /stem .*'large'.*'cifar'/],
  ])('refuses %j', (options, message) => {
    expect(() => resNet(options)).toThrow(RequestError);
    expect(() => resNet(options)).toThrow(message);
  });
});
