import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { evaluate } from '../tensor/evaluate.js';
import { goldenCase } from '../testing/golden-files.js';
import { sharedGoldenCases } from '../testing/shared-golden.js';
import { beyondTolerance, compareWithGolden, type GoldenCase } from './golden.js';
import { cbam } from './cbam.js';

const shared = sharedGoldenCases(Object.keys(cbam));

async function misses(golden: GoldenCase): Promise<string[]> {
  const subject = cbam[golden.module]?.build(golden.config) ?? {};
  const differences = await compareWithGolden(golden, subject, evaluate);
  expect(differences.length).toBeGreaterThanOrEqual(4);
  return beyondTolerance(differences);
}

describe('CBAM agrees with PyTorch: outputs, gates and gradients', () => {
  it.each([
    'cbam.plain',
    'cbam.plain.param',
    'cbam.plain.channel',
    'cbam.plain.spatial',
    'cbam.block.fc.2',
    'cbam.block.conv.2',
    'cbam.block.channel_fc',
    'cbam.block.channel_conv',
    'cbam.block.channel_conv.4',
    'cbam.block.spatial',
    'cbam.channel_and_spatial',
    'cbam.joint',
    'cbam.joint.channel',
    'cbam.joint.spatial',
  ])('%s', async (name) => {
    expect(await misses(goldenCase(name))).toEqual([]);
  });

  it.skipIf(shared.length === 0)('every case of the whole set', async () => {
    expect(shared).toHaveLength(29);
    for (const [file, golden] of shared) expect(await misses(golden), file).toEqual([]);
  });
});

describe('the arguments of the documents', () => {
  const mode = (name: string) => ({
    channel_attention_mode: name,
    spatial_attention_kernel_size: 3,
    channels: 16,
  });

  it.each([
    ['cbam.plain', { planes: 8 }],
    ['cbam.plain.param', { planes: 32, kernel_size: 5 }],
    ['cbam.block', { ...mode('FC'), gamma: 2, b: 1 }],
    ['cbam.block', { ...mode('Conv'), ratio: 4 }],
    ['cbam.block', { ...mode('MLP'), ratio: 4 }],
    ['cbam.block.spatial', { k: 9 }],
    ['cbam.joint', { channel: 16, HW: null }],
    ['cbam.joint', { channel: 16, HW: 30, kernel_size: 6 }],
  ])('%s refuses %o', (id, config) => {
    expect(() => cbam[id]?.build(config)).toThrow(RequestError);
  });

  it('of the other mode of CBAMBlock may be given, or None', () => {
    const given = { ...mode('FC'), ratio: 4, gamma: null, b: null };
    expect(cbam['cbam.block']?.build(given).module?.parameterCount()).toBe(2 * 16 * 4 + 18);
  });

  it('may be those of an even kernel, where the document returns logits', () => {
    const even = cbam['cbam.joint.spatial']?.build({ kernel_size: 4 });
    expect(even?.module?.parameterCount()).toBe(2 * 16 + 1);
  });
});
