import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { parseChoice } from './choice.js';

describe('parseChoice', () => {
  it.each([
    ['se', { id: 'se', options: {} }],
    ['cbam:ratio=8:bias=true', { id: 'cbam', options: { ratio: 8, bias: true } }],
    ['sagan@3', { id: 'sagan', options: {}, stages: [3] }],
    [
      'non-local:kind=gaussian@2+3',
      { id: 'non-local', options: { kind: 'gaussian' }, stages: [2, 3] },
    ],
    ['mfe:rates=2+4+8', { id: 'mfe', options: { rates: [2, 4, 8] } }],
    ['se:ratio=1e1', { id: 'se', options: { ratio: 10 } }],
  ])('reads %s', (text, expected) => {
    expect(parseChoice(text)).toEqual(expected);
  });

  it.each([
    '',
    'se:ratio',
    'se:=8',
    'se@',
    'se@+',
    'se@3+',
    'se@x',
    'se:ratio=8@x',
    'se ratio',
    '@3',
  ])("refuses '%s'", (text) => {
    expect(() => parseChoice(text)).toThrow(RequestError);
    expect(() => parseChoice(text)).toThrow(/is no mechanism\. Expected an id/);
  });

  it('refuses an option that is given twice', () => {
    expect(() => parseChoice('se:ratio=8:ratio=4')).toThrow(/gives the option 'ratio' twice/);
  });
});
