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
import { FoldedNonLocal } from '../../parity/quirks.js';
import { SimpleNonLocal } from './simple-non-local.js';

async function failures(golden: GoldenCase): Promise<string[]> {
  const subject = spatial['nonlocal.simple']!.build(golden.config);
  const differences = await compareWithGolden(golden, subject, evaluate);
  expect(differences.map(({ name }) => name)).toContain('eval.attn.attention');
  return beyondTolerance(differences);
}

describe('SimpleNonLocal', () => {
  it("with folded pixels agrees with PyTorch's: output, map and gradients", async () => {
    expect(await failures(goldenCase('nonlocal.simple.2'))).toEqual([]);
  });

  const shared = sharedGoldenCases(['nonlocal.simple']);
  it.skipIf(shared.length === 0)('agrees with PyTorch in every case of the whole set', async () => {
    for (const [file, golden] of shared) expect(await failures(golden), file).toEqual([]);
  });

  it('lets every place attend to every place, as its formula says', () => {
    const [channels, inner, places] = [4, 2, 6];
    const module = new SimpleNonLocal(channels).initialize(4);
    const x = randomArray([1, channels, 3, 2], 9);
    const project = (name: string, o: number, n: number) => {
      const weight = parameterValues(module, `${name}.weight`);
      let total = 0;
      for (let c = 0; c < channels; c++) {
        total += weight[o * channels + c]! * x.data[c * places + n]!;
      }
      return total;
    };
    const mask = parameterValues(module, 'mask.weight');
    const expected = ndarray(x.shape, x.data.slice());
    for (let i = 0; i < places; i++) {
      const powers = Array.from({ length: places }, (_, j) => {
        let energy = 0;
        for (let o = 0; o < inner; o++) energy += project('theta', o, i) * project('phi', o, j);
        return Math.exp(energy);
      });
      const total = powers.reduce((a, b) => a + b);
      for (let o = 0; o < inner; o++) {
        const attended = powers.reduce((sum, p, j) => sum + (p / total) * project('g', o, j), 0);
        for (let c = 0; c < channels; c++) {
          expected.data[c * places + i]! += mask[c * inner + o]! * attended;
        }
      }
    }
    const { output, exposed } = runModule(module, [x]);
    compare('output', output, expected, 1e-12);
    expect(exposed.get('attention')?.shape).toEqual([1, places, places]);
  });

  it('takes odd sizes, which do not fold', () => {
    const x = input('x', [2, 4, 3, 3]);
    expect(new SimpleNonLocal(4).forward(x).shape).toEqual([2, 4, 3, 3]);
    const folding = new FoldedNonLocal(4);
    expect(() => folding.forward(x)).toThrow(ShapeError);
    expect(() => folding.forward(x)).toThrow(/an even number of pixels/);
  });

  it('refuses a single channel', () => {
    expect(() => new SimpleNonLocal(1)).toThrow(RequestError);
  });
});
