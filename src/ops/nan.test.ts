/** NaN and infinities go through maxima as in PyTorch; the wanted values are torch's own rules written out. */
import { describe, expect, it } from 'vitest';
import { lowerToOnnx } from '../onnx/lower.js';
import { runOnnx } from '../testing/check-lowering.node.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray } from '../tensor/ndarray.js';
import type { Tensor } from '../tensor/tensor.js';
import { input } from './index.js';

const [INF, N] = [Infinity, NaN];

type Case = [string, (x: Tensor) => Tensor, number[][], number[]];

const cases: Case[] = [
  [
    'max',
    (x) => x.max(1),
    [
      [2, N, 1],
      [3, 5, 4],
    ],
    [N, 5],
  ],
  [
    'max where NaN comes first',
    (x) => x.max(1),
    [
      [N, 2, 1],
      [3, 5, 4],
    ],
    [N, 5],
  ],
  [
    'max beside infinities',
    (x) => x.max(1),
    [
      [INF, -INF, 0],
      [-INF, -INF, N],
    ],
    [INF, N],
  ],
  [
    'max over everything',
    (x) => x.max(),
    [
      [2, N, 1],
      [3, 5, 4],
    ],
    [N],
  ],
  [
    'max over rows',
    (x) => x.max(0),
    [
      [2, N, 1],
      [3, 5, 4],
    ],
    [3, N, 4],
  ],
  [
    'min',
    (x) => x.min(1),
    [
      [2, N, 1],
      [-INF, 5, INF],
    ],
    [N, -INF],
  ],
  [
    'maxFirst',
    (x) => x.maxFirst(1),
    [
      [2, N, 1],
      [3, -INF, 4],
    ],
    [N, 4],
  ],
  [
    'argmax',
    (x) => x.argmax(1),
    [
      [2, N, N],
      [INF, 5, N],
      [1, INF, 3.4e38],
      [1, 7, 7],
    ],
    [1, 2, 1, 1],
  ],
  [
    'maxPool',
    (x) => x.reshape([1, 1, 2, 4]).maxPool(2),
    [
      [1, N, 5, -INF],
      [2, 3, INF, 6],
    ],
    [N, INF],
  ],
  [
    'adaptiveMaxPool',
    (x) => x.reshape([1, 1, 2, 3]).adaptiveMaxPool([1, 2]),
    [
      [1, 2, N],
      [4, 3, 0],
    ],
    [4, N],
  ],
  [
    'globalMaxPool',
    (x) => x.reshape([2, 1, 1, 3]).globalMaxPool(),
    [
      [1, 2, N],
      [4, 3, 0],
    ],
    [N, 4],
  ],
  ['maximum', (x) => x.maximum(0), [[N, -1, 2]], [N, 0, 2]],
  ['minimum', (x) => x.minimum(0), [[N, -1, 2]], [N, -1, 0]],
  ['clip', (x) => x.clip({ min: -1, max: 1 }), [[N, -2, INF]], [N, -1, 1]],
  ['relu', (x) => x.relu(), [[N, -2, INF]], [N, 0, INF]],
];

describe.each(cases)('%s', (_, build, rows, wanted) => {
  const shape = [rows.length, rows[0]?.length ?? 1];
  const value = ndarray(shape, Float64Array.from(rows.flat()));
  const x = input('x', shape);
  const y = build(x);

  it('in float64', () => {
    expect([...(evaluate([y], new Map([[x, value]]))[0]?.data ?? [])]).toEqual(wanted);
  });

  it.each(['cpu', 'wasm'] as const)('as lowered for %s, in ONNX Runtime', async (provider) => {
    const model = lowerToOnnx({ inputs: { x }, outputs: { y } }, { provider });
    const result = await runOnnx(model, { x: value });
    expect([...(result['y']?.data ?? [])]).toEqual(wanted);
  });
});

it('a file for any runtime has the plain operators', () => {
  const x = input('x', [1, 1, 4, 4]);
  const count = (keepNaN: boolean) =>
    lowerToOnnx({ inputs: { x }, outputs: { y: x.maxPool(2) } }, { provider: 'cpu', keepNaN })
      .length;
  expect(count(false)).toBeLessThan(count(true));
});
