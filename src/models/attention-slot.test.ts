import { describe, expect, it } from 'vitest';
import { attention, cbamJoint, gatherExcite, SqueezeExcite } from '../attention/index.js';
import { RequestError } from '../errors.js';
import { cost } from '../inspect/cost.js';
import { Module, type Layer } from '../nn/module.js';
import type { Tensor } from '../tensor/tensor.js';
import { createModel, models } from './registry.js';
import type { AttentionChoice } from '../attention/index.js';
import type { ModelOptions } from './model.js';

const fitting = attention.list().filter(({ fitsSlot }) => fitsSlot);
const IMAGE = [3, 32, 32] as const;

describe('the attention slot of a network', () => {
  const slotted = models.list().filter(({ takesAttention }) => takesAttention);
  it.each(slotted.map((model) => [model.id, model] as const))(
    'of %s takes every mechanism that fits one, without further options',
    (_, model) => {
      const costOf = (options: ModelOptions) => cost(model.create(options), IMAGE);
      const plain = costOf({});
      for (const mechanism of fitting) {
        const { parameters, macs } = costOf({ attention: mechanism });
        expect(parameters, mechanism.id).toBeGreaterThan(plain.parameters);
        expect(macs, mechanism.id).toBeGreaterThan(plain.macs);
      }
    },
  );

  it('takes options that follow from the size of its maps, stage by stage', () => {
    // [C + N, C / 16] twice, of N = 25 x 38, 13 x 19 and 7 x 10 places.
    const model = createModel('resnet20', { attention: 'cbam-joint', imageSize: [25, 38] });
    const shapes = new Map([...model.namedParameters()].map(([name, { shape }]) => [name, shape]));
    expect(shapes.get('layer1.0.attention.reduce.weight')).toEqual([1, 16 + 950, 1, 1]);
    expect(shapes.get('layer2.0.attention.reduce.weight')).toEqual([2, 32 + 247, 1, 1]);
    expect(shapes.get('layer3.2.attention.expand.weight')).toEqual([64 + 70, 4, 1, 1]);
    expect(cost(model, [3, 25, 38]).macs).toBeGreaterThan(0);
    const gather = gatherExcite.with({ parameters: true });
    const odd = createModel('resnet20', { attention: gather, imageSize: [25, 38] });
    expect(cost(odd, [3, 25, 38]).macs).toBeGreaterThan(0);
  });

  it('takes what is given before what follows from the size', () => {
    const given = cbamJoint.with({ positions: 64 });
    const model = createModel('resnet20', { attention: given, stages: [3] });
    expect(cost(model, IMAGE)).toEqual(
      cost(createModel('resnet20', { attention: 'cbam-joint', stages: [3] }), IMAGE),
    );
  });

  it('takes a function that makes a module, and tells it what maps it will see', () => {
    const seen: number[][] = [];
    const model = createModel('resnet20', {
      attention: (...map) => {
        seen.push(map);
        return new SqueezeExcite(map[0], { ratio: 8 });
      },
      stages: [2, 3],
    });
    const named = createModel('resnet20', {
      attention: { id: 'se', options: { ratio: 8 } },
      stages: [2, 3],
    });
    expect(cost(model, IMAGE)).toEqual(cost(named, IMAGE));
    expect([...model.stateDict().keys()]).toEqual([...named.stateDict().keys()]);
    const [middle, last] = [
      [32, 16, 16],
      [64, 8, 8],
    ];
    expect(seen).toEqual([middle, middle, middle, last, last, last]);
  });

  it("takes 'none' for none", () => {
    expect(cost(createModel('resnet20', { attention: 'none' }), IMAGE)).toEqual(
      cost(createModel('resnet20'), IMAGE),
    );
  });

  /** A gate that forgets to multiply. */
  class Gate extends Module {
    override forward(x: Tensor): Tensor {
      return x.mean([2, 3], { keepDims: true });
    }
  }
  const shared = new SqueezeExcite(16);

  it.each<[string, unknown, RegExp]>([
    ['a class', SqueezeExcite, /is the class SqueezeExcite\. .*\(channels\) => new SqueezeExcite/],
    ['a module', shared, /is a SqueezeExcite, but every slot needs a module of its own/],
    ['a function that returns nothing', () => undefined, /must return a Module, not undefined/],
    ['a function that waits', () => Promise.resolve(shared), /must return a Module, not a Promise/],
    ['one module for all blocks', () => shared, /the same module for two blocks/],
    ['null', null, /must be an id such as 'se', .*, not null/],
    ['a number', 3, /not the number 3/],
    ['an object without an id', { options: {} }, /not an Object/],
    ['options that are none', { id: 'se', options: null }, /options of the attention 'se' must be/],
    ['an unknown id', 'see', /Unknown attention 'see'\. Did you mean .*'se'/],
    ['a near miss of none', 'nono', /Did you mean 'none'/],
    ['a mechanism of several maps', 'msf', /joins 4 feature maps.*These can: se, eca/],
    ['a head', 'danet-head', /does not give back a map of the shape/],
    [
      'an option by a name that all objects have',
      { id: 'se', options: { constructor: 1 } },
      /no option 'constructor'/,
    ],
    [
      'a map of another shape',
      () => new Gate(),
      /layer1\.0\.attention \(Gate\) made \[1, 16, 1, 1\] of \[1, 16, 32, 32\]/,
    ],
  ])('refuses %s', (_, choice, message) => {
    const act = () =>
      cost(createModel('resnet20', { attention: choice as AttentionChoice, stages: [1] }), IMAGE);
    expect(act).toThrow(RequestError);
    expect(act).toThrow(message);
  });

  it('passes on what a function of the program throws', () => {
    const failing = (): Layer => {
      throw new TypeError('mine');
    };
    expect(() => createModel('resnet20', { attention: failing })).toThrow(new TypeError('mine'));
  });
});
