import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { RequestError } from './errors.js';
import { OptionSet } from './options.js';

describe('OptionSet', () => {
  const options = new OptionSet({
    size: z.int().min(1).max(9).default(3).describe('How large.'),
    kind: z.enum(['first', 'second']).default('first').describe('Which.'),
    places: z.int().positive().describe('How many places.'),
  });

  it('completes what is given by the defaults', () => {
    expect(options.complete('Gate', { places: 4 })).toEqual({ size: 3, kind: 'first', places: 4 });
    expect(options.complete('Gate', { places: 4, size: undefined })).toMatchObject({ size: 3 });
    expect(options.check('Gate', { size: 9 })).toEqual({ size: 9 });
  });

  it('says what is missing, and what it is for', () => {
    expect(() => options.complete('the gate', {})).toThrow(RequestError);
    expect(() => options.complete('the gate', {})).toThrow(
      "The gate needs the option 'places', a positive integer: How many places.",
    );
  });

  it.each([
    [{ size: 10 }, "The option 'size' of Gate must be an integer from 1 to 9 (default 3), not 10."],
    [{ size: 'x' }, 'not "x".'],
    [{ size: NaN }, 'not NaN.'],
    [{ size: {} }, 'not an Object.'],
    [{ kind: 'secnd' }, `(default 'first'), not "secnd". Did you mean 'second'?`],
    [{ kind: 'other' }, `must be 'first' or 'second' (default 'first'), not "other".`],
    [{ places: 0 }, "The option 'places' of Gate must be a positive integer, not 0."],
    [{ sizes: 1 }, "Gate has no option 'sizes'. Did you mean 'size'?"],
    [{ toString: 1 }, "Gate has no option 'toString'."],
  ])('refuses %j', (given, message) => {
    expect(() => options.check('Gate', given)).toThrow(RequestError);
    expect(() => options.check('Gate', given)).toThrow(message);
  });

  it.each([null, undefined, 3, 'size', [1]])('refuses %j in the place of options', (given) => {
    expect(() => options.check('Gate', given as unknown as object)).toThrow(
      /The options of Gate must be an object of options by name, not /,
    );
  });

  it.each([
    [z.number(), 'a number'],
    [z.number().min(0), 'a number of at least 0'],
    [z.number().min(0).lt(1), 'a number of at least 0 and below 1'],
    [z.number().positive().nullable(), 'a number above 0 or null'],
    [z.number().nullable(), 'a number or null'],
    [z.int(), 'an integer'],
    [z.int().min(2), 'an integer of at least 2'],
    [z.string(), 'a text'],
    [z.literal([1, 2, 3]), '1, 2 or 3'],
    [z.literal('only'), "'only'"],
    [z.array(z.int()).length(2), 'a list of 2 values, each an integer'],
    [
      z.union([z.boolean(), z.array(z.boolean())]),
      'true or false or a list of values, each true or false',
    ],
    [z.custom().meta({ values: 'a function' }), 'a function'],
    [z.unknown(), 'a value'],
  ])('says in words what a schema allows: %#', (schema, words) => {
    expect(new OptionSet({ one: schema }).info()['one']?.values).toBe(words);
  });

  it('tells defaults and meanings', () => {
    expect(options.info()).toEqual({
      size: { default: 3, values: 'an integer from 1 to 9', meaning: 'How large.' },
      kind: { default: 'first', values: "'first' or 'second'", meaning: 'Which.' },
      places: { values: 'a positive integer', meaning: 'How many places.' },
    });
  });
});
