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
