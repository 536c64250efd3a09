import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { RequestError } from '../../errors.js';
import { ndarray } from '../../tensor/ndarray.js';
import { expectValues } from '../../testing/expect-values.js';
import { runModule } from '../../testing/run-in-float64.js';
import { adaptiveKernel, Eca } from './eca.js';

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));

describe('Eca', () => {
  it('weights each channel by its neighbours, beyond the ends of which are zeros', () => {
    const eca = new Eca(3, { kernel: 3 });
    eca.conv.weight.data = Float32Array.of(0.5, 1, -2);
    // Means 1, 2 and 4.
    const { output, exposed } = runModule(eca, [ndarray([1, 3, 1, 2], [0, 2, 2, 2, 3, 5])]);
    const gate = [1 - 2 * 2, 0.5 * 1 + 2 - 2 * 4, 0.5 * 2 + 4].map(sigmoid);
    const [a = 0, b = 0, c = 0] = gate;
    expectValues(exposed.get('channel'), gate);
    expect(exposed.get('channel')?.shape).toEqual([1, 3, 1, 1]);
    expectValues(output, [0, 2 * a, 2 * b, 2 * b, 3 * c, 5 * c]);
  });

  it('has as many weights as its kernel has taps, and no bias', () => {
    expect(new Eca(64, { kernel: 9 }).parameterCount()).toBe(9);
    expect(new Eca(256).parameterCount()).toBe(5);
  });

  it('refuses an even kernel', () => {
    expect(() => new Eca(10, { kernel: 4 })).toThrow(/even kernel.*Choose 3 or 5/);
  });

  it('refuses kernels that are no positive integers, and a gamma of 0', () => {
    for (const kernel of [0, -3, 2.5, NaN]) {
      expect(() => new Eca(16, { kernel })).toThrow(RequestError);
    }
    expect(() => new Eca(16, { gamma: 0 })).toThrow(RequestError);
  });
});

describe('adaptiveKernel', () => {
  it('is the odd number nearest to (log2 C + 1) / 2, for every C up to 65536', () => {
    for (let channels = 1; channels <= 65536; channels++) {
      // Of the odd k, the first with (log2 C + 1) / 2 < k + 1, without logarithms: C < 2^(2k + 1).
      let k = 1;
      while (channels >= 2 ** (2 * k + 1)) k += 2;
      expect(adaptiveKernel(channels, 2, 1)).toBe(k);
    }
  });

  it('takes the magnitude, and the larger of two odd numbers that are as near', () => {
    expect(adaptiveKernel(16, -1, 0)).toBe(5);
    expect(adaptiveKernel(16, 1, 0)).toBe(5);
    expect(adaptiveKernel(16, 1, -0.5)).toBe(3);
  });

  const table = new URL('../../../../shared/fixtures/eca_kernel.json', import.meta.url);
  it.skipIf(!existsSync(table))("agrees with document 001's rule in Python", () => {
    const { channel_gamma_b_k: rows } = JSON.parse(readFileSync(table, 'utf8')) as {
      channel_gamma_b_k: [number, number, number, number][];
    };
    expect(rows.length).toBeGreaterThan(100);
    for (const [channels, gamma, b, k] of rows) {
      expect(adaptiveKernel(channels, gamma, b), `${channels}, ${gamma}, ${b}`).toBe(k);
    }
  });
});
