import { describe, expect, it } from 'vitest';
import { Conv2d, Linear, Module, Sequential } from '../nn/index.js';
import {
  GatedFusion,
  MultiScaleSelectiveFusion,
  NonLocal,
  SaganAttention,
  Transformer,
  type AttentionChoice,
} from '../attention/index.js';
import { createModel } from '../models/index.js';
import { concat, constant, input } from '../ops/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray } from '../tensor/ndarray.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { randomArray } from '../testing/values.js';
import type { Layer } from '../nn/module.js';
import { lookInside } from './exposed.js';

/** A network seen from inside, on images of a size [B, C, H, W]. */
const insideOf = (net: Layer, shape: Shape) => {
  const images = input('images', shape);
  return lookInside(net, () => net.forward(images));
};

/** What a ResNet-20 with a mechanism shows for an image, as short texts; of the first blocks of two stages. */
function shownBy(attention: AttentionChoice, size = 32): string[] {
  const model = createModel('resnet20', { attention });
  const { exposed } = insideOf(model, [2, 3, size, size]);
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

/** What a network shows of images [B, C, H, W]. */
function shownOf(net: Layer, images: Tensor) {
  return lookInside(net, () => net.forward(images)).exposed.map(
    ({ module, name, kind, tensor }) => ({
      module,
      name,
      kind,
      shape: tensor.shape,
    }),
  );
}

/** A network that is one forward pass, with parts of its own. */
class Net extends Module {
  constructor(
    readonly part: Module,
    private readonly run: (x: Tensor) => Tensor,
  ) {
    super();
  }
  override forward(x: Tensor): Tensor {
    return this.run(x);
  }
}

/** Patches of 2x2 places, a class token in front, and a transformer that knows how the patches lie. */
class Vit extends Module {
  readonly embed = new Conv2d(3, 6, 2, { stride: 2 });
  readonly transformer = new Transformer(6, {
    depth: 1,
    heads: 2,
    headDim: 3,
    mlpDim: 8,
    grid: { height: 2, width: 4 },
  });
  readonly head = new Linear(6, 3);

  override forward(x: Tensor): Tensor {
    const patches = this.embed.forward(x).flatten(2).swapAxes();
    const first = constant(new Array<number>(6).fill(0.5), [1, 1, 6]);
    const tokens = this.transformer.forward(concat([first, patches], 1));
    return this.head.forward(tokens.select(1, 0));
  }
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
    ['gather-excite:extent=4', ['layer1 gate over 32x32', 'layer3 gate over 8x8']],
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
  ])('knows what %j shows by what its modules say', (attention, expected) => {
    expect(shownBy(attention)).toEqual(expected);
  });

  it('knows it too where a mechanism takes maps of one size only', () => {
    const model = createModel('resnet20', {
      attention: { id: 'cbam-joint', options: { positions: 64 } },
      stages: [3],
    });
    const { exposed } = insideOf(model, [1, 3, 32, 32]);
    expect(exposed.slice(0, 2)).toMatchObject([
      { module: 'layer3.0.attention', name: 'channel', kind: 'gate' },
      { name: 'spatial', kind: 'spatial', size: { height: 8, width: 8 } },
    ]);
  });

  it('folds places of maps that are not square into the right rows', () => {
    const net = new Sequential(new SaganAttention(8), new SaganAttention(8));
    const { exposed } = insideOf(net, [1, 8, 3, 10]);
    expect(exposed).toHaveLength(2);
    expect(exposed[1]).toMatchObject({ module: '1', keys: { height: 3, width: 10 } });
  });

  it('shows the weights of branches as gates, in either form', () => {
    const msf = new MultiScaleSelectiveFusion(4, { maps: 3 });
    const net = new Net(msf, (x) => msf.forward(x, x, x).mean([2, 3]));
    expect(shownOf(net, input('images', [2, 4, 6, 6]))).toEqual(
      [0, 1, 2].map((branch) => ({
        module: 'part',
        name: `branchWeights.${branch}`,
        kind: 'gate',
        shape: [2, 4],
      })),
    );
  });

  it('shows of a gate for every place and channel the mean over channels', () => {
    const fusion = new GatedFusion(4);
    const net = new Net(fusion, (x) => fusion.forward(x, x).mean([2, 3]));
    expect(shownOf(net, input('images', [2, 4, 6, 5]))).toEqual([
      { module: 'part', name: 'gate', kind: 'spatial', shape: [2, 6, 5] },
    ]);
  });

  it('shows nothing of attention in series, which has no places of an image', () => {
    const block = new NonLocal(4, { dimension: 1 });
    const net = new Net(block, (x) => block.forward(x.flatten(2)).mean(2));
    expect(shownOf(net, input('images', [2, 4, 4, 4]))).toEqual([]);
  });

  it('shows how the patches of a transformer look at each other, without its class token', () => {
    const net = new Vit().initialize(3);
    const images = input('images', [1, 3, 4, 8]);
    const [attention, ...others] = lookInside(net, () => net.forward(images)).exposed;
    expect(others).toEqual([]);
    expect(attention).toMatchObject({
      module: 'transformer.layers.0.attention',
      kind: 'attention',
      queries: { height: 2, width: 4 },
      keys: { height: 2, width: 4 },
    });
    const feeds = new Map([[images, randomArray([1, 3, 4, 8])]]);
    for (const [, { tensor, shape, data }] of net.namedParameters()) {
      feeds.set(tensor, ndarray(shape, data));
    }
    const [weights] = evaluate([attention!.tensor], feeds);
    expect(weights?.shape).toEqual([1, 8, 8]);
    // What a row has lost went to the class token.
    for (let row = 0; row < 8; row++) {
      const sum = weights!.data.slice(8 * row, 8 * row + 8).reduce((a, b) => a + b);
      expect(sum).toBeGreaterThan(0.5);
      expect(sum).toBeLessThan(0.999);
    }
  });

  it('refuses tokens that are fewer than the patches of the grid', () => {
    const grid = { height: 3, width: 4 };
    const transformer = new Transformer(4, { depth: 1, heads: 1, headDim: 2, mlpDim: 4, grid });
    expect(() => transformer.forward(input('tokens', [1, 8, 4]))).toThrow(/3 x 4 places .*12, 12/);
  });

  it('shows nothing of a network without attention', () => {
    expect(insideOf(createModel('resnet20'), [1, 3, 32, 32]).exposed).toEqual([]);
  });
});
