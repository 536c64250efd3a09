import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { standardNormal } from './normal.js';
import { RandomStream } from './stream.js';
import { threefry4x32 } from './threefry.js';

const draws = (stream: RandomStream, n: number): number[] =>
  Array.from({ length: n }, () => stream.uint32());

describe('Threefry-4x32-20', () => {
  // The three published known-answer vectors of Random123 (tests/kat_vectors).
  it.each([
    {
      counter: [0, 0, 0, 0],
      key: [0, 0, 0, 0],
      expected: [0x9c6ca96a, 0xe17eae66, 0xfc10ecd4, 0x5256a7d8],
    },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      expected: [0x2a881696, 0x57012287, 0xf6c7446e, 0xa16a6732],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0, 0x082efa98, 0xec4e6c89],
      expected: [0x59cd1dbb, 0xb8879579, 0x86b5d00c, 0xac8b6d84],
    },
  ])('gives the published answer for the counter $counter', ({ counter, key, expected }) => {
    const out = new Uint32Array(4);
    threefry4x32(Uint32Array.from(counter), Uint32Array.from(key), out);
    expect([...out]).toEqual(expected);
  });
});

describe('RandomStream', () => {
  // From a separate Python program that follows the rule in the class's documentation.
  it.each<{ seed: number; purpose: string; counters: number[]; expected: number[] }>([
    {
      seed: 0,
      purpose: '',
      counters: [],
      expected: [0x69b008b6, 0xfdb1058d, 0x91527458, 0x87d436e4, 0x0634bd0b, 0x477bab7b],
    },
    {
      seed: 1,
      purpose: 'augment',
      counters: [3, 41],
      expected: [0x1014a322, 0x0d907b4a, 0x83e4953d, 0xfa2c4390, 0x3e1190fe, 0x4463c7b5],
    },
    {
      seed: 2 ** 53 - 1,
      purpose: 'naïve purpose of many bytes',
      counters: [2 ** 40, 7, 5],
      expected: [0xc26c2334, 0x9cfb98ee, 0xec66562e, 0x4cd19757, 0x1480a912, 0x8fcf6cc9],
    },
  ])('derives the documented key for seed $seed, "$purpose", $counters', (given) => {
    expect(draws(new RandomStream(given.seed, given.purpose, ...given.counters), 6)).toEqual(
      given.expected,
    );
  });

  it('gives different numbers when the seed, the purpose or any counter differs', () => {
    const streams = [
      new RandomStream(1, 'a'),
      new RandomStream(2, 'a'),
      new RandomStream(1 + 2 ** 32, 'a'),
      new RandomStream(1, 'b'),
      new RandomStream(1, 'a\0'),
      new RandomStream(1, 'a', 0),
      new RandomStream(1, 'a', 0, 0),
      new RandomStream(1, 'a', 1),
      new RandomStream(1, 'a', 0, 1),
      new RandomStream(1, 'a', 2 ** 32),
    ];
    expect(new Set(streams.map((stream) => draws(stream, 4).join()))).toHaveProperty(
      'size',
      streams.length,
    );
  });

  it.each([-1, 0.5, NaN, Infinity, 2 ** 53])('refuses %d as a seed and as a counter', (value) => {
    expect(() => new RandomStream(value, 'x')).toThrow(RequestError);
    expect(() => new RandomStream(value, 'x')).toThrow(`not ${value}`);
    expect(() => new RandomStream(0, 'x', value)).toThrow("counter of the stream 'x'");
  });

  it('draws uniform numbers in [0, 1) with the moments of the uniform distribution', () => {
    const n = 200_000;
    const values = new RandomStream(7, 'moments').fillUniform(new Float32Array(n), 0, 1);
    const tenths = new Array<number>(10).fill(0);
    let sum = 0;
    for (const value of values) {
      sum += value;
      const bin = Math.min(9, Math.floor(value * 10));
      tenths[bin] = (tenths[bin] ?? 0) + 1;
    }
    // Five standard errors; the stream is fixed, so this either always holds or never.
    expect(Math.abs(sum / n - 0.5)).toBeLessThan(5 / Math.sqrt(12 * n));
    for (const count of tenths) {
      expect(Math.abs(count - n / 10)).toBeLessThan(5 * Math.sqrt(n * 0.09));
    }
  });

  it('draws normal numbers with the moments of the normal distribution', () => {
    const n = 200_000;
    const values = new RandomStream(7, 'moments').fillNormal(new Float32Array(n), 0, 1);
    const moment = (power: number): number =>
      values.reduce((total, value) => total + value ** power, 0) / n;
    expect(Math.abs(moment(1))).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(Math.abs(moment(3))).toBeLessThan(5 * Math.sqrt(15 / n));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
  });

  it('inverts the normal distribution as Python statistics.NormalDist does', () => {
    const quantiles: [number, number][] = [
      [0x00000000, -6.337957754553789],
      [0x00000001, -6.166429517819749],
      [0x00003039, -4.535422762090429],
      [0x12345678, -1.4675657314922321],
      [0x13333333, -1.4395314704450153],
      [0x13333334, -1.4395314688002132],
      [0x7fffffff, -2.9180993729166234e-10],
      [0xdeadbeef, 1.1256287403742193],
      [0xffffffff, 6.337957754553789],
    ];
    for (const [word, expected] of quantiles) {
      expect(Math.abs(standardNormal(word) / expected - 1)).toBeLessThan(2e-15);
    }
  });

  it('fills arrays with what single draws give', () => {
    const single = new RandomStream(3, 'fill');
    const uniform = new RandomStream(3, 'fill').fillUniform(new Float32Array(9), -2, 3);
    expect([...uniform]).toEqual(
      Array.from({ length: 9 }, () => Math.fround(-2 + 5 * single.uniform())),
    );
    const one = new RandomStream(4, 'fill');
    const normal = new RandomStream(4, 'fill').fillNormal(new Float32Array(9), 1, 0.5);
    expect([...normal]).toEqual(
      Array.from({ length: 9 }, () => Math.fround(1 + 0.5 * one.normal())),
    );
  });

  it('keeps about the asked share in a Bernoulli mask, with only 0 and the scale in it', () => {
    const n = 100_000;
    const mask = new RandomStream(5, 'dropout').fillBernoulli(new Float32Array(n), 0.8, 1.25);
    expect(new Set(mask)).toEqual(new Set([0, 1.25]));
    const kept = mask.filter((value) => value > 0).length;
    expect(Math.abs(kept - 0.8 * n)).toBeLessThan(5 * Math.sqrt(n * 0.16));
    expect(() => new RandomStream(5, 'dropout').fillBernoulli(mask, 1.1, 1)).toThrow('1.1');
  });

  it('makes fillBernoulli exact at the ends: nothing kept at 0, all at 1', () => {
    const stream = new RandomStream(5, 'ends');
    expect(new Set(stream.fillBernoulli(new Float32Array(1000), 0, 1))).toEqual(new Set([0]));
    expect(new Set(stream.fillBernoulli(new Float32Array(1000), 1, 2))).toEqual(new Set([2]));
  });

  it('draws integers evenly, also where 2^32 is far from a multiple of n', () => {
    const stream = new RandomStream(11, 'integer');
    const n = 3 * 2 ** 30;
    const thirds = [0, 0, 0];
    for (let i = 0; i < 30_000; i++) {
      const third = Math.floor(stream.integer(n) / 2 ** 30);
      thirds[third] = (thirds[third] ?? 0) + 1;
    }
    // Without rejection the first third would hold half of all draws.
    for (const count of thirds) {
      expect(Math.abs(count - 10_000)).toBeLessThan(5 * Math.sqrt((30_000 * 2) / 9));
    }
    expect(stream.integer(1)).toBe(0);
    expect(stream.integer(2 ** 32)).toBeLessThan(2 ** 32);
    for (const bad of [0, -1, 1.5, 2 ** 32 + 1]) {
      expect(() => stream.integer(bad)).toThrow(RequestError);
    }
  });

  it('permutes: every number once, and every order of three about equally often', () => {
    const order = new RandomStream(1, 'order').permutation(1000);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));

    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const name = new RandomStream(1, 'orders', i).permutation(3).join();
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) {
      expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt((6000 * 5) / 36));
    }
    expect(new RandomStream(1, 'none').permutation(0)).toHaveLength(0);
    expect(() => new RandomStream(1, 'none').permutation(-1)).toThrow(RequestError);
  });
});
