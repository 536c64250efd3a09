import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors.js';
import { broadcastPair, RUNS } from '../testing/arbitraries.js';
import { checkGradient, type Build } from '../testing/check-gradient.js';
import { checkLowering } from '../testing/check-lowering.node.js';
import { withScope } from '../tensor/scope.js';
import { addWeight, axisMap, mapAxis } from './axis-map.js';
import { input, matmul } from './index.js';

const size = fc.integer({ min: 1, max: 4 });
const products = fc.tuple(broadcastPair, size, size, size).map(([[a, b], m, k, n]) => [
  [...a, m, k],
  [...b, k, n],
]);
const build: Build = (a, b) => matmul(a, b);

describe('matmul', () => {
  it('has the gradient of its float64 reference at any batch rank', () => {
    fc.assert(
      fc.property(products, (shapes) => {
        checkGradient(build, shapes);
      }),
      RUNS,
    );
  });

  it('computes the same in ONNX Runtime, gradients included', async () => {
    await fc.assert(
      fc.asyncProperty(products, (shapes) => checkLowering(build, shapes)),
      RUNS,
    );
  });

  it.each([
    [[3], [3, 2], 'at least two axes'],
    [[2, 3], [2, 3], 'The inner sizes 3 and 2 differ'],
    [[2, 2, 3], [3, 3, 2], 'The batch axes do not broadcast'],
  ])('refuses %j times %j', (a, b, message) => {
    const refused = () => withScope('fc', () => matmul(input('a', a), input('b', b)));
    expect(refused).toThrow(ShapeError);
    expect(refused).toThrow(`matmul at fc: cannot take [${a.join(', ')}], [${b.join(', ')}]. `);
    expect(refused).toThrow(message);
  });
});

describe('mapAxis', () => {
  it.each([0, 1, 2])('applies a map to axis %i and has its gradient', async (axis) => {
    const map = axisMap(2, 3, 'resize');
    for (const [o, i, weight] of [
      [0, 0, 1],
      [0, 2, -2],
      [1, 1, 0.5],
      [1, 1, 0.25],
    ] as const) {
      addWeight(map, o, i, weight);
    }
    const shape = [2, 4, 2].with(axis, 3);
    const mapped: Build = (x) => mapAxis(x, axis, map);
    expect(mapAxis(input('x', shape), axis, map).shape).toEqual(shape.with(axis, 2));
    const byHand: Build = (x) => [
      x
        .select(axis, 0)
        .sub(x.select(axis, 2).mul(2))
        .sub(mapAxis(x, axis, map).select(axis, 0)),
      x
        .select(axis, 1)
        .mul(0.75)
        .sub(mapAxis(x, axis, map).select(axis, 1)),
    ];
    // What the map gives, less what it stands for, is 0 everywhere: so its gradient is 0 too.
    checkGradient(byHand, [shape]);
    checkGradient(mapped, [shape]);
    await checkLowering(mapped, [shape]);
  });
});
