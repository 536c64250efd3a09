import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { record } from '../nn/context.js';
import type { Layer } from '../nn/module.js';
import { constant, input } from '../ops/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { invertNames, nameMaps, renameState } from '../weights/names.js';
import { cbamJoint, se } from '../attention/index.js';
import { Conv2d, Module } from '../nn/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { createModel, defineModel, models, PaddedShortcut, type ModelOptions } from './index.js';

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

  it.skipIf(!existsSync(seedShapes))(
    "has the document's state_dict names under its name map",
    () => {
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
    },
  );

  it.each(Object.entries(PAPER) as [keyof typeof PAPER, number][])(
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

  it.each(models.list().map((model) => [model.id, model] as const))(
    '%s maps images to logits',
    (_, model) => {
      const narrow = model.takesAttention ? { width: 4 } : {};
      const net = model.create({ classes: 7, ...narrow }) as Layer;
      expect(net.forward(input('x', [2, 3, 32, 32])).shape).toEqual([2, 7]);
    },
  );

  it('takes images of as many channels as are asked for', () => {
    const net = createModel('resnet20', { channels: 1 });
    expect(net.conv1.weight.shape).toEqual([16, 1, 3, 3]);
    expect(net.forward(input('x', [2, 1, 16, 16])).shape).toEqual([2, 10]);
    expect(() => createModel('resnet20', { channels: 0 })).toThrow(/channels must be a positive/);
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
    const attention = cbamJoint.with({ positions: 64 });
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
    [() => createModel('resnet21' as 'resnet20'), "Unknown model 'resnet21'. Did you mean 'resnet"],
    [() => createModel('resnet20', { attention: 'es' as 'se' }), "Unknown attention 'es'."],
    [
      () => createModel('resnet20', { clases: 10 } as object),
      "The model 'resnet20' has no option 'clases'. Did you mean 'classes'?",
    ],
    [
      () => createModel('resnet20', { placement: 'before' as 'before-addition' }),
      "Unknown placement 'before'. Did you mean 'before-addition'?",
    ],
    [
      () => createModel('resnet20', { classes: -1 }),
      "A ResNet's classes must be 0 or a positive integer, not -1.",
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

describe('the stages of an attention', () => {
  const stagesOf = (options: ModelOptions) => {
    const model = createModel('resnet20', options);
    const names = [...model.namedParameters()].map(([name]) => name);
    return [1, 2, 3].filter((n) => names.some((name) => name.startsWith(`layer${n}.0.attention`)));
  };

  it('may be written with it, in a specification or in a value', () => {
    expect(stagesOf({ attention: 'cbam:ratio=8@3' })).toEqual([3]);
    expect(stagesOf({ attention: 'se@1+3' })).toEqual([1, 3]);
    expect(stagesOf({ attention: se.with({ ratio: 8 }).inStages(2) })).toEqual([2]);
    expect(stagesOf({ attention: se, stages: [2, 3] })).toEqual([2, 3]);
    expect(stagesOf({ attention: 'se' })).toEqual([1, 2, 3]);
  });

  it('are refused where they are said twice, or are not there', () => {
    expect(() => stagesOf({ attention: 'se@3', stages: [2] })).toThrow(
      /given twice, as \[2\] and with the attention as \[3\]/,
    );
    expect(() => stagesOf({ attention: 'se@4' })).toThrow(/network's 1 to 3, not 4/);
  });
});

describe("a model of one's own", () => {
  class Tiny extends Module {
    readonly conv: Conv2d;
    constructor(classes: number, channels: number) {
      super();
      this.conv = new Conv2d(channels, classes, 3);
    }
    override forward(x: Tensor): Tensor {
      return this.conv.forward(x).mean([2, 3]);
    }
  }
  const tiny = defineModel({
    id: 'tiny-of-a-test',
    title: 'One convolution',
    create: ({ classes = 10, channels = 3 }: ModelOptions) => new Tiny(classes, channels),
  });

  it('is a value that makes networks of its own class, drawn by a seed', () => {
    const net = tiny.create({ classes: 4, channels: 1, seed: 7 });
    expect(net.conv.path).toBe('conv');
    expect(net.forward(input('x', [2, 1, 8, 8])).shape).toEqual([2, 4]);
    const again = tiny.create({ classes: 4, channels: 1, seed: 7 });
    expect(again.stateDict()).toEqual(net.stateDict());
    expect(tiny).toMatchObject({ paper: null, year: null, arxiv: null, input: [3, 32, 32] });
  });

  it('is found by its id once it is registered', () => {
    expect(models.has(tiny.id)).toBe(false);
    models.register(tiny);
    models.register(tiny);
    expect(models.get(tiny.id)).toBe(tiny);
    expect(models.list().at(-1)).toBe(tiny);
    const other = defineModel({ id: 'resnet20', title: 'Mine', create: () => new Tiny(1, 1) });
    expect(() => models.register(other)).toThrow(/'resnet20' belongs to another model already/);
  });

  it('refuses attention, if it has no slots for it', () => {
    expect(() => tiny.create({ attention: 'se' })).toThrow(RequestError);
    expect(() => tiny.create({ attention: 'se' })).toThrow(/'tiny-of-a-test' has no slots/);
    expect(() => tiny.create({ stages: [1] })).toThrow(/no slots/);
    expect(() => tiny.create({ attention: 'none' })).not.toThrow();
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
