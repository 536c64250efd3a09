import { describe, expect, it } from 'vitest';
import { RequestError, ShapeError } from '../../errors.js';
import { beyondTolerance, compareWithGolden, type GoldenCase } from '../../parity/golden.js';
import { spatial } from '../../parity/spatial.js';
import { input } from '../../ops/index.js';
import { evaluate } from '../../tensor/evaluate.js';
import { goldenCase } from '../../testing/golden-files.js';
import { runModule } from '../../testing/run-in-float64.js';
import { sharedGoldenCases } from '../../testing/shared-golden.js';
import { randomArray } from '../../testing/values.js';
import { NonLocal, type NonLocalKind } from './non-local.js';

const ids = Object.keys(spatial).filter((id) => /^nonlocal\..*d$/.test(id));
const kinds: NonLocalKind[] = ['embedded-gaussian', 'gaussian', 'dot-product', 'concatenation'];

async function failures(golden: GoldenCase): Promise<string[]> {
  const subject = spatial[golden.module]?.build(golden.config) ?? {};
  const differences = await compareWithGolden(golden, subject, evaluate);
  expect(differences.length).toBeGreaterThanOrEqual(6);
  return beyondTolerance(differences);
}

describe('NonLocal', () => {
  it.each(
    ['concatenation', 'dot_product', 'embedded_gaussian', 'gaussian'].flatMap((kind) =>
      ['1d.sub_bn', '2d.inter', '3d.sub_nobn'].map((form) => `nonlocal.${kind}.${form}`),
    ),
  )("agrees with PyTorch's %s: output, map, running statistics and gradients", async (name) => {
    expect(await failures(goldenCase(name))).toEqual([]);
  });

  const shared = sharedGoldenCases(ids);
  it.skipIf(shared.length === 0)('finds cases of all twelve blocks in the whole set', () => {
    expect(new Set(shared.map(([, { module }]) => module)).size).toBe(12);
  });
  it.each(shared)('agrees with PyTorch in %s of the whole set', async (_, golden) => {
    expect(await failures(golden)).toEqual([]);
  });

  it.each(kinds.flatMap((kind) => [true, false].map((batchNorm) => ({ kind, batchNorm }))))(
    'starts as the identity: $kind, batchNorm $batchNorm',
    (options) => {
      const module = new NonLocal(6, options).initialize(2);
      const x = randomArray([2, 6, 4, 4]);
      expect(runModule(module, [x]).output.data).toEqual(x.data);
      expect(runModule(module, [x], true).output.data).toEqual(x.data);
    },
  );

  it('exposes a map from every place to every pooled place; time is not pooled', () => {
    const map = (options: ConstructorParameters<typeof NonLocal>[1], shape: number[]) =>
      runModule(new NonLocal(4, options).initialize(0), [randomArray(shape)]).exposed.get(
        'attention',
      )?.shape;
    expect(map({}, [2, 4, 6, 5])).toEqual([2, 30, 6]);
    expect(map({ subSample: false }, [2, 4, 6, 5])).toEqual([2, 30, 30]);
    expect(map({ dimension: 1 }, [2, 4, 7])).toEqual([2, 7, 3]);
    expect(map({ dimension: 3 }, [2, 4, 3, 4, 4])).toEqual([2, 48, 12]);
  });

  it.each(['embedded-gaussian', 'gaussian'] as const)(
    '%s: each row of the map sums to 1',
    (kind) => {
      const module = new NonLocal(4, { kind }).initialize(1);
      const map = runModule(module, [randomArray([1, 4, 4, 4])]).exposed.get('attention')!;
      for (let i = 0; i < 16; i++) {
        const row = map.data.slice(4 * i, 4 * i + 4).reduce((a, b) => a + b);
        expect(row).toBeCloseTo(1, 12);
      }
    },
  );

  it('has as many parameters as its formula says', () => {
    const convolutions = 4 * 64 * 32 + 3 * 32 + 64;
    expect(new NonLocal(64, { batchNorm: false }).parameterCount()).toBe(convolutions);
    expect(new NonLocal(64).parameterCount()).toBe(convolutions + 2 * 64);
    const kind = 'concatenation';
    expect(new NonLocal(64, { kind, batchNorm: false }).parameterCount()).toBe(convolutions + 64);
    expect(new NonLocal(64, { kind: 'gaussian', batchNorm: false }).parameterCount()).toBe(
      2 * 64 * 32 + 32 + 64,
    );
  });

  it('refuses an unknown kind, impossible sizes, and maps that cannot be sub-sampled', () => {
    const kind = 'gausian' as NonLocalKind;
    expect(() => new NonLocal(4, { kind })).toThrow(RequestError);
    expect(() => new NonLocal(4, { kind })).toThrow(/gaussian/);
    expect(() => new NonLocal(4, { dimension: 4 as 3 })).toThrow(/1, 2 or 3 .*, not 4/);
    expect(() => new NonLocal(4, { innerChannels: 0 })).toThrow(/positive integer .* not 0/);
    const narrow = input('x', [1, 4, 1, 8]);
    expect(() => new NonLocal(4).forward(narrow)).toThrow(ShapeError);
    expect(() => new NonLocal(4).forward(narrow)).toThrow(/subSample: false/);
    expect(new NonLocal(4, { subSample: false }).forward(narrow).shape).toEqual([1, 4, 1, 8]);
    expect(() => new NonLocal(4, { dimension: 3 }).forward(narrow)).toThrow(/\[B, C, T, H, W\]/);
  });

  it('refuses arguments that the document does not have', () => {
    const entry = spatial['nonlocal.gaussian.2d']!;
    expect(() => entry.build({ in_channels: 4, bias: true })).toThrow(RequestError);
    expect(() => entry.build({ in_channels: 4, bias: true })).toThrow(/bias/);
    expect(() => entry.build({})).toThrow(/in_channels/);
  });
});
