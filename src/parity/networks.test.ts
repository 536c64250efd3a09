import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { evaluate } from '../tensor/evaluate.js';
import { goldenCase } from '../testing/golden-files.js';
import { evaluateWithOnnx } from '../testing/onnx.js';
import { beyondTolerance, compareWithGolden } from './golden.js';
import { networks } from './networks.js';
import { tokens } from './tokens.js';

const table = { ...networks, ...tokens };

describe('the parity of networks and losses', () => {
  it.each([
    ['resnet.stem', evaluate],
    ['resnet.basic_block', evaluate],
    ['resnet.basic_block.2', evaluate],
    ['resnet.basic_block.3', evaluate],
    // Too large for the float64 reference.
    ['resnet18', evaluateWithOnnx],
    ['loss.cross_entropy', evaluate],
  ] as const)('builds %s from its arguments, and it agrees with PyTorch', async (name, run) => {
    const golden = goldenCase(name);
    const subject = table[golden.module]?.build(golden.config) ?? {};
    const differences = await compareWithGolden(golden, subject, run);
    expect(differences.length).toBeGreaterThanOrEqual(3);
    expect(beyondTolerance(differences)).toEqual([]);
  });

  it('has the defaults of the document', () => {
    const linear = networks['resnet.resnet18']!.build({}).module?.stateDict().get('linear.weight');
    expect(linear?.shape).toEqual([10, 512]);
    const block = networks['resnet.basic_block']!.build({ in_planes: 4, planes: 4 }).module;
    expect(block?.stateDict().has('shortcut.0.weight')).toBe(false);
  });

  it('ignores the stride of the stem, as the document does', () => {
    const entry = networks['resnet.stem']!;
    const counts = [undefined, 2].map((stride) =>
      entry.build({ in_planes: 3, places: 4, ...(stride && { stride }) }).module?.parameterCount(),
    );
    expect(counts).toEqual([3 * 4 * 9 + 8, 3 * 4 * 9 + 8]);
  });

  it('refuses arguments that are missing, unknown or of another kind', () => {
    for (const config of [
      {},
      { in_planes: 3, planes: 'many' },
      { in_planes: 3, planes: 4, groups: 2 },
    ]) {
      expect(() => networks['resnet.basic_block']!.build(config)).toThrow(RequestError);
    }
    expect(() => tokens['loss.cross_entropy']!.build({ weight: [1, 2] })).toThrow(/weight/);
  });
});
