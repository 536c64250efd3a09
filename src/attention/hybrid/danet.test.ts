import { describe, expect, it } from 'vitest';
import { RequestError } from '../../errors.js';
import { beyondTolerance, compareWithGolden, type GoldenCase } from '../../inspect/golden.js';
import { hybrid } from '../../inspect/parity/hybrid.js';
import { record } from '../../nn/context.js';
import { Identity } from '../../nn/index.js';
import { input } from '../../ops/index.js';
import { evaluate } from '../../tensor/evaluate.js';
import { ndarray } from '../../tensor/ndarray.js';
import { goldenCase } from '../../testing/golden-files.js';
import { sharedGoldenCases } from '../../testing/shared-golden.js';
import { DualAttentionHead } from './danet-head.js';
import { ChannelSimilarityAttention, PositionAttention } from './danet.js';

async function failures(golden: GoldenCase): Promise<string[]> {
  const subject = hybrid[golden.module]?.build(golden.config) ?? {};
  const differences = await compareWithGolden(golden, subject, evaluate);
  expect(differences.map(({ kind }) => kind)).toContain('attn');
  return beyondTolerance(differences);
}

describe('the modules of DANet', () => {
  it.each(['danet.pam.2', 'danet.cam', 'danet.head.normkw'])(
    "agree with PyTorch's %s: outputs, attention, running statistics and gradients",
    async (name) => {
      expect(await failures(goldenCase(name))).toEqual([]);
    },
  );

  const shared = sharedGoldenCases(Object.keys(hybrid));
  describe.skipIf(shared.length === 0)('agree with PyTorch in the whole set', () => {
    it.each(shared)('%s', async (_, golden) => expect(await failures(golden)).toEqual([]));
  });

  it('start as the identity', () => {
    const x = input('x', [1, 8, 2, 2]);
    const values = ndarray(
      x.shape,
      Float64Array.from({ length: 32 }, (_, i) => Math.sin(i)),
    );
    for (const module of [new PositionAttention(8), new ChannelSimilarityAttention()]) {
      const feeds = new Map([[x, values]]);
      for (const [, { tensor, shape, data }] of module.initialize(1).namedParameters()) {
        feeds.set(tensor, ndarray(shape, Float64Array.from(data)));
      }
      const [y] = evaluate([module.forward(x)], feeds);
      expect(y?.data).toEqual(values.data);
    }
  });
});

describe('ChannelSimilarityAttention', () => {
  /** Two channels over two places: A = (ln 2, 0), B = (1, 0), so A.A = ln^2 2, A.B = ln 2, B.B = 1. */
  const [a, b] = [
    [Math.LN2, 0],
    [1, 0],
  ] as const;
  const softmax = (first: number, second: number) => {
    const [p, q] = [Math.exp(first), Math.exp(second)];
    return [p / (p + q), q / (p + q)];
  };

  it.each([
    ['the most similar channel weighs most, as in the paper', false],
    ['inverted, the most similar channel weighs least', true],
  ])('%s', (_, inverted) => {
    const x = input('x', [1, 2, 1, 2]);
    const module = new ChannelSimilarityAttention({ inverted });
    const { record: left } = record(false, () => module.forward(x));
    const map = left.exposed.get('attention');
    const values = new Map([[x, ndarray(x.shape, Float64Array.from([...a, ...b]))]]);
    const [attention] = evaluate(map ? [map] : [], values);
    const sign = inverted ? -1 : 1;
    const expected = [
      ...softmax(sign * Math.LN2 ** 2, sign * Math.LN2),
      ...softmax(sign * Math.LN2, sign),
    ];
    for (const [i, weight] of expected.entries())
      expect(attention?.data[i]).toBeCloseTo(weight, 12);
  });
});

describe('PositionAttention', () => {
  it('has queries and keys of C / ratio channels', () => {
    const { query, key, value } = new PositionAttention(32, { ratio: 4 });
    expect(query.weight.shape).toEqual([8, 32, 1, 1]);
    expect(key.weight.shape).toEqual([8, 32, 1, 1]);
    expect(value.weight.shape).toEqual([32, 32, 1, 1]);
  });

  it('refuses channels too few for its ratio', () => {
    expect(() => new PositionAttention(7)).toThrow(RequestError);
    expect(() => new PositionAttention(7)).toThrow(/ratio 8 .* ratio from 1 to 7/);
  });
});

describe('DualAttentionHead', () => {
  const x = input('x', [2, 32, 4, 5]);

  it('classifies the sum of its paths, and each path where auxiliary outputs are wanted', () => {
    const shapes = (head: DualAttentionHead) => head.forward(x).map(({ shape }) => shape);
    expect(shapes(new DualAttentionHead(32, 7))).toEqual(new Array(3).fill([2, 7, 4, 5]));
    expect(shapes(new DualAttentionHead(32, 7, { auxiliary: false }))).toEqual([[2, 7, 4, 5]]);
  });

  it('drops features before each classifier, in training only', () => {
    const masks = (training: boolean, dropout?: number) => {
      const head = new DualAttentionHead(32, 7, dropout === undefined ? {} : { dropout });
      return record(training, () => head.forward(x)).record.noise;
    };
    expect(masks(true).map(({ keepProbability }) => keepProbability)).toEqual([0.9, 0.9, 0.9]);
    expect(masks(true, 0)).toEqual([]);
    expect(masks(false)).toEqual([]);
  });

  it('takes another normalisation, or none', () => {
    const head = new DualAttentionHead(32, 7, { norm: () => new Identity() });
    expect([...head.namedBuffers()]).toEqual([]);
    const { module } = hybrid['danet.head']?.build({
      in_channels: 32,
      nclass: 2,
      norm_layer: 'torch.nn.InstanceNorm2d',
    }) ?? { module: undefined };
    expect([...(module?.namedBuffers() ?? [])]).toEqual([]);
  });

  it('refuses fewer than 32 channels', () => {
    expect(() => new DualAttentionHead(31, 7)).toThrow(/7 channels, which needs 8.*at least 32/);
  });

  it.each([
    [{ in_channels: 32 }, /nclass/],
    [
      { in_channels: 32, nclass: 2, norm_layer: null },
      /expected string, received null\n.*norm_layer/,
    ],
    [{ in_channels: 32, nclass: 2, norm_layer: 'LayerNorm' }, /"BatchNorm2d"\|"InstanceNorm2d"/],
    [{ in_channels: 32, nclass: 2, norm_kwargs: { epsilon: 1 } }, /"epsilon"/],
    [{ in_channels: 32, nclass: 2, aux: 'yes' }, /expected boolean, received string\n.*aux/],
  ])('refuses what the constructor of the seed cannot take: %j', (config, message) => {
    expect(() => hybrid['danet.head']?.build(config)).toThrow(message);
  });
});
