import { describe, expect, it } from 'vitest';
import { RequestError } from '../../errors.js';
import { expectValues } from '../../testing/expect-values.js';
import { parameterValues, runModule } from '../../testing/run-in-float64.js';
import { randomArray } from '../../testing/values.js';
import { SqueezeExcite } from './squeeze-excite.js';

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));

// Against PyTorch's numbers: src/parity/channel.test.ts.
describe('SqueezeExcite', () => {
  const forms = [true, false].flatMap((bias) =>
    (['avg', 'max'] as const).map((squeeze) => ({ bias, squeeze })),
  );

  it.each(forms)("obeys the paper's equations, and shows its gate: %o", (form) => {
    const [channels, hidden, places] = [6, 2, 4];
    const se = new SqueezeExcite(channels, { ratio: 3, ...form }).initialize(2);
    const x = randomArray([1, channels, 2, 2], 1);
    const plane = (c: number) => [...x.data.slice(c * places, (c + 1) * places)];
    const squeezed = Array.from({ length: channels }, (_, c) =>
      form.squeeze === 'max'
        ? Math.max(...plane(c))
        : plane(c).reduce((sum, v) => sum + v, 0) / places,
    );
    const dense = (name: string, v: readonly number[], outputs: number) => {
      const weight = parameterValues(se, `${name}.weight`);
      const bias = form.bias ? parameterValues(se, `${name}.bias`) : undefined;
      return Array.from({ length: outputs }, (_, o) =>
        v.reduce((sum, one, i) => sum + weight[o * v.length + i]! * one, bias?.[o] ?? 0),
      );
    };
    const units = dense('reduce', squeezed, hidden).map((v) => Math.max(0, v));
    expect(units.some((v) => v > 0)).toBe(true);
    const gate = dense('expand', units, channels).map(sigmoid);
    const { output, exposed } = runModule(se, [x]);
    expect(exposed.get('channel')?.shape).toEqual([1, channels, 1, 1]);
    expectValues(exposed.get('channel'), gate);
    expectValues(
      output,
      [...x.data].map((v, i) => v * gate[Math.floor(i / places)]!),
    );
  });

  it('has 2 C^2 / ratio weights, and biases unless they are left out', () => {
    expect(new SqueezeExcite(64, { ratio: 8 }).parameterCount()).toBe(2 * 64 * 8 + 64 + 8);
    expect(new SqueezeExcite(64, { ratio: 8, bias: false }).parameterCount()).toBe(2 * 64 * 8);
  });

  it('refuses a ratio that leaves no hidden unit, with biases and without', () => {
    for (const bias of [true, false]) {
      expect(() => new SqueezeExcite(8, { bias })).toThrow(RequestError);
      expect(() => new SqueezeExcite(8, { bias })).toThrow(/ratio from 1 to 8/);
    }
  });

  it('takes the weights of linear layers, as the documents have them, for its convolutions', () => {
    const se = new SqueezeExcite(4, { ratio: 2, bias: false });
    const linear = (shape: number[]) => ({
      shape,
      data: Float32Array.from({ length: 8 }, (_, i) => i),
    });
    se.loadStateDict(
      new Map([
        ['reduce.weight', linear([2, 4])],
        ['expand.weight', linear([4, 2])],
      ]),
    );
    expect([...se.reduce.weight.data]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const turned = new Map([
      ['reduce.weight', linear([4, 2])],
      ['expand.weight', linear([4, 2])],
    ]);
    expect(() => se.loadStateDict(turned)).toThrow(
      /reduce\.weight is \[4, 2\], expected \[2, 4, 1, 1\]/,
    );
  });
});
