import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RequestError } from './errors.js';
import { selectNames } from './globs.js';

const names = ['layer1.0.channel', 'layer1.0.spatial', 'layer3.0.attention.spatial', 'layer3x0'];

describe('selectNames', () => {
  it.each([
    [['*'], names],
    [['layer3.*.spatial'], ['layer3.0.attention.spatial']],
    [['*.spatial', 'layer1.*'], names.slice(0, 3)],
    [['layer1.0.channel'], ['layer1.0.channel']],
    [['layer3.0*'], ['layer3.0.attention.spatial']],
    [[], []],
  ])('%j describes %j', (patterns, expected) => {
    expect(selectNames(names, patterns, 'map')).toEqual(expected);
  });

  it('describes what a matcher that tries every way describes', () => {
    const texts = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 8 });
    const patterns = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 6 });
    fc.assert(
      fc.property(texts, patterns, (name, pattern) => {
        // By definition: a star is nothing, or one character and a star.
        const holds = (p: string, t: string): boolean =>
          p.startsWith('*')
            ? holds(p.slice(1), t) || (t !== '' && holds(p, t.slice(1)))
            : p === '' || t === ''
              ? p === t
              : p[0] === t[0] && holds(p.slice(1), t.slice(1));
        // Every pattern describes itself, so that there is always something.
        const found = selectNames([name, pattern], [pattern], 'map').includes(name);
        expect(found).toBe(holds(pattern, name));
      }),
      { seed: 20260101, numRuns: 500 },
    );
  });

  it('takes no longer where everything repeats itself', () => {
    const start = performance.now();
    const act = () => selectNames(['a'.repeat(10_000)], [`${'*a'.repeat(200)}*b`], 'map');
    expect(act).toThrow(RequestError);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it.each([
    [
      names,
      'layer1.0.chanel',
      /No map is called 'layer1.0.chanel'. There are 4, such as 'layer1.0.channel'/,
    ],
    [names, 'a|layer1.0.spatial', /No map is called/],
    [[], '*', /No map is called '\*': there is none\./],
  ])('of %j, refuses %s', (known, pattern, message) => {
    const act = () => selectNames(known, [pattern], 'map');
    expect(act).toThrow(RequestError);
    expect(act).toThrow(message);
  });
});
