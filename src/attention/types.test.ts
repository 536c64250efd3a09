/** What the compiler knows about mechanisms: the lines below do not compile where they must not. */
import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  createModel,
  defineModel,
  models,
  type ModelOptions,
  type ResNet,
} from '../models/index.js';
import { Conv2d, Module, type Layer } from '../nn/index.js';
import { input } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  attention,
  cbam,
  defineMechanism,
  se,
  SqueezeExcite,
  z,
  type AttentionChoice,
  type DualAttentionHead,
  type Mechanism,
} from './index.js';

/** A module of a user's, which calls a mechanism's forward. */
class Block extends Module {
  readonly conv = new Conv2d(8, 8, 3, { padding: 1 });
  readonly gate = attention.create('se', 8, { ratio: 2 });
  readonly second = cbam.create(8, { ratio: 2 });

  override forward(x: Tensor): Tensor {
    return this.second.forward(this.gate.forward(this.conv.forward(x)));
  }
}

/** A name that only the running program knows. */
const name: string = ['se'].join();

describe('the types of mechanisms', () => {
  it('let a module call what it created', () => {
    expect(new Block().forward(input('x', [1, 8, 4, 4])).shape).toEqual([1, 8, 4, 4]);
    expectTypeOf(attention.create('se', 16)).toEqualTypeOf<SqueezeExcite>();
    expectTypeOf(attention.create('danet-head', 32)).toEqualTypeOf<DualAttentionHead>();
    expectTypeOf(attention.get('se')).toEqualTypeOf<typeof se>();
    expectTypeOf(attention.get(name)).toEqualTypeOf<Mechanism>();
    expectTypeOf(createModel('resnet20')).toEqualTypeOf<ResNet>();
    expectTypeOf(models.get('resnet20').create()).toEqualTypeOf<ResNet>();
  });

  it('take every kind of choice', () => {
    const own = defineMechanism({
      id: 'own',
      title: 'Own',
      domain: 'channel',
      options: { ratio: z.number().default(4).describe('Of the gate.') },
      create: (channels, { ratio }) => new SqueezeExcite(channels, { ratio }),
    });
    const choices: AttentionChoice[] = [
      'none',
      'se',
      'cbam:ratio=8',
      'cbam:ratio=8@3',
      'sagan@2+3',
      se,
      own,
      own.with({ ratio: 2 }),
      se.with({ ratio: 8 }).inStages(3),
      { id: 'se', options: { ratio: 8 } },
      (channels) => new SqueezeExcite(channels),
      attention.parse('se'),
      attention.get(name),
    ];
    for (const choice of choices) {
      expect(() => createModel('resnet20', { attention: choice, width: 32 })).not.toThrow();
    }
    expectTypeOf(own.create(8)).toEqualTypeOf<SqueezeExcite>();
    expectTypeOf<Layer>().not.toEqualTypeOf<Module>();
  });

  it('refuse a name that is not there, and an option that a mechanism does not have', () => {
    const wrong: (() => unknown)[] = [
      // @ts-expect-error: no mechanism is called so
      () => createModel('resnet20', { attention: 'cmab' }),
      // @ts-expect-error: no mechanism is called so
      () => createModel('resnet20', { attention: 'cmab:ratio=8' }),
      // @ts-expect-error: no mechanism is called so
      () => createModel('resnet20', { attention: { id: 'cmab' } }),
      // @ts-expect-error: no model is called so
      () => createModel('resnet21'),
      // @ts-expect-error: a ResNet has no such option
      () => createModel('resnet20', { clases: 10 }),
      // @ts-expect-error: no mechanism is called so
      () => attention.create('cmab', 64),
      // @ts-expect-error: the option is called ratio
      () => attention.create('se', 64, { ration: 8 }),
      // @ts-expect-error: the ratio is a number
      () => se.with({ ratio: '8' }),
      // @ts-expect-error: there is no such way to squeeze
      () => new SqueezeExcite(64, { squeeze: 'sum' }),
    ];
    for (const act of wrong) expect(act).toThrow();
  });

  it('know the options of a model of one’s own', () => {
    const own = defineModel({
      id: 'own',
      title: 'Own',
      create: ({ depth = 1 }: ModelOptions & { readonly depth?: number }) =>
        new Conv2d(3, depth, 1),
    });
    expectTypeOf(own.create({ depth: 2, seed: 1 })).toEqualTypeOf<Conv2d>();
    // @ts-expect-error: it has no such option
    expect(own.create({ dept: 2 })).toBeInstanceOf(Conv2d);
  });
});
