import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors.js';
import { input } from '../ops/index.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { record } from './context.js';
import type { Expose } from './expose.js';
import { Module } from './module.js';

/** Exposes its input in a way that a test says. */
class Shows extends Module {
  constructor(private readonly show: (expose: Expose, x: Tensor) => Tensor) {
    super();
  }
  override forward(x: Tensor): Tensor {
    return this.show(this.expose, x);
  }
}

function shown(shape: Shape, show: (expose: Expose, x: Tensor) => Tensor) {
  const module = new Shows(show);
  module.assignPaths('layer.gate');
  const x = input('x', shape);
  const { output, record: left } = record(false, () => module.forward(x));
  expect(output).toBe(x);
  return [...left.exposed].map(([name, tensor]) => {
    expect(tensor).toBe(x);
    return [name, left.meanings.get(name)];
  });
}

const [queries, keys] = [
  { height: 4, width: 3 },
  { height: 2, width: 1 },
];

describe('expose', () => {
  it('returns its tensor, under the path of the module and with what it means', () => {
    const channel = [['layer.gate.channel', { kind: 'channel' }]];
    expect(shown([2, 8], (expose, x) => expose.channel(x))).toEqual(channel);
    expect(shown([2, 8, 1, 1], (expose, x) => expose.channel(x))).toEqual(channel);
    expect(shown([2, 1, 4, 4], (expose, x) => expose.spatial(x, 'where'))).toEqual([
      ['layer.gate.where', { kind: 'spatial' }],
    ]);
    const attention = [['layer.gate.attention', { kind: 'attention', queries, keys }]];
    const show = (expose: Expose, x: Tensor) => expose.attention(x, { queries, keys });
    expect(shown([2, 12, 2], show)).toEqual(attention);
    expect(shown([2, 5, 12, 2], show)).toEqual(attention);
    expect(shown([2, 3, 8], (expose, x) => expose.branches(x))).toEqual([
      ['layer.gate.branchWeights', { kind: 'branches', axis: 1 }],
    ]);
    expect(shown([2, 8, 3, 1], (expose, x) => expose.branches(x))).toEqual([
      ['layer.gate.branchWeights', { kind: 'branches', axis: 2 }],
    ]);
    expect(shown([5], (expose, x) => expose.other(x, 'odd'))).toEqual([
      ['layer.gate.odd', { kind: 'other' }],
    ]);
  });

  it.each<[Shape, (expose: Expose, x: Tensor) => Tensor, RegExp]>([
    [
      [2, 8, 4, 4],
      (e, x) => e.channel(x),
      /'channel' at layer\.gate: .*\[B, C\] or \[B, C, 1, 1\]/,
    ],
    [[2, 8, 1], (e, x) => e.channel(x), /cannot take \[2, 8, 1\]/],
    [[2, 4, 4], (e, x) => e.spatial(x), /\[B, 1 or C, H, W\]/],
    [
      [2, 12, 3],
      (e, x) => e.attention(x, { queries, keys }),
      /4 x 3 places to 2 x 1 is \[B, 12, 2\]/,
    ],
    [[12, 2], (e, x) => e.attention(x, { queries, keys }), /\[B, heads, 12, 2\]/],
    [[2, 8, 3, 2], (e, x) => e.branches(x), /\[B, M, C\] or \[B, C, M, 1\]/],
  ])('refuses %j where the map is made', (shape, show, message) => {
    expect(() => shown(shape, show)).toThrow(ShapeError);
    expect(() => shown(shape, show)).toThrow(message);
  });
});
