import { describe, expect, it } from 'vitest';
import { constant, input } from '../ops/index.js';
import { evaluate } from './evaluate.js';
import { forEachIndex, ndarray } from './ndarray.js';
import { currentScope, withScope } from './scope.js';
import { broadcastShapes, normalizeAxes, reducedShape, stridesOf } from './shape.js';
import { topologicalOrder } from './walk.js';

describe('shapes', () => {
  it.each([
    [[2, 3], [3], [2, 3]],
    [
      [2, 1],
      [1, 3],
      [2, 3],
    ],
    [[], [4], [4]],
    [[2, 3], [2], undefined],
    [[1], [0], [0]],
  ])('%j and %j broadcast to %j', (a, b, expected) => {
    expect(broadcastShapes(a, b)).toEqual(expected);
  });

  it('have row-major strides', () => {
    expect(stridesOf([2, 3, 4])).toEqual([12, 4, 1]);
    expect(stridesOf([])).toEqual([]);
  });

  it('count axes from either end', () => {
    expect(normalizeAxes([-1, 0], 3)).toEqual([0, 2]);
    expect(normalizeAxes(undefined, 2)).toEqual([0, 1]);
    expect(normalizeAxes([3], 3)).toBeUndefined();
    expect(normalizeAxes([1, -2], 3)).toBeUndefined();
  });

  it('lose or keep the axes that are reduced', () => {
    expect(reducedShape([2, 3, 4], [1], false)).toEqual([2, 4]);
    expect(reducedShape([2, 3, 4], [0, 2], true)).toEqual([1, 3, 1]);
  });
});

describe('ndarray', () => {
  it('refuses values that do not fill the shape', () => {
    expect(() => ndarray([2, 2], [1, 2, 3])).toThrow('3 values do not fill the shape [2, 2].');
  });

  it('is walked in row-major order, a scalar once', () => {
    const visited: string[] = [];
    forEachIndex([2, 2], (index, flat) => visited.push(`${flat}:${index.join('')}`));
    expect(visited).toEqual(['0:00', '1:01', '2:10', '3:11']);
    let scalars = 0;
    forEachIndex([], () => scalars++);
    expect(scalars).toBe(1);
  });
});

describe('Tensor', () => {
  it('knows its rank, size and axes', () => {
    const x = input('x', [2, 3, 4]);
    expect([x.rank, x.size, x.dim(0), x.dim(-1)]).toEqual([3, 24, 2, 4]);
    expect(() => x.dim(3)).toThrow('axis 3 of a tensor of shape [2, 3, 4]');
    expect(x.toString()).toBe('Tensor(input, float32 [2, 3, 4])');
  });

  it('remembers the module that made it', () => {
    const inner = withScope('a', () => withScope('a.b', () => constant([1], [])));
    expect(inner.scope).toBe('a.b');
    expect(currentScope()).toBe('');
  });

  it('forgets a module whose forward throws', () => {
    expect(() =>
      withScope('a', () => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(currentScope()).toBe('');
  });
});

describe('topologicalOrder', () => {
  it('puts every tensor after its inputs and stops at known ones', () => {
    const x = input('x', [2]);
    const known = x.exp();
    const y = known.add(known.neg());
    expect(topologicalOrder([y]).map(({ op }) => op.name)).toEqual(['input', 'exp', 'neg', 'add']);
    expect(topologicalOrder([y], new Set([known])).map(({ op }) => op.name)).toEqual([
      'neg',
      'add',
    ]);
  });
});

describe('evaluate', () => {
  it('takes the value of any tensor, not only of inputs', () => {
    const middle = input('x', [2]).exp();
    const [y] = evaluate([middle.mul(2)], new Map([[middle, ndarray([2], [1, 2])]]));
    expect(Array.from(y?.data ?? [])).toEqual([2, 4]);
  });

  it('leaves the values that it was given as they are', () => {
    const x = input('x', [3]);
    const given = ndarray([3], [1, 2, 3]);
    evaluate([x.reshape([3, 1]).cumsum(0), x.relu(), x.softmax(0)], new Map([[x, given]]));
    expect(Array.from(given.data)).toEqual([1, 2, 3]);
  });
});
