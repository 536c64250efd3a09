import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { evaluate } from '../tensor/evaluate.js';
import { goldenCase } from '../testing/golden-files.js';
import { sharedGoldenCases } from '../testing/shared-golden.js';
import { beyondTolerance, compareWithGolden, type GoldenCase } from './golden.js';
import { channel } from './channel.js';

const shared = sharedGoldenCases(Object.keys(channel));

async function misses(golden: GoldenCase): Promise<string[]> {
  const entry = channel[golden.module];
  const subject = entry?.build(golden.config) ?? {};
  const differences = await compareWithGolden(golden, subject, evaluate);
  expect(differences.length).toBeGreaterThanOrEqual(4);
  return beyondTolerance(differences);
}

describe('channel attention agrees with PyTorch: outputs, gates, statistics and gradients', () => {
  it.each([
    'se.conv',
    'se.conv.2',
    'se.linear',
    'se.linear.2',
    'se.linear.3',
    'se.linear.4',
    'se.senet_linear',
    'se.senet_linear.2',
    'eca.fixed',
    'eca.fixed.3',
    'eca.fixed.even_k',
    'eca.adaptive',
    'eca.adaptive.4',
    'sk.a',
    'sk.b.2',
    'sk.c',
    'sf',
  ])('%s', async (name) => {
    expect(await misses(goldenCase(name))).toEqual([]);
  });

  it.skipIf(shared.length === 0)(
    'every case of the whole set',
    async () => {
      expect(shared).toHaveLength(26);
      for (const [file, golden] of shared) expect(await misses(golden), file).toEqual([]);
    },
    300_000,
  );
});

describe('the arguments of the documents', () => {
  it.each([
    ['se.linear', { mode: 'mean', channels: 16, ratio: 4 }],
    ['se.conv', { in_chnls: 16 }],
    ['eca.fixed', { channel: 16, kernel: 3 }],
    ['eca.adaptive', { channels: 'many' }],
    ['sk.a', { in_channels: 48, out_channels: 32 }],
    ['sf', { channels: 16 }],
  ])('%s refuses %o', (id, config) => {
    expect(() => channel[id]?.build(config)).toThrow(RequestError);
  });

  it('need not fit the input where the document does not use them', () => {
    expect(channel['eca.fixed']?.build({ channel: 7 }).module?.parameterCount()).toBe(3);
    expect(channel['sk.c']?.build({ features: 8, WH: null, M: 2, G: 1, r: 2 })).toBeDefined();
  });
});
