import { describe, expect, it } from 'vitest';
import { RequestError } from '../../errors.js';
import { beyondTolerance, compareWithGolden, type GoldenCase } from '../../parity/golden.js';
import { hybrid } from '../../parity/hybrid.js';
import { record } from '../../nn/context.js';
import { Identity } from '../../nn/index.js';
import { input } from '../../ops/index.js';
import { evaluate } from '../../tensor/evaluate.js';
import { ndarray } from '../../tensor/ndarray.js';
import { expectValues } from '../../testing/expect-values.js';
import { goldenCase } from '../../testing/golden-files.js';
import { parameterValues, runModule } from '../../testing/run-in-float64.js';
import { sharedGoldenCases } from '../../testing/shared-golden.js';
import { randomArray } from '../../testing/values.js';
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

  it.each([false, true])('adds beta times what each channel gathered: inverted %s', (inverted) => {
    const module = new ChannelSimilarityAttention({ inverted });
    module.beta.data = Float32Array.of(0.5);
    const { output } = runModule(module, [ndarray([1, 2, 1, 2], [...a, ...b])]);
    const sign = inverted ? -1 : 1;
    const [ofA, ofB] = [
      softmax(sign * Math.LN2 ** 2, sign * Math.LN2),
      softmax(sign * Math.LN2, sign),
    ] as const;
    // Both channels are 0 at the second place, so nothing is gathered there.
    const gathered = ([p = NaN, q = NaN]: readonly number[]) => p * a[0] + q * b[0];
    expectValues(output, [a[0] + 0.5 * gathered(ofA), 0, b[0] + 0.5 * gathered(ofB), 0]);
  });
});

describe('PositionAttention', () => {
  it('has queries and keys of C / ratio channels', () => {
    const { query, key, value } = new PositionAttention(32, { ratio: 4 });
    expect(query.weight.shape).toEqual([8, 32, 1, 1]);
    expect(key.weight.shape).toEqual([8, 32, 1, 1]);
    expect(value.weight.shape).toEqual([32, 32, 1, 1]);
  });

  it('with another ratio computes what its formula says, place by place', () => {
    const [channels, places, inner] = [6, 4, 2];
    const module = new PositionAttention(channels, { ratio: 3 }).initialize(4);
    module.alpha.data = Float32Array.of(-0.5);
    const x = randomArray([1, channels, 2, 2], 9);
    const project = (name: string, o: number, n: number) => {
      const weight = parameterValues(module, `${name}.weight`);
      let total = parameterValues(module, `${name}.bias`)[o]!;
      for (let c = 0; c < channels; c++)
        total += weight[o * channels + c]! * x.data[c * places + n]!;
      return total;
    };
    const expected = Array.from(x.data);
    const map: number[] = [];
    for (let i = 0; i < places; i++) {
      const powers = Array.from({ length: places }, (_, j) => {
        let energy = 0;
        for (let o = 0; o < inner; o++) energy += project('query', o, i) * project('key', o, j);
        return Math.exp(energy);
      });
      const total = powers.reduce((sum, p) => sum + p);
      map.push(...powers.map((p) => p / total));
      for (let c = 0; c < channels; c++) {
        const gathered = powers.reduce(
          (sum, p, j) => sum + (p / total) * project('value', c, j),
          0,
        );
        expected[c * places + i]! -= 0.5 * gathered;
      }
    }
    const { output, exposed } = runModule(module, [x]);
    expectValues(output, expected);
    expectValues(exposed.get('attention'), map);
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

  it("hands 'inverted' on: what weighs most in one form weighs least in the other", () => {
    const maps = [false, true].map((inverted) => {
      const head = new DualAttentionHead(32, 2, { inverted, auxiliary: false }).initialize(1);
      head.assignPaths();
      const { record: left } = record(false, () => head.forward(x));
      const map = left.exposed.get('channel.attention');
      const feeds = new Map([[x, randomArray(x.shape, 2)]]);
      for (const [, { tensor, data }] of [...head.namedParameters(), ...head.namedBuffers()]) {
        feeds.set(tensor, ndarray(tensor.shape, Float64Array.from(data)));
      }
      return [...(evaluate(map ? [map] : [], feeds)[0]?.data ?? [])];
    });
    // exp(E) and exp(-E): where one row has the ratio r to its first weight, the other has 1 / r.
    const [plain = [], inverted = []] = maps;
    expect(plain.length).toBe(2 * 8 * 8);
    for (const [i, weight] of plain.entries()) {
      const first = i - (i % 8);
      const product = (weight / plain[first]!) * (inverted[i]! / inverted[first]!);
      expect(product).toBeCloseTo(1, 9);
    }
    expect(plain).not.toEqual(inverted);
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
  ])('refuses what the constructor of the document cannot take: %j', (config, message) => {
    expect(() => hybrid['danet.head']?.build(config)).toThrow(message);
  });
});
