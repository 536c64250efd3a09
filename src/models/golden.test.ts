import { describe, expect, it } from 'vitest';
import { BatchNorm2d, Conv2d, ReLU, Sequential, type Layer } from '../nn/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { goldenCase } from '../testing/golden-files.js';
import {
  beyondTolerance,
  compareWithGolden,
  type Evaluate,
  type GoldenCase,
} from '../inspect/golden.js';
import { evaluateWithOnnx } from '../testing/onnx.js';
import { nameMaps, type NameMap } from '../weights/names.js';
import { BasicBlock, createModel } from './index.js';

async function differencesOf(
  golden: GoldenCase,
  module: Layer,
  run: Evaluate,
  names: NameMap = {},
): Promise<string[]> {
  const differences = await compareWithGolden(golden, { module, names }, run);
  expect(differences.length).toBeGreaterThan(5);
  return beyondTolerance(differences);
}

describe("seed 000's ResNet", () => {
  it.each(['resnet.basic_block', 'resnet.basic_block.2', 'resnet.basic_block.3'])(
    '%s: outputs, running statistics and gradients agree with PyTorch',
    async (name) => {
      const golden = goldenCase(name);
      const { in_planes, planes, stride } = golden.config as Record<string, number>;
      const block = new BasicBlock(in_planes!, planes!, stride!, {
        shortcut: 'projection',
        placement: 'before-addition',
        attention: undefined,
      });
      expect(await differencesOf(golden, block, evaluate)).toEqual([]);
    },
  );

  it('the stem agrees with PyTorch', async () => {
    const golden = goldenCase('resnet.stem');
    const { in_planes, places } = golden.config as Record<string, number>;
    const stem = new Sequential(
      new Conv2d(in_planes!, places!, 3, { padding: 1, bias: false }),
      new BatchNorm2d(places!),
      new ReLU(),
    );
    expect(await differencesOf(golden, stem, evaluate)).toEqual([]);
  });

  it('a whole ResNet-18 of width 4, in ONNX Runtime, agrees with PyTorch', async () => {
    const golden = goldenCase('resnet18');
    const { base, num_classes } = golden.config as Record<string, number>;
    const model = createModel('resnet18', { width: base!, classes: num_classes! });
    const names = nameMaps['seed-000-resnet'];
    expect(await differencesOf(golden, model, evaluateWithOnnx, names)).toEqual([]);
  });
});
