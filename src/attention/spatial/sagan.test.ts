import { describe, expect, it } from 'vitest';
import { RequestError, ShapeError } from '../../errors.js';
import { beyondTolerance, compareWithGolden, type GoldenCase } from '../../parity/golden.js';
import { spatial } from '../../parity/spatial.js';
import { input } from '../../ops/index.js';
import { evaluate } from '../../tensor/evaluate.js';
import { ndarray } from '../../tensor/ndarray.js';
import { compare } from '../../testing/check-gradient.js';
import { goldenCase } from '../../testing/golden-files.js';
import { parameterValues, runModule } from '../../testing/run-in-float64.js';
import { sharedGoldenCases } from '../../testing/shared-golden.js';
import { randomArray } from '../../testing/values.js';
import { SaganAttention } from './sagan.js';

async function failures(golden: GoldenCase): Promise<string[]> {
  const differences = await compareWithGolden(
    golden,
    spatial['sagan']!.build(golden.config),
    evaluate,
  );
  expect(differences.map(({ name }) => name)).toContain('eval.output.1');
  return beyondTolerance(differences);
}

describe('SaganAttention', () => {
  it("agrees with PyTorch's: output, map and gradients", async () => {
    expect(await failures(goldenCase('sagan'))).toEqual([]);
  });

  const shared = sharedGoldenCases(['sagan']);
  it.skipIf(shared.length === 0)('agrees with PyTorch in every case of the whole set', async () => {
    for (const [file, golden] of shared) expect(await failures(golden), file).toEqual([]);
  });

  it('is the identity before training', () => {
    const module = new SaganAttention(16).initialize(3);
    const x = randomArray([2, 16, 4, 3]);
    expect(runModule(module, [x]).output.data).toEqual(x.data);
  });

  it('with another ratio computes what its formula says, place by place', () => {
    const [channels, places, inner] = [4, 6, 2];
    const module = new SaganAttention(channels, { ratio: 2 }).initialize(1);
    module.gamma.data = Float32Array.of(0.75);
    const x = randomArray([1, channels, 2, 3], 5);
    const at = (c: number, n: number) => x.data[c * places + n]!;
    const project = (name: string, o: number, n: number) => {
      const weight = parameterValues(module, `${name}.weight`);
      let total = parameterValues(module, `${name}.bias`)[o]!;
      for (let c = 0; c < channels; c++) total += weight[o * channels + c]! * at(c, n);
      return total;
    };
    const expected = ndarray(x.shape);
    for (let i = 0; i < places; i++) {
      const powers = Array.from({ length: places }, (_, j) => {
        let energy = 0;
        for (let o = 0; o < inner; o++) energy += project('query', o, i) * project('key', o, j);
        return Math.exp(energy);
      });
      const total = powers.reduce((a, b) => a + b);
      for (let c = 0; c < channels; c++) {
        const attended = powers.reduce(
          (sum, p, j) => sum + (p / total) * project('value', c, j),
          0,
        );
        expected.data[c * places + i] = 0.75 * attended + at(c, i);
      }
    }
    compare('output', runModule(module, [x]).output, expected, 1e-12);
  });

  it('has C^2 + 2 C^2 / ratio weights, their biases, and gamma', () => {
    expect(new SaganAttention(64).parameterCount()).toBe(64 * 64 + 2 * 64 * 8 + 64 + 2 * 8 + 1);
  });

  it('refuses channels that leave none for the query, and other than images', () => {
    expect(() => new SaganAttention(7)).toThrow(RequestError);
    expect(() => new SaganAttention(7)).toThrow(/ratio 8 .* ratio from 1 to 7/);
    expect(() => new SaganAttention(8).forward(input('x', [1, 8, 5]))).toThrow(ShapeError);
  });
});
