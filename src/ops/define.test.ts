import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/gradients.js';
import { checkGradient } from '../testing/check-gradient.js';
import { checkLowering } from '../testing/check-lowering.node.js';
import { complaintsAbout } from '../testing/compile.node.js';
import { ndarray } from '../tensor/ndarray.js';
import { constantOp } from './leaf.js';
import { defineOp, input, relu } from './index.js';

const cube = defineOp('cubeForTest', {
  inputs: ['x'],
  shape: ({ x }) => x.shape,
  gradient: ({ x }, { upstream }) => ({ x: upstream.mul(x.square()).mul(3) }),
  lower: ({ x }, { emit }) => emit.node('Mul', [emit.node('Mul', [x, x]), x]),
  reference: ({ x }) =>
    ndarray(
      x.shape,
      x.data.map((v) => v ** 3),
    ),
});

const scaled = defineOp('scaledForTest', {
  inputs: ['x', 'scale?'],
  shape: ({ x }, _: { readonly by: number }) => x.shape,
  gradient: ({ x, scale }, { attributes: { by }, upstream: g }) => ({
    x: scale ? g.mul(scale).mul(by) : g.mul(by),
    scale: g.mul(x).mul(by),
  }),
  lower: ({ x, scale }, { emit, attributes: { by } }) => {
    const result = emit.node('Mul', [x, emit.constant([by], [], 'float32')]);
    return scale === undefined ? result : emit.node('Mul', [result, scale]);
  },
  reference: ({ x, scale }, { attributes: { by } }) =>
    ndarray(
      x.shape,
      x.data.map((v, i) => v * by * (scale?.data[i] ?? 1)),
    ),
});

describe("an op of a program's own", () => {
  it('is evaluated, lowered and differentiated like any other', async () => {
    const build = (x: Parameters<typeof relu>[0]) => cube({ x });
    checkGradient(build, [[2, 3]]);
    await expect(checkLowering(build, [[2, 3]])).resolves.toBeUndefined();
  });

  it('sees an optional input when it is given, and is lowered and differentiated without it', async () => {
    const both = (x: Parameters<typeof relu>[0], scale: Parameters<typeof relu>[0]) =>
      scaled({ x, scale }, { by: 2 });
    const alone = (x: Parameters<typeof relu>[0]) => scaled({ x }, { by: 2 });
    checkGradient(both, [
      [2, 3],
      [2, 3],
    ]);
    checkGradient(alone, [[2, 3]]);
    await expect(checkLowering(alone, [[2, 3]])).resolves.toBeUndefined();
    const x = input('x', [2]);
    expect(alone(x).inputs).toEqual([x]);
    expect(gradients(alone(x), [x], [x])).toHaveLength(1);
  });

  it('knows its own nodes again, with inputs by name and attributes, and no others', () => {
    const [x, scale] = [input('x', [2]), input('scale', [2])];
    const node = scaled({ x, scale }, { by: 3 });
    expect(scaled.read(node)).toEqual({ inputs: { x, scale }, attributes: { by: 3 } });
    expect(cube.read(node)).toBeUndefined();
    expect(constantOp.read(node)).toBeUndefined();
  });
});

describe('refuses', () => {
  const untyped = (op: unknown) => op as (inputs: object) => unknown;
  const x = input('x', [2]);

  it('an input too few, too many, or of another kind, also from a program without types', () => {
    expect(() => untyped(relu.op)({})).toThrow("The op 'relu' needs its input 'x'.");
    expect(() => untyped(relu.op)({ x, y: x })).toThrow(
      "The op 'relu' has no input 'y'; it has x.",
    );
    expect(() => untyped(relu.op)({ x: 2 })).toThrow("Input 0 of the op 'relu' is not a tensor.");
  });

  it.each([
    ['two of one name', ['x', 'x']],
    ['an optional one before another', ['x?', 'y']],
    ['any number before another', ['...xs', 'y']],
  ])('a declaration whose inputs are %s', (_, inputs) => {
    const declare = () =>
      defineOp('wronglyDeclaredForTest', {
        inputs,
        shape: () => [],
        gradient: null,
        lower: () => '',
        reference: () => ndarray([]),
      });
    expect(declare).toThrow(/Their names must differ, and only the last/);
  });
});

describe('does not compile', () => {
  const op = (inputs: string, gradient: string, call = 'op') => `
    import { defineOp, input } from './ops/index.js';
    const op = defineOp('op', {
      inputs: ${inputs},
      shape: ({ a }, _: { readonly k: number }) => a.shape,
      gradient: ({ a }, { upstream: g }) => (${gradient}),
      lower: ({ a }) => a,
      reference: ({ a }) => a,
    });
    export const a = input('a', [2]);
    export const y = ${call};`;

  const right = op("['a', 'b?']", '{ a: g.mul(a), b: null }', 'op({ a }, { k: 1 })');
  const wrong: Record<string, [source: string, complaint: string]> = {
    'a gradient too few': [op("['a', 'b']", '{ a: g.mul(a) }'), "'b' is missing"],
    'a gradient too many': [op("['a']", '{ a: g, b: g }'), "not assignable to type 'never'"],
    'a gradient that is none': [op("['a']", '{ a: undefined }'), "'undefined' is not assignable"],
    'an input that was not declared': [op("['b']", '{ b: null }'), "'a' does not exist"],
    'a call with an input too few': [
      op("['a', 'b']", '{ a: g, b: g }', 'op({ a }, { k: 1 })'),
      "'b' is missing",
    ],
    'a call with an input too many': [
      op("['a']", '{ a: g }', 'op({ a, b: a }, { k: 1 })'),
      "'b' does not exist",
    ],
    'a call without attributes': [op("['a']", '{ a: g }', 'op({ a })'), 'Expected 2 arguments'],
    'a call with others': [
      op("['a']", '{ a: g }', "op({ a }, { k: '1' })"),
      "'string' is not assignable",
    ],
  };
  const sources = Object.entries(wrong).map(([name, [source]]) => [name, source] as const);
  const complaints = complaintsAbout({ ...Object.fromEntries<string>(sources), right });

  it.each(Object.entries(wrong))('%s', (name, [, complaint]) => {
    expect(complaints.get(name)?.join('\n')).toContain(complaint);
  });

  it('and what is right does', () => {
    expect(complaints.get('right')).toEqual([]);
  });
});
