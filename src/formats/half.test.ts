import { describe, expect, it } from 'vitest';

import { bfloat16ToNumber, float16ToNumber, numberToBfloat16, numberToFloat16 } from './half.js';

// Values from the tables of IEEE 754 binary16 and of the bfloat16 format.
const FLOAT16: [number, number][] = [
  [0x0000, 0],
  [0x8000, -0],
  [0x0001, 2 ** -24],
  [0x03ff, 2 ** -14 - 2 ** -24],
  [0x0400, 2 ** -14],
  [0x3555, 0.333251953125],
  [0x3c00, 1],
  [0x3c01, 1.0009765625],
  [0xc000, -2],
  [0x7bff, 65504],
  [0x7c00, Infinity],
  [0xfc00, -Infinity],
];

const BFLOAT16: [number, number][] = [
  [0x0000, 0],
  [0x8000, -0],
  [0x3f80, 1],
  [0x4049, 3.140625],
  [0xc2f7, -123.5],
  [0x7f7f, 3.3895313892515355e38],
  [0x7f80, Infinity],
  [0x0001, 2 ** -133],
];

describe('float16', () => {
  it.each(FLOAT16)('pattern %i is %d, both ways', (pattern, value) => {
    expect(float16ToNumber(pattern)).toBe(value);
    expect(numberToFloat16(value)).toBe(pattern);
  });

  it('comes back from every finite pattern', () => {
    for (let pattern = 0; pattern < 0x10000; pattern++) {
      const value = float16ToNumber(pattern);
      if (!Number.isNaN(value)) expect(numberToFloat16(value)).toBe(pattern);
    }
  });

  it('rounds to nearest, ties to even', () => {
    const step = 2 ** -10;
    expect(numberToFloat16(1 + step / 2)).toBe(0x3c00);
    expect(numberToFloat16(1 + (3 * step) / 2)).toBe(0x3c02);
    expect(numberToFloat16(1 + step / 2 + 2 ** -20)).toBe(0x3c01);
    expect(numberToFloat16(65519)).toBe(0x7bff);
    expect(numberToFloat16(65520)).toBe(0x7c00);
    expect(numberToFloat16(2 ** -25)).toBe(0);
    expect(numberToFloat16(2 ** -25 + 2 ** -40)).toBe(1);
  });

  it('keeps NaN a NaN', () => {
    expect(float16ToNumber(0x7e01)).toBeNaN();
    expect(float16ToNumber(numberToFloat16(NaN))).toBeNaN();
  });
});

describe('bfloat16', () => {
  it.each(BFLOAT16)('pattern %i is %d, both ways', (pattern, value) => {
    expect(bfloat16ToNumber(pattern)).toBe(value);
    expect(numberToBfloat16(value)).toBe(pattern);
  });

  it('rounds to nearest, ties to even', () => {
    const step = 2 ** -7;
    expect(numberToBfloat16(1 + step / 2)).toBe(0x3f80);
    expect(numberToBfloat16(1 + (3 * step) / 2)).toBe(0x3f82);
    expect(numberToBfloat16(-(1 + step / 2 + 2 ** -20))).toBe(0xbf81);
    expect(numberToBfloat16(3.4028234663852886e38)).toBe(0x7f80);
  });

  it('keeps NaN a NaN', () => {
    expect(bfloat16ToNumber(0x7fc1)).toBeNaN();
    expect(bfloat16ToNumber(numberToBfloat16(NaN))).toBeNaN();
  });
});
