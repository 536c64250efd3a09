import { describe, expect, it } from 'vitest';
import { FoveaError, RequestError } from '../errors.js';
import { Module } from '../nn/module.js';
import { input } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  attention,
  defineMechanism,
  type MechanismChoice,
  mfe,
  se,
  simpleNonLocal,
  SqueezeExcite,
  z,
  type AnyOptions,
  type AttentionChoice,
  type Mechanism,
} from './index.js';

const all = attention.list();
const titled = all.map((mechanism) => [mechanism.id, mechanism] as const);

/** Every option of every mechanism. */
const options = all.flatMap((mechanism) =>
  Object.entries(mechanism.options).map(
    ([name, info]) => [mechanism.id, name, mechanism, info] as const,
  ),
);

describe('the registry of attention', () => {
  it('builds a mechanism from its id, channels and options', () => {
    const made = attention.create('se', 64, { ratio: 8 });
    expect(made).toBeInstanceOf(SqueezeExcite);
    expect(made.parameterCount()).toBe(2 * 64 * 8 + 64 + 8);
  });

  it('suggests the nearest id for one that it does not know', () => {
    expect(() => attention.get('sse')).toThrow(RequestError);
    expect(() => attention.get('sse')).toThrow("Unknown attention 'sse'. Did you mean 'se'");
    expect(() => attention.create('sse' as 'se', 64)).toThrow("Unknown attention 'sse'.");
  });

  it('suggests the nearest option for one that the mechanism does not have', () => {
    const wrong = () => attention.get('se').create(64, { ration: 8 } as object);
    expect(wrong).toThrow(RequestError);
    expect(wrong).toThrow("The attention 'se' has no option 'ration'. Did you mean 'ratio'?");
    const none: Mechanism = simpleNonLocal;
    expect(() => none.create(8, { ratio: 1 })).toThrow(
      "The attention 'simple-non-local' has no option 'ratio'. It has none.",
    );
  });

  it('says what an option may be, and which channels it can take', () => {
    const create = (given: AnyOptions) => () => se.create(64, given);
    expect(create({ ratio: '8' })).toThrow(
      `The option 'ratio' of the attention 'se' must be a number above 0 (default 16), not "8".`,
    );
    expect(create({ ratio: -1 })).toThrow(/a number above 0 .*, not -1\.$/);
    expect(create({ bias: 1 })).toThrow(/must be true or false \(default true\), not 1\./);
    expect(create({ squeeze: 'maxx' })).toThrow(
      /must be 'avg' or 'max' \(default 'avg'\), not "maxx"\. Did you mean 'max'\?/,
    );
    expect(() => attention.create('se', 0)).toThrow(/positive integer number of channels, not 0/);
  });

  it.each(titled)('%s: its entry is complete, and it keeps the shape of a map', (id, mechanism) => {
    expect(attention.get(id)).toBe(mechanism);
    expect(mechanism.title).not.toBe('');
    expect(mechanism.paper).not.toBe('');
    expect(mechanism.year).toBeGreaterThan(2013);
    if (mechanism.arxiv !== null) expect(mechanism.arxiv).toMatch(/^\d{4}\.\d{4,5}$/);
    if (!mechanism.fitsSlot) {
      expect(() => attention.slot(mechanism)).toThrow(/cannot stand in a network's slot/);
      return;
    }
    const layer = attention.slot(mechanism)?.createLayer(64, 8, 8);
    expect(layer?.forward(input('x', [2, 64, 8, 8])).shape).toEqual([2, 64, 8, 8]);
  });

  it.each(options)('%s: the option %s says what it is', (_, name, mechanism, info) => {
    expect(info.meaning).toMatch(/^[A-Zrd].*\.$/);
    expect(info.values).not.toBe('a value');
    // The default can be given, and means the same.
    if (info.default === undefined) return;
    expect(mechanism.with({ [name]: info.default }).options).toEqual({ [name]: info.default });
  });

  it.each(options.filter(([, , , info]) => info.default !== null))(
    '%s has a default for %s, which null is not',
    (id, name, mechanism) => {
      const act = () => mechanism.create(16, { [name]: null });
      expect(act).toThrow(RequestError);
      expect(act).toThrow(new RegExp(`'${name}' of the attention '${id}' must be .*, not null`));
    },
  );

  it.each([{}, [1, {}], () => 1, Symbol('s'), 1n])('has no option that is %s', (value) => {
    const act = () => attention.create('eca', 16, { kernel: value as unknown as number });
    expect(act).toThrow(RequestError);
    expect(act).toThrow(/must be a positive odd integer or null \(default null\), not /);
  });

  it('takes an option that is undefined for one that is not given', () => {
    expect(se.create(64, { ratio: undefined }).parameterCount()).toBe(
      se.create(64).parameterCount(),
    );
  });

  const numbers = options.filter(
    ([, , , { default: standard }]) => typeof standard === 'number' || standard === null,
  );
  it.each(numbers)(
    '%s takes any number for %s, or says what it may be, at once',
    (_, name, mechanism) => {
      for (const value of [-1, 0, 0.5, 3, 1e6, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, NaN, Infinity]) {
        const start = performance.now();
        try {
          mechanism.create(16, { [name]: value }).parameterCount();
        } catch (error) {
          expect(error, `${name}=${value}`).toBeInstanceOf(FoveaError);
          expect((error as Error).message, `${name}=${value}`).not.toMatch(/undefined|\[object/);
        }
        expect(performance.now() - start, `${name}=${value}`).toBeLessThan(1000);
      }
    },
  );
});

describe('what is written', () => {
  it.each([
    'se',
    'cbam:ratio=8:kernel=5@2+3',
    'sagan@3',
    'mfe:rates=2+4+8',
    'non-local:subSample=false:kind=gaussian@1',
  ])('%s is read and written back', (text) => {
    expect(String(attention.parse(text))).toBe(text);
  });

  it('has a list of one as its one number', () => {
    const choice = attention.parse('mfe:rates=3') as MechanismChoice;
    const size = (one: MechanismChoice) => one.createLayer(8, 8, 8).parameterCount();
    expect(size(choice)).toBe(size(mfe.with({ rates: [3] })));
    expect(size(choice)).toBeLessThan(size(mfe.with({ rates: [3, 3] })));
    expect(String(choice)).toBe('mfe:rates=3');
    expect(String(mfe.with({ rates: [2, 4] }).inStages(2))).toBe('mfe:rates=2+4@2');
  });

  it('is checked when it is read', () => {
    expect(() => attention.parse('cbam:ration=8')).toThrow(/no option 'ration'/);
    expect(() => attention.parse('cbam:kernel=4')).toThrow(/not 4: an even kernel .*Choose 3 or 5/);
    expect(() => attention.parse('cbm')).toThrow(/Did you mean 'cbam'/);
    expect(attention.parse('none')).toBe('none');
    expect(() => attention.parse('none@3')).toThrow(/no options and no stages/);
    expect(() => attention.parse('se:')).toThrow(/is no mechanism/);
  });
});

/** Multiplies a map by a number. */
class Scale extends Module {
  constructor(
    readonly channels: number,
    readonly by: number,
  ) {
    super();
  }
  override forward(x: Tensor): Tensor {
    return x.mul(this.by);
  }
}

const scale = defineMechanism({
  id: 'scale-of-a-test',
  title: 'One factor',
  domain: 'channel',
  options: { by: z.number().min(0).default(2).describe('The factor.') },
  create: (channels, { by }) => new Scale(channels, by),
});

describe("a mechanism of one's own", () => {
  it('is a value that makes modules of its own class with checked options', () => {
    expect(scale.create(8)).toMatchObject({ channels: 8, by: 2 });
    expect(scale.create(8, { by: 3 }).by).toBe(3);
    expect(() => scale.create(8, { by: -1 })).toThrow(
      /The option 'by' of the attention 'scale-of-a-test' must be a number of at least 0/,
    );
    expect(() => scale.with({ by: -1 })).toThrow(RequestError);
    expect(scale.options).toEqual({
      by: { default: 2, values: 'a number of at least 0', meaning: 'The factor.' },
    });
  });

  it('has its options checked once, so that a schema may change what it takes', () => {
    const given: unknown[] = [];
    const listening = defineMechanism({
      id: 'listening',
      title: 'Listens',
      domain: 'channel',
      options: { by: z.string().transform(Number).default(2).describe('The factor, as a text.') },
      optionsFor: (height, width, { by = 0 }) => {
        given.push([height, width, by]);
        return {};
      },
      create: (channels, { by }) => new Scale(channels, by),
    });
    const layer = listening.with({ by: '3' }).createLayer(4, 5, 6);
    expect(layer).toMatchObject({ by: 3 });
    expect(given).toEqual([[5, 6, 3]]);
  });

  it('fills a slot without a name, and is found by its id once it is registered', () => {
    const layer = attention.slot(scale.with({ by: 5 }))?.createLayer(4, 2, 2);
    expect(layer).toMatchObject({ channels: 4, by: 5 });
    expect(attention.has(scale.id)).toBe(false);
    expect(() => attention.parse('scale-of-a-test:by=3')).toThrow(/Unknown attention/);
    attention.register(scale);
    attention.register(scale);
    expect(attention.get('scale-of-a-test')).toBe(scale);
    expect(attention.list().at(-1)).toBe(scale);
    const named = attention.parse('scale-of-a-test:by=3@2') as AttentionChoice;
    expect(attention.slot(named)).toMatchObject({ stages: [2] });
  });

  it.each([
    ['se', /'se' belongs to another attention already/],
    ['none', /cannot have the id 'none': .*, and not 'none'/],
    ['my gate', /cannot have the id 'my gate'/],
    ['', /cannot have the id ''/],
  ])('cannot be registered as %j', (id, message) => {
    const other = defineMechanism({
      id,
      title: 'Mine',
      domain: 'channel',
      create: (channels) => new Scale(channels, 1),
    });
    expect(() => attention.register(other)).toThrow(RequestError);
    expect(() => attention.register(other)).toThrow(message);
  });

  it('is what defineMechanism makes, and nothing else', () => {
    for (const value of [undefined, {}, { id: 'x' }, Scale]) {
      expect(() => attention.register(value as unknown as Mechanism)).toThrow(RequestError);
    }
  });
});
