import { describe, expect, it } from 'vitest';
import { RequestError, ShapeError } from '../../errors.js';
import { beyondTolerance, compareWithGolden, type GoldenCase } from '../../parity/golden.js';
import { tokens } from '../../parity/tokens.js';
import { input } from '../../ops/index.js';
import { evaluate } from '../../tensor/evaluate.js';
import { ndarray } from '../../tensor/ndarray.js';
import { compare } from '../../testing/check-gradient.js';
import { goldenCase } from '../../testing/golden-files.js';
import { runModule } from '../../testing/run-in-float64.js';
import { sharedGoldenCases } from '../../testing/shared-golden.js';
import { randomArray } from '../../testing/values.js';
import { MultiHeadAttention, SimpleVit, Transformer } from './simple-vit.js';

async function failures(golden: GoldenCase): Promise<string[]> {
  const subject = tokens[golden.module]?.build(golden.config) ?? {};
  const differences = await compareWithGolden(golden, subject, evaluate);
  expect(differences.length).toBeGreaterThanOrEqual(7);
  return beyondTolerance(differences);
}

const small = { imageSize: 3, patchSize: 4, dim: 8, depth: 2, heads: 2, headDim: 4, mlpDim: 12 };

describe('SimpleVit and its parts', () => {
  it.each(['vit.feed_forward', 'vit.attention', 'vit.transformer', 'vit.simple_vit.2'])(
    "agree with PyTorch's %s: output, maps and gradients",
    async (name) => {
      expect(await failures(goldenCase(name))).toEqual([]);
    },
  );

  const shared = sharedGoldenCases(Object.keys(tokens).filter((id) => id.startsWith('vit.')));
  it.skipIf(shared.length === 0)('agree with PyTorch in every case of the whole set', async () => {
    expect(shared.length).toBeGreaterThanOrEqual(6);
    for (const [file, golden] of shared) expect(await failures(golden), file).toEqual([]);
  });

  it('gives one number per image, whatever the order of the channel patches', () => {
    const module = new SimpleVit(12, small).initialize(5);
    const x = randomArray([2, 12, 3, 3]);
    const swapped = ndarray(x.shape, x.data.slice());
    const patch = 4 * 9;
    for (const image of [0, 3 * patch]) {
      swapped.data.set(x.data.slice(image + patch, image + 2 * patch), image);
      swapped.data.set(x.data.slice(image, image + patch), image + patch);
    }
    const { output, exposed } = runModule(module, [x]);
    expect(output.shape).toEqual([2, 1]);
    compare('output', runModule(module, [swapped]).output, output, 1e-12);
    expect([...exposed].map(([, { shape }]) => shape)).toContainEqual([2, 2, 3, 3]);
  });

  it('shows the map of each layer under the layer’s path', () => {
    const module = new SimpleVit(12, small);
    module.assignPaths();
    const { exposed } = runModule(module, [randomArray([1, 12, 3, 3])]);
    expect([...exposed.keys()]).toEqual([
      'transformer.layers.0.attention.attention',
      'transformer.layers.1.attention.attention',
    ]);
  });

  it('has as many parameters as its documentation says', () => {
    const [dim, inner, mlp] = [8, 8, 12];
    const layer = 4 * dim * inner + 2 * dim * mlp + mlp + 5 * dim;
    expect(new SimpleVit(12, small).parameterCount()).toBe(4 * 9 * dim + dim + 2 * layer);
  });

  it('without layers hands its tokens on', () => {
    const x = randomArray([1, 3, 4]);
    expect(runModule(new Transformer(4, { depth: 0 }), [x]).output).toEqual(x);
  });

  it('refuses patches that do not divide the channels, and maps of another size', () => {
    expect(() => new SimpleVit(12, { ...small, patchSize: 5 })).toThrow(RequestError);
    expect(() => new SimpleVit(12, { ...small, patchSize: 5 })).toThrow(/must divide 12/);
    expect(() => new SimpleVit(12, { ...small, heads: 0 })).toThrow(/heads/);
    expect(() => new SimpleVit(12, { ...small, depth: -1 })).toThrow(/'depth' .* not -1/);
    expect(() => new SimpleVit(12, { ...small, depth: 1e9 })).toThrow(/'depth' .* from 0 to 1000/);
    const vit = new SimpleVit(12, small);
    expect(() => vit.forward(input('x', [1, 12, 4, 4]))).toThrow(ShapeError);
    expect(() => vit.forward(input('x', [1, 12, 4, 4]))).toThrow(/H W = 9/);
    expect(() => new MultiHeadAttention(4).forward(input('x', [2, 4]))).toThrow(/\[B, T, dim\]/);
  });

  it('takes the document’s arguments by name only', () => {
    const entry = tokens['vit.attention']!;
    expect(() => entry.build({ dim: 8, head: 2 })).toThrow(RequestError);
    expect(() => entry.build({ dim: 8, head: 2 })).toThrow(/head/);
  });
});
