import { describe, expect, it } from 'vitest';
import { E4M3, E5M2, float8ToNumber, numberToFloat8 } from './float8.js';

describe('floats of 8 bits', () => {
  // Table 1 of arXiv 2209.05433.
  it.each([
    ['E4M3', E4M3, 0x00, 0],
    ['E4M3', E4M3, 0x01, 2 ** -9],
    ['E4M3', E4M3, 0x07, 7 * 2 ** -9],
    ['E4M3', E4M3, 0x08, 2 ** -6],
    ['E4M3', E4M3, 0x38, 1],
    ['E4M3', E4M3, 0x7e, 448],
    ['E4M3', E4M3, 0x7f, NaN],
    ['E4M3', E4M3, 0xc8, -4],
    ['E5M2', E5M2, 0x01, 2 ** -16],
    ['E5M2', E5M2, 0x04, 2 ** -14],
    ['E5M2', E5M2, 0x3c, 1],
    ['E5M2', E5M2, 0x7b, 57344],
    ['E5M2', E5M2, 0x7c, Infinity],
    ['E5M2', E5M2, 0xfc, -Infinity],
    ['E5M2', E5M2, 0x7d, NaN],
  ])('%s: reads the pattern', (_, format, pattern, value) => {
    expect(float8ToNumber(format, pattern)).toBe(value);
  });

  it.each([
    ['E4M3', E4M3],
    ['E5M2', E5M2],
  ])('%s: every pattern that is a number comes back', (_, format) => {
    for (let pattern = 0; pattern < 256; pattern++) {
      const value = float8ToNumber(format, pattern);
      const back = Number.isNaN(value) ? 0x7f : pattern;
      expect(numberToFloat8(format, value), `${pattern}`).toBe(back);
    }
  });

  it.each([
    // Between 1 (0x38) and 1.125 (0x39): ties go to the even pattern.
    [E4M3, 1.0625, 0x38],
    [E4M3, 1.1875, 0x3a],
    [E4M3, 1.07, 0x39],
    [E4M3, -1.07, 0xb9],
    [E4M3, 2 ** -10, 0x00],
    [E4M3, 1.5 * 2 ** -10, 0x01],
    // Beyond half a step above the largest there is no number.
    [E4M3, 464, 0x7e],
    [E4M3, 465, 0x7f],
    [E5M2, 61439, 0x7b],
    [E5M2, 61440, 0x7c],
    [E5M2, 1e9, 0x7c],
  ])('rounds to nearest, ties to even: %#', (format, value, pattern) => {
    expect(numberToFloat8(format, value)).toBe(pattern);
  });
});
