import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { record } from '../nn/context.js';
import { constant, input } from '../ops/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { invertNames, nameMaps, renameState } from '../weights/names.js';
import { createModel, listModels, PaddedShortcut } from './index.js';

const seedShapes = new URL('../../../shared/fixtures/resnet18_full.json', import.meta.url);

/** Parameters of the CIFAR ResNets with option A, in millions: He et al. 2016, table 6. */
const PAPER = { resnet20: 0.27, resnet32: 0.46, resnet44: 0.66, resnet56: 0.85, resnet110: 1.7 };

describe('createModel', () => {
  it('makes the ResNet-18 of the seed: parameters with 10 and with 100 classes, and buffers', () => {
    const model = createModel('resnet18');
    expect(model.parameterCount()).toBe(11_173_962);
    expect(createModel('resnet18', { classes: 100 }).parameterCount()).toBe(11_220_132);
    const buffers = [...model.namedBuffers()];
    expect(buffers.reduce((total, [, { data }]) => total + data.length, 0)).toBe(9_620);
  });

  it.skipIf(!existsSync(seedShapes))("has the seed's state_dict names under its name map", () => {
    const seed = JSON.parse(readFileSync(seedShapes, 'utf8')) as {
      parameters: { name: string; shape: number[] }[];
    };
    const parameters = new Map(
      [...createModel('resnet18').namedParameters()].map(([name, { shape }]) => [name, shape]),
    );
    const renamed = renameState(parameters, invertNames(nameMaps['seed-000-resnet']));
    expect(Object.fromEntries(renamed)).toEqual(
      Object.fromEntries(seed.parameters.map(({ name, shape }) => [name, shape])),
    );
  });

  it.each(Object.entries(PAPER))(
    '%s has %d million parameters, as in the paper',
    (id, millions) => {
      const digits = millions < 1 ? 2 : 1;
      expect((createModel(id).parameterCount() / 1e6).toFixed(digits)).toBe(
        millions.toFixed(digits),
      );
    },
  );

  it('names the parts of ResNet-20 as the common PyTorch implementation does', () => {
    const names = [...createModel('resnet20').namedParameters()].map(([name]) => name);
    expect(names).toHaveLength(3 * 19 + 2);
    expect(names).toEqual(
      expect.arrayContaining([
        'conv1.weight',
        'bn1.bias',
        'layer1.0.conv1.weight',
        'layer3.2.bn2.weight',
        'linear.weight',
        'linear.bias',
      ]),
    );
    expect(names.some((name) => name.includes('shortcut'))).toBe(false);
  });

  it('can give ResNet-20 projection shortcuts', () => {
    const names = [...createModel('resnet20', { shortcut: 'projection' }).namedParameters()];
    expect(names.map(([name]) => name)).toContain('layer2.0.shortcut.0.weight');
  });

  it.each(listModels().map(({ id }) => id))('%s maps images to logits', (id) => {
    const model = createModel(id, { classes: 7, width: 4 });
    expect(model.forward(input('x', [2, 3, 32, 32])).shape).toEqual([2, 7]);
  });

  it('gives every block its attention, with the channels of that block', () => {
    const model = createModel('resnet20', { attention: { id: 'se', options: { ratio: 4 } } });
    const { record: left } = record(false, () => model.forward(input('x', [2, 3, 32, 32])));
    expect(left.exposed.size).toBe(9);
    expect(left.exposed.get('layer3.1.attention.channel')?.shape).toEqual([2, 64, 1, 1]);
    const bottleneck = createModel('resnet50', { attention: 'se', width: 8 });
    const { record: wide } = record(false, () => bottleneck.forward(input('x', [1, 3, 32, 32])));
    expect(wide.exposed.get('layer1.0.attention.channel')?.shape).toEqual([1, 32, 1, 1]);
  });

  it('puts the attention into the stages that are named, and only there', () => {
    const model = createModel('resnet20', { attention: 'se', stages: [1, 3] });
    const { record: left } = record(false, () => model.forward(input('x', [1, 3, 32, 32])));
    const stages = [...left.exposed.keys()].map((name) => name.split('.')[0]);
    expect(stages).toEqual(['layer1', 'layer1', 'layer1', 'layer3', 'layer3', 'layer3']);
  });

  it('fits a mechanism made for one map size into the stage that has it', () => {
    const attention = { id: 'cbam-joint', options: { positions: 64 } };
    const model = createModel('resnet20', { attention, stages: [3] });
    expect(model.forward(input('x', [2, 3, 32, 32])).shape).toEqual([2, 10]);
  });

  it('applies attention before the addition by default, and after it when told', () => {
    const orders = (['before-addition', 'after-addition'] as const).map((placement) => {
      const model = createModel('resnet20', { attention: 'se', placement });
      const logits = model.forward(input('x', [1, 3, 8, 8]));
      // Back from the head: mean over space, ReLU, and what the last block ends in.
      let last = logits;
      while (last.op.name !== 'relu') last = last.inputs[0]!;
      return last.inputs[0]!.op.name;
    });
    expect(orders).toEqual(['add', 'mul']);
  });

  it('draws the same parameters for the same seed, shared parts alike with and without attention', () => {
    const plain = createModel('resnet20', { seed: 3 }).stateDict();
    const again = createModel('resnet20', { seed: 3 }).stateDict();
    const withSe = createModel('resnet20', { seed: 3, attention: 'se' }).stateDict();
    const other = createModel('resnet20', { seed: 4 }).stateDict();
    const name = 'layer2.1.conv2.weight';
    expect(again.get(name)).toEqual(plain.get(name));
    expect(withSe.get(name)).toEqual(plain.get(name));
    expect(other.get(name)).not.toEqual(plain.get(name));
  });

  it.each([
    [() => createModel('resnet21'), "Unknown model 'resnet21'. Did you mean 'resnet"],
    [() => createModel('resnet20', { attention: 'es' }), "Unknown attention 'es'."],
    [
      () => createModel('resnet20', { clases: 10 } as object),
      "The model 'resnet20' has no option 'clases'. Did you mean 'classes'?",
    ],
    [
      () => createModel('resnet20', { placement: 'before' as 'before-addition' }),
      "Unknown placement 'before'. Did you mean 'before-addition'?",
    ],
    [
      () => createModel('resnet20', { classes: 0 }),
      "A ResNet's classes must be a positive integer, not 0.",
    ],
    [
      () => createModel('resnet20', { attention: 'se', stages: [2, 4] }),
      "The attention's stages must be some of the network's 1 to 3, not 4.",
    ],
    [
      () => createModel('resnet18', { attention: 'se', stages: [0.5, 0] }),
      "The attention's stages must be some of the network's 1 to 4, not 0.5 and 0.",
    ],
    [
      () => createModel('resnet20', { attention: 'se', stages: [] }),
      "The attention's stages must be some of the network's 1 to 3, not none.",
    ],
    [() => createModel('resnet20', { stages: [3] }), /Stages \[3\] were given .* no attention/],
    [() => createModel('resnet20', { attention: 'se', width: 8 }), /choose a ratio from 1 to 8/],
  ])('refuses what it cannot make, and says what to do: %s', (make, message) => {
    expect(make).toThrow(RequestError);
    expect(make).toThrow(message);
  });
});

describe('PaddedShortcut', () => {
  it('takes every second row and column and puts zero channels around', () => {
    const x = constant([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3]);
    const [y] = evaluate([new PaddedShortcut(1, 3, 2).forward(x)]);
    expect(y!.shape).toEqual([1, 3, 2, 2]);
    expect([...y!.data]).toEqual([0, 0, 0, 0, 1, 3, 7, 9, 0, 0, 0, 0]);
  });
});
