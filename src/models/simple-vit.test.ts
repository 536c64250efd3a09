import { describe, expect, it } from 'vitest';
import { RequestError, ShapeError } from '../errors.js';
import { record } from '../nn/context.js';
import { input } from '../ops/index.js';
import { compareWithGolden } from '../parity/golden.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray } from '../tensor/ndarray.js';
import type { Tensor } from '../tensor/tensor.js';
import { torchCases } from '../testing/golden-files.js';
import { randomArray } from '../testing/values.js';
import { ProjectedEncoder } from './projected-encoder.js';
import { createModel } from './registry.js';
import { SimpleVitClassifier, type SimpleVitClassifierOptions } from './simple-vit.js';

/** From lucidrains' names to ours, for two layers. */
const names = Object.fromEntries([
  ['to_patch_embedding.1', 'embedding'],
  ['linear_head.0', 'norm'],
  ['linear_head.1', 'linear'],
  ...[0, 1].flatMap((i) => {
    const [theirs, ours] = [`transformer.layers.${i}`, `transformer.layers.${i}`];
    return [
      [`${theirs}.0.norm`, `${ours}.attention.norm`],
      [`${theirs}.0.to_qkv`, `${ours}.attention.qkv`],
      [`${theirs}.0.to_out`, `${ours}.attention.output`],
      [`${theirs}.1.net.0`, `${ours}.feedForward.norm`],
      [`${theirs}.1.net.1`, `${ours}.feedForward.expand`],
      [`${theirs}.1.net.3`, `${ours}.feedForward.reduce`],
    ];
  }),
]) as Record<string, string>;

describe('SimpleVitClassifier', () => {
  it('agrees with PyTorch: logits and gradients, of patches that are not square', async () => {
    const [golden] = torchCases('contrastive/simple-vit');
    const module = new SimpleVitClassifier({
      imageSize: [4, 6],
      patch: [2, 3],
      channels: 2,
      dim: 8,
      depth: 2,
      heads: 2,
      headDim: 3,
      mlpDim: 10,
      classes: 3,
    });
    if (golden === undefined) throw new Error('The fixture is empty.');
    const differences = await compareWithGolden(golden, { module, names }, evaluate);
    expect(differences.filter(({ error }) => !(error < 1e-5))).toEqual([]);
    expect(differences.length).toBeGreaterThan(15);
  });

  it('is made for images of 32x32: 64 tokens, logits, and without classes features', () => {
    const x = input('x', [2, 3, 32, 32]);
    const model = new SimpleVitClassifier();
    model.assignPaths();
    const { output, record: left } = record(false, () => model.forward(x));
    expect(output.shape).toEqual([2, 10]);
    expect(left.exposed.get('transformer.layers.3.attention.attention')?.shape).toEqual([
      2, 4, 64, 64,
    ]);
    const features = new SimpleVitClassifier({ classes: 0 });
    expect(features.forward(x).shape).toEqual([2, 128]);
    expect([model.outFeatures, features.outFeatures]).toEqual([10, 128]);
    expect(features.parameterCount()).toBe(model.parameterCount() - 128 * 10 - 10);
  });

  it.each<[SimpleVitClassifierOptions, RegExp]>([
    [{ patch: 5 }, /32x32 cannot cut them into patches of 5x5/],
    [{ dim: 10 }, /multiple of 4/],
    [{ dim: 4 }, /multiple of 4 from 8 on/],
    [{ channels: 0 }, /channels .* at least 1, not 0/],
    [{ classes: -1 }, /classes .* at least 0, not -1/],
    [{ heads: 0 }, /heads/],
  ])('refuses %j', (options, message) => {
    expect(() => new SimpleVitClassifier(options)).toThrow(RequestError);
    expect(() => new SimpleVitClassifier(options)).toThrow(message);
  });

  it('refuses images of another size', () => {
    const model = new SimpleVitClassifier();
    expect(() => model.forward(input('x', [1, 3, 36, 32]))).toThrow(ShapeError);
    expect(() => model.forward(input('x', [1, 1, 32, 32]))).toThrow(/\[B, 3, 32, 32\]/);
  });
});

describe('ProjectedEncoder', () => {
  const x = input('x', [2, 3, 32, 32]);

  it('gives the features of its encoder, and embeddings W2 relu(W1 features)', () => {
    const encoder = createModel('resnet20', { classes: 0, width: 4 });
    const model = new ProjectedEncoder(encoder, { hidden: 5, embedding: 3 }).initialize(1);
    const own = [...model.namedParameters()].slice(-4);
    expect(own.map(([name]) => name)).toEqual([
      'projection.0.weight',
      'projection.0.bias',
      'projection.2.weight',
      'projection.2.bias',
    ]);
    const { embeddings, features } = model.forward(x);
    expect([embeddings.shape, features.shape]).toEqual([
      [2, 3],
      [2, 16],
    ]);
    const feeds = new Map<Tensor, ReturnType<typeof ndarray>>([[x, randomArray(x.shape, 1)]]);
    for (const [, { tensor, shape, data }] of [
      ...model.namedParameters(),
      ...model.namedBuffers(),
    ]) {
      feeds.set(tensor, ndarray(shape, Float64Array.from(data)));
    }
    const [z, h, pooled] = evaluate([embeddings, features, encoder.forward(x)], feeds);
    expect(h?.data).toEqual(pooled?.data);
    const [w1, b1, w2, b2] = own.map(([, { data }]) => [...data]);
    const dense = (input: number[], weight: number[] = [], bias: number[] = []) =>
      bias.map((b, o) =>
        input.reduce((sum, v, i) => sum + v * (weight[o * input.length + i] ?? NaN), b),
      );
    const hidden = dense([...(h?.data ?? [])].slice(0, 16), w1, b1).map((v) => Math.max(v, 0));
    for (const [i, value] of dense(hidden, w2, b2).entries())
      expect(z?.data[i]).toBeCloseTo(value, 10);
  });

  it('takes a SimpleViT, and has SimCLR-like sizes by default', () => {
    const model = new ProjectedEncoder(new SimpleVitClassifier({ classes: 0 }));
    expect(model.forward(x).embeddings.shape).toEqual([2, 128]);
    expect(() => new ProjectedEncoder(createModel('resnet20'), { embedding: 0 })).toThrow(
      /embedding/,
    );
  });
});
