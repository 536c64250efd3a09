import { describe, expect, it } from 'vitest';
import { SqueezeExcite } from '../attention/index.js';
import type { Module } from '../nn/module.js';
import { evaluate } from '../tensor/evaluate.js';
import { torchCases } from '../testing/golden-files.js';
import { compareWithGolden } from '../parity/golden.js';
import { BasicBlock, Bottleneck, type BlockOptions } from './blocks.js';

const plain: BlockOptions = {
  shortcut: 'projection',
  placement: 'before-addition',
  attention: undefined,
};
const withSe: BlockOptions = {
  ...plain,
  attention: (channels) => new SqueezeExcite(channels, { ratio: 2 }),
};

/** The blocks of tests/fixtures/make-torch-numbers.py. */
const blocks: Readonly<Record<string, () => Module>> = {
  padding: () => new BasicBlock(3, 6, 2, { ...plain, shortcut: 'padding' }),
  'before-addition': () => new BasicBlock(3, 6, 2, withSe),
  'after-addition': () => new BasicBlock(3, 6, 2, { ...withSe, placement: 'after-addition' }),
  bottleneck: () => new Bottleneck(4, 2, 2, withSe),
};

describe('residual blocks', () => {
  const cases = torchCases('torch-blocks');

  it.each(cases.map((golden) => [golden.module, golden] as const))(
    '%s: names, outputs, gradients and buffers agree with PyTorch in float64',
    async (name, golden) => {
      const differences = await compareWithGolden(golden, { module: blocks[name]!() }, evaluate);
      // Parameters are kept in float32, so the numbers agree to that and not to float64.
      expect(differences.filter(({ error }) => !(error < 1e-5))).toEqual([]);
      expect(differences.length).toBeGreaterThan(10);
    },
  );

  it('every case of the fixture is tried', () => {
    expect(cases.map(({ module }) => module).sort()).toEqual(Object.keys(blocks).sort());
  });
});
