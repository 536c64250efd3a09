import { describe, expect, it } from 'vitest';
import { Sequential } from '../nn/index.js';
import { SaganAttention, type AttentionChoice } from '../attention/index.js';
import { createModel } from '../models/index.js';
import { input } from '../ops/index.js';
import { lookInside } from './exposed.js';

/** What a ResNet-20 with a mechanism shows for an image, as short texts; of the first blocks of two stages. */
function shownBy(attention: AttentionChoice, size = 32): string[] {
  const model = createModel('resnet20', { attention });
  const { exposed } = lookInside(model, input('images', [2, 3, size, size]));
  return exposed
    .filter(({ module }) => /^layer[13]\.0\./.test(module))
    .map((one) => {
      const where = `${one.module.slice(0, 6)} ${one.name}`;
      const side = ({ height, width }: { height: number; width: number }) => `${height}x${width}`;
      if (one.kind === 'gate') return `${where} gate of ${one.tensor.dim(1)}`;
      if (one.kind === 'spatial') return `${where} over ${side(one.size)}`;
      return `${where} from ${side(one.queries)} to ${side(one.keys)}`;
    });
}

describe('lookInside', () => {
  it.each<[AttentionChoice, string[]]>([
    ['se', ['layer1 channel gate of 16', 'layer3 channel gate of 64']],
    [
      'cbam',
      [
        'layer1 channel gate of 16',
        'layer1 spatial over 32x32',
        'layer3 channel gate of 64',
        'layer3 spatial over 8x8',
      ],
    ],
    [
      { id: 'gather-excite', options: { extent: 4 } },
      ['layer1 gate over 32x32', 'layer3 gate over 8x8'],
    ],
    ['sagan', ['layer1 attention from 32x32 to 32x32', 'layer3 attention from 8x8 to 8x8']],
    ['non-local', ['layer1 attention from 32x32 to 16x16', 'layer3 attention from 8x8 to 4x4']],
    [
      { id: 'osra', options: { heads: 2 } },
      ['layer1 attention from 32x32 to 16x16', 'layer3 attention from 8x8 to 4x4'],
    ],
    [
      'sk',
      [
        'layer1 branchWeights.0 gate of 16',
        'layer1 branchWeights.1 gate of 16',
        'layer3 branchWeights.0 gate of 64',
        'layer3 branchWeights.1 gate of 64',
      ],
    ],
    ['safm', ['layer1 modulation over 32x32', 'layer3 modulation over 8x8']],
    // Its 64 x 64 in layer3 says how channels look at channels, though 8x8 places are 64 too.
    ['danet-channel', []],
  ])('knows what %j shows by its shape', (attention, expected) => {
    expect(shownBy(attention)).toEqual(expected);
  });

  it('knows it too where a mechanism takes maps of one size only', () => {
    const model = createModel('resnet20', {
      attention: { id: 'cbam-joint', options: { positions: 64 } },
      stages: [3],
    });
    const { exposed } = lookInside(model, input('images', [1, 3, 32, 32]));
    expect(exposed.slice(0, 2)).toMatchObject([
      { module: 'layer3.0.attention', name: 'channel', kind: 'gate' },
      { name: 'spatial', kind: 'spatial', size: { height: 8, width: 8 } },
    ]);
  });

  it('folds places of maps that are not square into the right rows', () => {
    const net = new Sequential(new SaganAttention(8), new SaganAttention(8));
    const { exposed } = lookInside(net, input('images', [1, 8, 3, 10]));
    expect(exposed).toHaveLength(2);
    expect(exposed[1]).toMatchObject({ module: '1', keys: { height: 3, width: 10 } });
  });

  it('shows nothing of a network without attention', () => {
    expect(lookInside(createModel('resnet20'), input('images', [1, 3, 32, 32])).exposed).toEqual(
      [],
    );
  });
});
