import { describe, expect, it } from 'vitest';
import { table } from './command.js';
import { visible, visibleLine } from './output.js';

describe('visible', () => {
  it.each([
    ['a title for the terminal', '\u001b]0;owned\u0007', '\\u001b]0;owned\\u0007'],
    ['a colour, by the one-byte introducer', '\u009b31m', '\\u009b31m'],
    ['a line that is written over', 'fail\rpass', 'fail\\u000dpass'],
    ['DEL and NUL', '\u007f\u0000', '\\u007f\\u0000'],
    ['text turned round', 'a\u202egnp.exe', 'a\\u202egnp.exe'],
    ['an isolated direction', '\u2066x\u2069', '\\u2066x\\u2069'],
    ['marks of direction', '\u200e\u200f\u061c', '\\u200e\\u200f\\u061c'],
    ['what has no width', 'a\u200bb\u2060c\ufeff', 'a\\u200bb\\u2060c\\ufeff'],
    ['separators of lines and paragraphs', '\u2028\u2029', '\\u2028\\u2029'],
    ['half of a surrogate pair', 'a\ud800b', 'a\\ud800b'],
    ['a tag character', '\u{e0041}', '\\udb40\\udc41'],
  ])('escapes %s', (_, text, expected) => {
    expect(visible(text)).toBe(expected);
    // What JSON calls the same, so that a program reads the text itself.
    expect(JSON.parse(`"${visible(text)}"`)).toBe(text);
  });

  it('leaves line ends and all letters and pictures as they are', () => {
    const text = 'Größe 大きさ حجم 😀\nnext line';
    expect(visible(text)).toBe(text);
  });

  it('on one line, escapes line ends too', () => {
    expect(visibleLine('a\nb')).toBe('a\\nb');
  });
});

describe('table', () => {
  it('keeps its rows, whatever names it holds', () => {
    expect(
      table([
        ['name', 'values'],
        ['a\n\u001b[2Kb', 3],
      ]),
    ).toBe('name           values\na\\n\\u001b[2Kb       3\n');
  });
});
