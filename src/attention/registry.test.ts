import { describe, expect, it } from 'vitest';
import { FoveaError, RequestError } from '../errors.js';
import { input } from '../ops/index.js';
import { attention, SqueezeExcite } from './index.js';

describe('the registry of attention', () => {
  it('builds a mechanism from its id, channels and options', () => {
    const se = attention.create('se', 64, { ratio: 8 });
    expect(se).toBeInstanceOf(SqueezeExcite);
    expect(se.parameterCount()).toBe(2 * 64 * 8 + 64 + 8);
  });

  it('suggests the nearest id for one that it does not know', () => {
    expect(() => attention.create('sse', 64)).toThrow(RequestError);
    expect(() => attention.create('sse', 64)).toThrow("Unknown attention 'sse'. Did you mean 'se'");
  });

  it('suggests the nearest option for one that the mechanism does not have', () => {
    const wrong = () => attention.create('se', 64, { ration: 8 });
    expect(wrong).toThrow(RequestError);
    expect(wrong).toThrow("The attention 'se' has no option 'ration'. Did you mean 'ratio'?");
  });

  it('says which type an option must have, and which channels it can take', () => {
    expect(() => attention.create('se', 64, { ratio: '8' })).toThrow(
      `The option 'ratio' of the attention 'se' must be a number (default 16), not "8".`,
    );
    expect(() => attention.create('se', 0)).toThrow(/positive integer number of channels, not 0/);
    expect(() => attention.create('se', 64, { squeeze: 'sum' })).toThrow(/'avg' or 'max'/);
  });

  it.each(attention.list().map((entry) => [entry.id, entry] as const))(
    '%s: its entry is complete, and it keeps the shape of a map',
    (id, entry) => {
      expect(attention.get(id)).toBe(entry);
      expect(entry.title).not.toBe('');
      expect(entry.paper).not.toBe('');
      expect(entry.year).toBeGreaterThan(2013);
      if (entry.arxiv !== null) expect(entry.arxiv).toMatch(/^\d{4}\.\d{4,5}$/);
      if (entry.inputs !== 1 || !entry.keepsShape) {
        expect(() => attention.createLayer({ id }, 64, 8, 8)).toThrow(
          /cannot stand in a network's slot/,
        );
        return;
      }
      const layer = attention.createLayer({ id }, 64, 8, 8);
      expect(layer.forward(input('x', [2, 64, 8, 8])).shape).toEqual([2, 64, 8, 8]);
    },
  );

  const others = attention.list().flatMap(({ id, options }) =>
    Object.entries(options)
      .filter(([, value]) => value !== null)
      .map(([option]) => [id, option] as const),
  );
  it.each(others)('%s has a default for %s, which null is not', (id, option) => {
    const act = () => attention.create(id, 16, { [option]: null });
    expect(act).toThrow(RequestError);
    expect(act).toThrow(new RegExp(`'${option}' of the attention '${id}' must be .*, not null`));
  });

  it.each([{}, [1, {}], () => 1, undefined])('has no option that is %j', (value) => {
    const act = () => attention.create('eca', 16, { kernel: value as unknown as number });
    expect(act).toThrow(RequestError);
    expect(act).toThrow(/must be a number, a truth value, a text or a list of numbers/);
  });

  const numbers = attention.list().flatMap(({ id, options }) =>
    Object.entries(options)
      .filter(([, value]) => typeof value === 'number' || value === null)
      .map(([option]) => [id, option] as const),
  );
  it.each(numbers)('%s takes any number for %s, or says what it may be, at once', (id, option) => {
    for (const value of [-1, 0, 0.5, 3, 1e6, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, NaN, Infinity]) {
      const start = performance.now();
      try {
        attention.create(id, 16, { [option]: value }).parameterCount();
      } catch (error) {
        expect(error, `${option}=${value}`).toBeInstanceOf(FoveaError);
        expect((error as Error).message, `${option}=${value}`).not.toMatch(/undefined|\[object/);
      }
      expect(performance.now() - start, `${option}=${value}`).toBeLessThan(1000);
    }
  });

  it('has every id once', () => {
    const ids = attention.list().map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
