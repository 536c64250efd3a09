import { describe, expect, it } from 'vitest';
import { defineOp, full, input, sum } from '../ops/index.js';
import { checkGradient } from '../testing/check-gradient.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray } from '../tensor/ndarray.js';
import { withScope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';
import { gradients } from './gradients.js';

const scalar = (name: string) => input(name, []);

function valueAt(y: Tensor | undefined, feeds: [Tensor, number][]): number {
  if (y === undefined) throw new Error('no tensor');
  const [result] = evaluate([y], new Map(feeds.map(([x, v]) => [x, ndarray([], [v])])));
  return result?.data[0] ?? NaN;
}

const round = defineOp('roundForTest', {
  inputs: ['x'],
  shape: ({ x }) => x.shape,
  gradient: null,
  lower: ({ x }, { emit }) => emit.node('Round', [x]),
  reference: ({ x }) => ndarray(x.shape, x.data.map(Math.round)),
});

describe('gradients', () => {
  it('follows the product, chain and quotient rules', () => {
    const [x, y] = [scalar('x'), scalar('y')];
    const z = x.mul(y).exp().div(x);
    const [dx, dy] = gradients(z, [x, y]);
    // d/dx e^(xy)/x = e^(xy) (xy - 1) / x^2, d/dy = e^(xy)
    const at: [Tensor, number][] = [
      [x, 2],
      [y, 0.5],
    ];
    expect(valueAt(dx, at)).toBeCloseTo(0, 12);
    expect(valueAt(dy, at)).toBeCloseTo(Math.E, 12);
  });

  it('adds up the ways through a shared subexpression', () => {
    const x = scalar('x');
    const shared = x.mul(x);
    const [dx] = gradients(shared.mul(shared).add(shared), [x]);
    expect(valueAt(dx, [[x, 3]])).toBe(4 * 27 + 2 * 3);
  });

  it('walks a graph with many ways only once over each node', () => {
    const x = scalar('x');
    let y = x;
    for (let i = 0; i < 60; i++) y = y.add(y);
    const [dx] = gradients(y, [x]);
    expect(topologicalOrder(dx ? [dx] : []).length).toBeLessThan(200);
    expect(valueAt(dx, [[x, 1]])).toBe(2 ** 60);
  });

  it('does not run out of stack on a deep graph', () => {
    const x = scalar('x');
    let y = x;
    for (let i = 0; i < 20_000; i++) y = y.neg();
    const [dx] = gradients(y, [x]);
    expect(valueAt(dx, [[x, 1]])).toBe(1);
  });

  it('gives zeros for an input that nothing depends on', () => {
    const [x, unused] = [input('x', [2]), input('u', [2, 3])];
    const [, du] = gradients(x.sum(), [x, unused]);
    expect(du?.shape).toEqual([2, 3]);
    expect(evaluate(du ? [du] : [])[0]?.data.every((v) => v === 0)).toBe(true);
  });

  it('gives zeros through operations on other types', () => {
    const x = input('x', [2]);
    const y = x.greater(0).cast('float32').sum();
    const [dx] = gradients(y, [x]);
    expect(Array.from(evaluate(dx ? [dx] : [])[0]?.data ?? [])).toEqual([0, 0]);
  });

  it('gives the gradient of an intermediate tensor and of an output', () => {
    const x = scalar('x');
    const middle = x.mul(3);
    const y = middle.square();
    const slopes = gradients(y, [x, middle, y]);
    expect(slopes.map((slope) => valueAt(slope, [[x, 2]]))).toEqual([36, 12, 1]);
  });

  it('adds up over several outputs, each with its cotangent', () => {
    const [x, g, h] = [scalar('x'), scalar('g'), scalar('h')];
    const [dx] = gradients([x.mul(2), x.mul(5)], [x], [g, h]);
    expect(
      valueAt(dx, [
        [x, 1],
        [g, 10],
        [h, 1],
      ]),
    ).toBe(25);
  });

  it('can be differentiated again', () => {
    expect(() => {
      checkGradient(
        (x, w) => gradients(x.matmul(w).tanh().square().sum(), [x, w]),
        [
          [2, 3],
          [3, 2],
        ],
      );
    }).not.toThrow();
  });

  it('refuses a path through an op without a derivative, by op and module path', () => {
    const x = input('x', [2]);
    const y = withScope('head.quantize', () => round({ x }));
    expect(() => gradients(sum(y), [x])).toThrow(
      'A gradient was asked for through Tensor(roundForTest, float32 [2]) at head.quantize, which has no derivative.',
    );
  });

  it('passes by an op without a derivative when no input lies behind it', () => {
    const [x, y] = [scalar('x'), scalar('y')];
    const [dx] = gradients(x.mul(round({ x: y })), [x]);
    expect(
      valueAt(dx, [
        [x, 1],
        [y, 2.6],
      ]),
    ).toBe(3);
  });

  it('refuses an output of several elements without a cotangent', () => {
    const x = input('x', [2, 2]);
    expect(() => gradients(x, [x])).toThrow('needs a cotangent of shape [2, 2]');
  });

  it('refuses a cotangent of another shape, or one too few', () => {
    const x = input('x', [2]);
    expect(() => gradients(x, [x], [full([3], 1)])).toThrow('needs a cotangent of shape [2]');
    expect(() => gradients([x, x.neg()], [x], [full([2], 1)])).toThrow('needs a cotangent');
  });

  it('refuses an output that is no float', () => {
    const x = scalar('x');
    expect(() => gradients(x.greater(0), [x])).toThrow('its values are no floats');
  });

  describe('refuses a rule that would be read as a zero or be broadcast', () => {
    let rules = 0;
    /** Of an op of any number of inputs, whose rule may give any number of gradients. */
    const withRule = (gradient: (g: Tensor) => (Tensor | null)[]) =>
      defineOp(`ruleForTest${rules++}`, {
        inputs: ['...xs'],
        shape: ({ xs }) => xs[0]?.shape ?? 'One is needed.',
        gradient: (_, { upstream }) => ({ xs: gradient(upstream) }),
        lower: ({ xs }) => xs[0] ?? '',
        reference: ({ xs }, { node }) => xs[0] ?? ndarray(node.shape),
      });
    const [x, y] = [input('x', [2, 3]), input('y', [2, 3])];
    const cases: [string, (g: Tensor) => (Tensor | null)[], string][] = [
      ['no gradients', () => [], 'gave 0 gradients for 2 inputs'],
      ['one too few', (g) => [g], 'gave 1 gradients for 2 inputs'],
      ['one too many', (g) => [g, null, null], 'gave 3 gradients for 2 inputs'],
      [
        'another shape that broadcasts',
        (g) => [g.sum([0]), null],
        'gave float32 [3] as the gradient of input 0, which needs float32 [2, 3]',
      ],
      [
        'as many elements in another shape',
        (g) => [g.reshape([3, 2]), null],
        'gave float32 [3, 2]',
      ],
      ['no floats', (g) => [g, g.cast('int32')], 'gave int32 [2, 3] as the gradient of input 1'],
    ];

    it.each(cases)('%s', (_, rule, message) => {
      const z = withScope('head', () => withRule(rule)({ xs: [x, y] }));
      expect(() => gradients(z, [x], [z])).toThrow(message);
      expect(() => gradients(z, [x], [z])).toThrow(
        /^The gradient rule of 'ruleForTest\d+' at head /,
      );
    });

    it('and takes null for none', () => {
      const z = withRule((g) => [g, null])({ xs: [x, y] });
      const [dx, dy] = gradients(z, [x, y], [z]);
      expect(dx).toBe(z);
      expect(dy?.op.name).toBe('constant');
    });

    it('also where a program without types gives an input too few or too many by name', () => {
      const untyped = (gradient: object) => {
        const op = defineOp(`ruleForTest${rules++}`, {
          inputs: ['a', 'b'],
          shape: ({ a }) => a.shape,
          gradient: () => gradient as { a: null; b: null },
          lower: ({ a }) => a,
          reference: ({ a }) => a,
        });
        return op({ a: x, b: y });
      };
      const [few, many] = [untyped({ a: null }), untyped({ a: null, b: null, c: null })];
      expect(() => gradients(few, [y], [few])).toThrow('gave nothing as the gradient of input 1');
      expect(() => gradients(many, [y], [many])).toThrow('gave 3 gradients for 2 inputs');
    });
  });
});
